"""Our plugin for Claude Code: the alternative to hooks in settings.json.

Claude Code 2.1.329 enables a plugin by `enabledPlugins` in a settings file, and keeps the rest in
its folder: `plugins/installed_plugins.json` names the copy that it made of our repository, of which
it uses the original if `plugins/known_marketplaces.json` says that the marketplace is a folder;
`plugins/data/<plugin>-<marketplace>` is deleted with the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opensync_hooks.agents.json_access import decode, get_dict, get_list, get_str
from opensync_hooks.agents.settings_files.blockers import Blocker, BlockerKind
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.agents.settings_files.registration import HookEntry
from opensync_hooks.dataclass import dataclass
from opensync_hooks.hook import paths


@dataclass(frozen=True, slots=True)
class Plugin:
    """`name` is `plugin@marketplace`, `root` where its hooks run, `data` the folder of its own."""

    name: str
    root: Path
    data: Path

    @property
    def manifest(self) -> Path:
        return self.root / ".claude-plugin" / "plugin.json"

    @property
    def removal(self) -> str:
        return f"claude plugin uninstall {self.name}"

    def events(self) -> tuple[str, ...]:
        return tuple(get_dict(_decoded(self.manifest), "hooks"))

    def python(self, env: paths.Lookup) -> Path:
        """Return the Python of the worker, or the one that builds an environment for it."""
        folders = (Path(paths.data(env), "env"), self.data / "env")
        programs = (folder / name for folder in folders for name in paths.PYTHONS)
        return next(filter(Path.exists, programs), Path("python3"))

    def entries(self, env: paths.Lookup, script: str) -> Iterator[HookEntry]:
        command = hook_command(self.python(env), self.root / "hooks" / script)
        for event in self.events():
            yield HookEntry(self.manifest, event, command)

    def blocker(self, env: paths.Lookup, script: str) -> Blocker | None:
        """Return why its hooks deliver nothing, which includes an environment not built yet."""
        if not (self.root / "hooks" / script).is_file():
            reason = "the hook's script is gone"
            return Blocker(BlockerKind.SCRIPT_MISSING, self.root / "hooks" / script, reason)
        log = self.data / paths.PLUGIN_LOG
        if self.python(env).is_absolute() or not log.is_file():
            return None
        reason = " ".join(log.read_text("utf-8", "replace").split())
        return Blocker(BlockerKind.PYTHON_MISSING, log, reason or "the environment is gone")


def find_plugin(folder: Path, *settings: Path) -> Plugin | None:
    """Return our plugin if a settings file enables it, and Claude Code has installed it."""
    enabled = [
        name
        for path in settings
        for name, value in get_dict(_decoded(path), "enabledPlugins").items()
        if value is True and name.partition("@")[0] == paths.NAME
    ]
    installed = _decoded(folder / "plugins" / "installed_plugins.json") if enabled else None
    copies = ((name, copy) for name in enabled for copy in get_list(installed, "plugins", name))
    for name, copy in copies:
        if root := get_str(copy, "installPath"):
            markets = get_dict(_decoded(folder / "plugins" / "known_marketplaces.json"))
            market = markets.get(name.partition("@")[2])
            is_folder = get_str(market, "source", "source") == "directory"
            original = get_str(market, "installLocation") if is_folder else None
            data = folder / "plugins" / "data" / re.sub(r"[^\w-]", "-", name, flags=re.ASCII)
            return Plugin(name, Path(original or root), data)
    return None


def _decoded(path: Path) -> Any:
    try:
        return decode(path.read_bytes())
    except OSError:
        return None
