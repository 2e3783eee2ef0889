"""OpenCode's plugin folder: one file of ours, made of hooks/opencode_plugin.js, and nothing else.

    $XDG_CONFIG_HOME/opencode/plugin/opensync-hooks.js, else under ~/.config

`plugin` is read by every version; `plugins` makes 1.0 refuse to start. A default export that is no
function is what 2.x wants and what keeps 1.2.6 and older from starting: those get the file without.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from opensync_hooks.agents.settings_files.file_change import Change, read
from opensync_hooks.agents.settings_files.hooks_json import UNTOUCHED
from opensync_hooks.agents.settings_files.registration import Registration, broken
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths

_MARK = b"// opensync-hooks: install.py wrote this file"
_COMMAND = re.compile(r"^const COMMAND = (\[.*\])(?: //.*)?$", re.MULTILINE)
_DEFAULT_EXPORT = re.compile(r"^export default .*\n", re.MULTILINE)
_FIRST_MODERN = (1, 2, 11)
_PROGRAMS = ("opencode", "opencode2")
_PACKAGE = "node_modules/@opencode-ai/plugin"
_CURE = "fetch-retries=0"


class OpenCode:
    name = "opencode"
    label = "OpenCode"
    script = "opencode.py"
    starts = "restart OpenCode where it is running: it loads plugins at its start"
    file = "opensync-hooks.js"

    def settings_path(self, env: paths.Lookup) -> Path:
        return _config(env) / "plugin" / self.file

    def present(self, env: paths.Lookup) -> bool:
        return _config(env).is_dir() or _data(env).is_dir() or any(_programs(env))

    def plan(self, env: paths.Lookup, command: str) -> Change | None:
        path = self.settings_path(env)
        before = read(path)
        if before is not None and not before.startswith(_MARK):
            raise OpenSyncError(
                f"{path}: another program's file.{UNTOUCHED}",
                "move it away or rename it, then run the same command again",
            )
        after = _bridge(command, modern=_is_modern(env))
        if after != before:
            return Change(path, before, after)
        return next(self._copies(env), None)

    def plan_removal(self, env: paths.Lookup) -> Change | None:
        path = self.settings_path(env)
        content = read(path)
        if content is not None and content.startswith(_MARK):
            return Change(path, content, None, prune=2)
        return next(self._copies(env), None)

    def registered(self, env: paths.Lookup) -> Registration:
        path = self.settings_path(env)
        try:
            content = read(path)
        except OpenSyncError as error:
            said = str(error).removesuffix(UNTOUCHED).removesuffix(".")
            return Registration(path, (), ("plugin",), said)
        if content is None:
            return Registration(path, (), ("plugin",))
        if not content.startswith(_MARK):
            return Registration(path, (), ("plugin",), f"{path}: another program's file")
        return Registration(path, ("plugin",), (), _trouble(path, content))

    def note(self, env: paths.Lookup) -> str:
        """With a plugin, 1.14 and newer installs this package, and waits for it at each start."""
        config = _config(env)
        settings = read(config / ".npmrc") or b""
        if (config / _PACKAGE).is_dir() or _CURE.encode() in settings:
            return ""
        return (
            "offline, OpenCode 1.14 and newer waits 71 s at each start for a package that plugins "
            f"may need; this ends that: echo {_CURE} >> {shlex.quote(str(config / '.npmrc'))}"
        )

    def _copies(self, env: paths.Lookup) -> Iterator[Change]:
        """Files of ours in the other folders that OpenCode loads: each would fire once more."""
        roots = [_config(env), Path(paths.home(env)) / ".opencode"]
        extra = env("OPENCODE_CONFIG_DIR")
        roots += [Path(extra)] if extra else []
        for folder in (root / name for root in roots for name in ("plugin", "plugins")):
            path = folder / self.file
            content = read(path) if path != self.settings_path(env) else None
            if content is not None and content.startswith(_MARK):
                yield Change(path, content, None)


def _config(env: paths.Lookup) -> Path:
    return Path(env("XDG_CONFIG_HOME") or paths.home(env) + "/.config") / "opencode"


def _data(env: paths.Lookup) -> Path:
    return Path(env("XDG_DATA_HOME") or paths.home(env) + "/.local/share") / "opencode"


def _bridge(command: str, *, modern: bool) -> bytes:
    baked = f"const COMMAND = {json.dumps(shlex.split(command))}"
    text = _COMMAND.sub(lambda _: baked, _template(), count=1)
    return (text if modern else _DEFAULT_EXPORT.sub("", text)).encode()


def _template() -> str:
    """Beside the entry scripts: within the installed package, or in the clone."""
    package = Path(__file__).parents[2]
    places = (root / "hooks" / "opencode_plugin.js" for root in (package, package.parent))
    return next(path for path in places if path.is_file()).read_text(encoding="utf-8")


def _trouble(path: Path, content: bytes) -> str:
    found = _COMMAND.search(content.decode("utf-8", "replace"))
    try:
        words = json.loads(found[1]) if found else []
    except ValueError:
        words = []
    if not words or not all(isinstance(word, str) for word in words):
        return f"{path}: names no program to run"
    return broken(shlex.join(words))


def _is_modern(env: paths.Lookup) -> bool:
    """Whether every OpenCode that can be found takes the new shape; the old one harms nobody."""
    versions = [_version(program) for program in _programs(env)]
    return bool(versions) and all(version >= _FIRST_MODERN for version in versions)


def _programs(env: paths.Lookup) -> Iterator[str]:
    own = f"{paths.home(env)}/.opencode/bin"
    for path in (env("PATH"), own):
        found = (shutil.which(name, path=path) for name in _PROGRAMS) if path else ()
        yield from filter(None, found)


@cache
def _version(program: str) -> tuple[int, ...]:
    """Nothing, which is older than anything, for what does not say."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=20
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else ()
