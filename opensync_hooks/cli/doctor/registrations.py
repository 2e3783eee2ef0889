"""Whether each agent fires our hook, and nothing fires it, or sends the same sessions, twice."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opensync_hooks import __version__
from opensync_hooks.agents import registrations
from opensync_hooks.agents.settings_files.hook_command import split_command as words
from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.hook import paths
from opensync_hooks.setup import npm_plugins

_INSTALL = "Run `opensync-hooks install`, or `python install.py` in a clone."
_BAKED = re.compile(r"^const COMMAND = (\[.*?\])", re.MULTILINE)
_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
_PLUGIN_FOLDERS = ("plugin", "plugins")
_STARTS_S = 20
_Commands = Counter[tuple[str, tuple[str, ...]]]
"""How often each event runs each command of ours, which is told by its words."""


def check(environ: Mapping[str, str]) -> Iterator[Finding]:
    """One finding for each agent: whether its own rules let our hook run, with which Python."""
    for agent in registrations.ALL:
        name = f"{agent.label} hooks"
        if not agent.is_installed(environ.get):
            yield ok(name, "the agent is not on this machine")
            continue
        state = agent.state(environ.get)
        if state.blocker:
            yield failed(name, f"{state.blocker}.", f"Mend that. {_INSTALL}")
        elif state.missing:
            missing = ", ".join(state.missing)
            yield failed(name, f"{state.path}: {missing} of ours is not in it.", _INSTALL)
        else:
            yield _running(name, state.path, _commands(state.path, agent.script))


def _running(name: str, path: Path, commands: _Commands) -> Finding:
    for python in {command[0] for _, command in commands}:
        trouble = _trouble(python)
        if trouble:
            return failed(name, f"{python}: {trouble}.", _INSTALL)
    version = _other_version(commands)
    if version:
        what = f"the hook is of version {version}, and this is {__version__}."
        return warning(name, what, _INSTALL)
    return ok(name, f"registered in {path}")


def outdated(agent: registrations.Registration, environ: Mapping[str, str]) -> str:
    """The version that the agent's hook is of, where it is not this one."""
    return _other_version(_commands(agent.settings_path(environ.get), agent.script))


def _other_version(commands: _Commands) -> str:
    found = (_version(Path(command[-1])) for _, command in commands)
    return next((version for version in found if version and version != __version__), "")


def _trouble(python: str) -> str:
    """Why the hook's Python would not run a hook."""
    probe = [python, "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    try:
        ran = subprocess.run(probe, capture_output=True, timeout=_STARTS_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the hook's Python does not start ({type(error).__name__})"
    return "the hook's Python is older than 3.11, or broken" if ran.returncode else ""


def _version(script: Path) -> str:
    """Of the package that a hook's script belongs to; nothing where it does not say."""
    for root in script.parents[1:3]:
        for place in (root / "__init__.py", root / "opensync_hooks" / "__init__.py"):
            try:
                found = _VERSION.search(place.read_text("utf-8"))
            except (OSError, ValueError):
                continue
            if found:
                return found[1]
    return ""


def doubles(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Twice the same hook costs time; another program beside it stores each session twice."""
    found = [*_ours_twice(environ), *_others(environ)]
    yield from found or [ok("double hooks", "none: nothing else syncs the same sessions")]


def _ours_twice(environ: Mapping[str, str]) -> Iterator[Finding]:
    for agent in registrations.ALL:
        counts = Counter[str]()
        for path in {agent.settings_path(environ.get), *_further(agent, environ)}:
            for (event, _), count in _commands(path, agent.script).items():
                counts[event] += count
        twice = [event for event, count in counts.items() if count > 1]
        if twice:
            what = f"our own hook is registered more than once for {', '.join(sorted(twice))}."
            cure = "Take it out of the project's own settings. " + _INSTALL
            yield warning(f"{agent.label} double", what, cure)


def _further(agent: registrations.Registration, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where the agent also looks: in the project that this command is run in."""
    here = Path.cwd()
    if agent.name == "claude-code":
        yield from (here / ".claude" / name for name in ("settings.json", "settings.local.json"))
    elif agent.name == "cursor":
        yield here / ".cursor" / "hooks.json"
    else:
        ours = agent.settings_path(environ.get)
        roots = (ours.parents[1], Path(paths.home(environ.get), ".opencode"), here / ".opencode")
        for root in roots:
            yield from (root / name / ours.name for name in _PLUGIN_FOLDERS)


def _others(environ: Mapping[str, str]) -> Iterator[Finding]:
    for one in npm_plugins.find(environ, registrations.ALL):
        name = f"{one.label} double"
        if one.trouble:
            yield warning(name, f"{one.package} may still be registered: {one.trouble}", _INSTALL)
        elif one.changes():
            what = f"{one.package} is still registered, so each session is uploaded by both."
            yield failed(name, what, f"Retire it: {_INSTALL}")


def _commands(path: Path, script: str) -> _Commands:
    """What of ours the file runs, by event."""
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix == ".js":
            baked = _BAKED.search(text)
            return Counter({("plugin", tuple(json.loads(baked[1]))): 1} if baked else {})
        hooks = json.loads(text).get("hooks", {})
    except (OSError, ValueError, AttributeError, RecursionError):
        return Counter()
    found = _Commands()
    for event, entries in hooks.items() if isinstance(hooks, dict) else ():
        for command in _within(entries):
            if registrations.is_ours(command, script):
                found[event, tuple(words(command))] += 1
    return found


def _within(value: Any) -> Iterator[str]:
    """Every command of a handler, in groups or not."""
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield from filter(None, [item.get("command")])
            yield from _within(item.get("hooks"))
