"""Which shape of our plugin the installed OpenCode can load.

    functions only               1.2.10 and older, which do not start with a default object, to 1.18
    and a default object         1.2.11 and newer; 2.x loads nothing else

An unknown version may be a new one, so the default object is left out only for a known old one.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache

from opensync_hooks.agents.opencode import DESCRIPTION, locations
from opensync_hooks.agents.opencode.database import newest_version
from opensync_hooks.agents.settings_files.registration import find_programs
from opensync_hooks.errors import SourceError
from opensync_hooks.hook import paths

Version = tuple[int, ...]
_DEFAULT_EXPORT = re.compile(r"^export default .*\n", re.MULTILINE)
_FIRST_WITH_DEFAULT = (1, 2, 11)
_FIRST_WITHOUT_FUNCTIONS = (2,)
_LAST_TREE = (1, 1)
"""1.2 and newer keep sessions in a database, which they create when they start."""
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def shaped(plugin: str, env: paths.Lookup) -> str:
    """Return the plugin in the shape for the oldest OpenCode here."""
    version = _program_version(env) or _stored_version(env)
    return _DEFAULT_EXPORT.sub("", plugin) if _is_old(version) else plugin


def misfit(plugin: str, env: paths.Lookup) -> str:
    """Return why the OpenCode here does not load this plugin; empty if it does.

    The programs are asked only where the database leaves doubts: that takes a second.
    """
    stored = _stored_version(env)
    if _DEFAULT_EXPORT.search(plugin):
        version = (_program_version(env) or stored) if stored is None or _is_old(stored) else None
        return _reason(version, "does not start with it") if _is_old(version) else ""
    version = stored or max(_versions(env), default=None)
    is_refused = version is not None and version >= _FIRST_WITHOUT_FUNCTIONS
    return _reason(version, "does not load it") if is_refused else ""


def programs(env: paths.Lookup) -> Iterator[str]:
    return find_programs(env, ("opencode", "opencode2"), ".opencode/bin")


def _is_old(version: Version | None) -> bool:
    return version is not None and version < _FIRST_WITH_DEFAULT


def _reason(version: Version | None, problem: str) -> str:
    return f"OpenCode {'.'.join(map(str, version or ()))} {problem} in this form"


def _program_version(env: paths.Lookup) -> Version | None:
    return min(_versions(env), default=None)


def _versions(env: paths.Lookup) -> list[Version]:
    return [version for program in programs(env) if (version := _ask(program))]


@cache
def _ask(program: str) -> Version | None:
    """Return the program's version; None if it prints none."""
    try:
        output = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=20
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return _parse(output)


def _parse(text: str) -> Version | None:
    """Return the numbers of a version; None for a development build, which has only zeros."""
    match = _VERSION.search(text)
    version = tuple(int(number) for number in match.groups()) if match else ()
    return version if any(version) else None


def _stored_version(env: paths.Lookup) -> Version | None:
    """Return the version that wrote the newest session; None if nothing tells."""
    environ = {name: value for name in DESCRIPTION.variables if (value := env(name))}
    data = locations.data_folder(environ, paths.home(env))
    newest: tuple[int, Version | None] | None = None
    for path in locations.databases(environ, data):
        try:
            created_at, text = newest_version(path)
        except SourceError:
            continue
        newest = max(newest or (0, None), (created_at, _parse(text)), key=lambda pair: pair[0])
    if newest is None and (data / "storage").is_dir():
        return _LAST_TREE
    return newest[1] if newest else None
