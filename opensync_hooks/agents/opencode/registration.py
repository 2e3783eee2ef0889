"""OpenCode's plugin folder: one file of ours, made from hooks/opencode_plugin.js.

    $XDG_CONFIG_HOME/opencode/plugin/opensync-hooks.js, else under ~/.config

Every version reads `plugin`; `plugins` makes 1.0 refuse to start. `plugin_shape.py` decides whether
the file has a default export, and `placeholder_package.py` keeps OpenCode from waiting for a
package because of it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from opensync_hooks.agents.opencode import (
    OPENCODE,
    locations,
    placeholder_package,
    plugin_list,
    plugin_shape,
)
from opensync_hooks.agents.opencode.product import Product
from opensync_hooks.agents.settings_files.blockers import Blocker, BlockerKind, SettingsError
from opensync_hooks.agents.settings_files.file_change import FileChange, read
from opensync_hooks.agents.settings_files.hook_command import command_blocker
from opensync_hooks.agents.settings_files.registration import (
    HookEntry,
    Registration,
    RegistrationState,
)
from opensync_hooks.hook import paths

_EVENT = "plugin"
"""A plugin hears all events, so the file counts as the one registered event."""
_MARK = b"// opensync-hooks: install.py wrote this file"
_COMMAND = re.compile(r"^const COMMAND = (\[.*\])(?: //.*)?$", re.MULTILINE)
_NO_RETRIES = "fetch-retries=0"


class OpenCodeRegistration(Registration):
    """The plugin in the folder of OpenCode, or of a fork of it."""

    file_name = "opensync-hooks.js"

    def __init__(self, product: Product = OPENCODE) -> None:
        self._product = product
        self.name = product.description.name
        self.label = product.description.label
        self.script = f"{self.name}.py"
        self.activation_hint = (
            f"restart {self.label} where it is running: it loads plugins at its start"
        )

    def settings_path(self, env: paths.Lookup) -> Path:
        return plugin_list.config_folders(self._product, env)[0] / "plugin" / self.file_name

    def is_installed(self, env: paths.Lookup) -> bool:
        names = self._product.description.variables
        environ = {name: value for name in names if (value := env(name))}
        folders = (
            plugin_list.config_folders(self._product, env)[0],
            locations.data_folder(environ, paths.home(env), self._product),
        )
        return any(folder.is_dir() for folder in folders) or any(
            plugin_shape.programs(self._product, env)
        )

    def plan(self, env: paths.Lookup, command: str) -> FileChange | None:
        path = self.settings_path(env)
        before = read(path)
        if before is not None and not before.startswith(_MARK):
            raise SettingsError(
                _foreign_file(path), "move it away or rename it, then run the same command again"
            )
        after = _plugin(self._product, env, command)
        if after != before:
            return FileChange(path, before, after)
        return placeholder_package.plan(self._product, env) or self._plan_cleanup(env)

    def plan_removal(self, env: paths.Lookup) -> FileChange | None:
        path = self.settings_path(env)
        content = read(path)
        is_dangling = content is None and path.is_symlink()
        if is_dangling or (content is not None and content.startswith(_MARK)):
            return FileChange(path, content, None, prune=2)
        return placeholder_package.plan_removal(self._product, env) or self._plan_cleanup(env)

    def state(self, env: paths.Lookup) -> RegistrationState:
        path = self.settings_path(env)
        try:
            content = read(path)
        except SettingsError as error:
            return RegistrationState(path, (), (_EVENT,), error.blocker)
        if content is None:
            return RegistrationState(path, (), (_EVENT,))
        if not content.startswith(_MARK):
            return RegistrationState(path, (), (_EVENT,), _foreign_file(path))
        misfit = plugin_shape.misfit(content.decode("utf-8", "replace"), self._product, env)
        if misfit:
            return RegistrationState(
                path, (_EVENT,), (), Blocker(BlockerKind.REFUSED, path, misfit)
            )
        words = _command_words(content)
        if words:
            return RegistrationState(path, (_EVENT,), (), command_blocker(shlex.join(words)))
        blocker = Blocker(BlockerKind.NO_COMMAND, path, "names no program to run")
        return RegistrationState(path, (_EVENT,), (), blocker)

    def entries(self, env: paths.Lookup, project: Path | None = None) -> list[HookEntry]:
        entries: list[HookEntry] = []
        for path in (self.settings_path(env), *self._copies(env, project)):
            try:
                content = read(path) or b""
            except SettingsError:
                continue
            words = _command_words(content) if content.startswith(_MARK) else []
            entries += [HookEntry(path, _EVENT, shlex.join(words))] if words else []
        return entries

    def foreign_files(self, env: paths.Lookup) -> list[Path]:
        return list(plugin_list.settings_files(self._product, env))

    def plan_without(
        self, path: Path, package: str, _: Callable[[object], bool]
    ) -> FileChange | None:
        return plugin_list.plan_without(path, package)

    def advice(self, env: paths.Lookup) -> str:
        """Name a folder whose package OpenCode 1.14 and newer waits for without a network."""
        for folder in placeholder_package.lacking_folders(self._product, env):
            if _NO_RETRIES.encode() not in (read(folder / ".npmrc") or b""):
                return (
                    f"without a network, each start waits for the npm packages of {folder};"
                    f" to avoid that: echo {_NO_RETRIES} >> {shlex.quote(f'{folder}/.npmrc')}"
                )
        return ""

    def _copies(self, env: paths.Lookup, project: Path | None = None) -> Iterator[Path]:
        """Yield where else OpenCode would load our file from, and run our hook once more."""
        names = self._product.home_folders if project else ()
        project_folders = [Path(project or "", name) for name in names]
        for root in dict.fromkeys(
            (*plugin_list.config_folders(self._product, env), *project_folders)
        ):
            for folder in ("plugin", "plugins"):
                path = root / folder / self.file_name
                if path != self.settings_path(env):
                    yield path

    def _plan_cleanup(self, env: paths.Lookup) -> FileChange | None:
        for path in self._copies(env):
            content = read(path)
            if content is not None and content.startswith(_MARK):
                return FileChange(path, content, None)
        return None


def _foreign_file(path: Path) -> Blocker:
    return Blocker(BlockerKind.FOREIGN, path, "another program's file")


def _plugin(product: Product, env: paths.Lookup, command: str) -> bytes:
    """Return the plugin with the command in it, in the form that every OpenCode here can load."""
    package = Path(__file__).parents[2]
    sources = (root / "hooks" / "opencode_plugin.js" for root in (package, package.parent))
    text = next(path for path in sources if path.is_file()).read_text(encoding="utf-8")
    command_line = f"const COMMAND = {json.dumps(shlex.split(command))}"
    text = _COMMAND.sub(lambda _: command_line, text, count=1)
    return plugin_shape.shaped(text, product, env).encode()


def _command_words(content: bytes) -> list[str]:
    """Return the words of the command in the plugin; empty if there is no valid command."""
    match = _COMMAND.search(content.decode("utf-8", "replace"))
    try:
        words = json.loads(match[1]) if match else []
    except ValueError:
        return []
    return words if all(isinstance(word, str) for word in words) else []


REGISTRATION = OpenCodeRegistration()
