"""Which shape of our plugin the installed OpenCode can load.

    functions only               1.2.10 and older, which do not start with a default object, to 1.18
    and a default object         1.2.11 and newer; 2.x loads nothing else

An unknown version may be a new one, so the default object is left out only for a known old one. A
fork counts its versions anew (`Product`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from opensync_hooks.agents.opencode import locations
from opensync_hooks.agents.opencode.database import newest_version
from opensync_hooks.agents.opencode.product import Product, Version
from opensync_hooks.agents.settings_files.registration import find_programs
from opensync_hooks.errors import SourceError
from opensync_hooks.hook import paths

_DEFAULT_EXPORT = re.compile(r"^export default .*\n", re.MULTILINE)
_LAST_TREE = (1, 1)
"""1.2 and newer keep sessions in a database, which they create when they start."""
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def shaped(plugin: str, product: Product, env: paths.Lookup) -> str:
    """Return the plugin in the shape for the oldest OpenCode here."""
    version = _program_version(product, env) or _stored_version(product, env)
    return _DEFAULT_EXPORT.sub("", plugin) if _is_old(version, product) else plugin


def misfit(plugin: str, product: Product, env: paths.Lookup) -> str:
    """Return why the OpenCode here does not load this plugin; empty if it does.

    The programs are asked only where the database leaves doubts: that takes a second.
    """
    stored = _stored_version(product, env)
    label = product.description.label
    if _DEFAULT_EXPORT.search(plugin):
        is_doubtful = stored is None or _is_old(stored, product)
        version = (_program_version(product, env) or stored) if is_doubtful else None
        is_fatal = _is_old(version, product)
        return _reason(label, version, "does not start with it") if is_fatal else ""
    version = stored or max(_versions(product, env), default=None)
    first = product.first_without_functions
    is_refused = version is not None and first is not None and version >= first
    return _reason(label, version, "does not load it") if is_refused else ""


def programs(product: Product, env: paths.Lookup) -> Iterator[str]:
    return find_programs(env, product.programs, f"{product.home_folders[0]}/bin")


def _is_old(version: Version | None, product: Product) -> bool:
    return version is not None and version < product.first_with_default_export


def _reason(label: str, version: Version | None, problem: str) -> str:
    return f"{label} {'.'.join(map(str, version or ()))} {problem} in this form"


def _program_version(product: Product, env: paths.Lookup) -> Version | None:
    return min(_versions(product, env), default=None)


def _versions(product: Product, env: paths.Lookup) -> list[Version]:
    return [version for program in programs(product, env) if (version := _ask(program))]


@cache
def _ask(program: str) -> Version | None:
    """Return the program's version; None if it prints none."""
    import subprocess  # noqa: PLC0415 - `status` uses this module, and starts nothing

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


def _stored_version(product: Product, env: paths.Lookup) -> Version | None:
    """Return the version that wrote the newest session; None if nothing tells."""
    names = product.description.variables
    environ = {name: value for name in names if (value := env(name))}
    data = locations.data_folder(environ, paths.home(env), product)
    newest: tuple[int, Version | None] | None = None
    for path in locations.databases(environ, data, product):
        try:
            created_at, text = newest_version(path)
        except SourceError:
            continue
        newest = max(newest or (0, None), (created_at, _parse(text)), key=lambda pair: pair[0])
    if newest is None and (data / "storage").is_dir():
        return _LAST_TREE
    return newest[1] if newest else None
