"""Whether each agent fires our hook, and nothing fires it, or sends the same sessions, twice."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from opensync_hooks import __version__
from opensync_hooks.agents import registry
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.registration import HookEntry
from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.setup import npm_plugins

_INSTALL = "Run `opensync-hooks install`, or `python install.py` in a clone."
_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
_STARTS_S = 20


def check(environ: Mapping[str, str]) -> Iterator[Finding]:
    """One finding for each agent: whether its own rules let our hook run, with which Python."""
    for agent in registry.AGENTS:
        name = f"{agent.label} hooks"
        if not agent.registration.is_installed(environ.get):
            yield ok(name, "the agent is not on this machine")
            continue
        state = agent.registration.state(environ.get)
        if state.blocker:
            yield failed(name, f"{state.blocker}.", f"Mend that. {_INSTALL}")
        elif state.missing:
            missing = ", ".join(state.missing)
            yield failed(name, f"{state.path}: {missing} of ours is not in it.", _INSTALL)
        else:
            yield _running(name, state.path, agent.registration.entries(environ.get))


def _running(name: str, path: Path, entries: list[HookEntry]) -> Finding:
    for python in {entry.python for entry in entries}:
        trouble = _trouble(python)
        if trouble:
            return failed(name, f"{python}: {trouble}.", _INSTALL)
    version = _other_version(entries)
    if version:
        what = f"the hook is of version {version}, and this is {__version__}."
        return warning(name, what, _INSTALL)
    return ok(name, f"registered in {path}")


def outdated(agent: Agent, environ: Mapping[str, str]) -> str:
    """The version that the agent's hook is of, where it is not this one."""
    return _other_version(agent.registration.entries(environ.get))


def _other_version(entries: list[HookEntry]) -> str:
    found = (_version(entry.script) for entry in entries)
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
    for agent in registry.AGENTS:
        entries = agent.registration.entries(environ.get, Path.cwd())
        counts = Counter(entry.event for entry in entries)
        twice = [event for event, count in counts.items() if count > 1]
        if twice:
            what = f"our own hook is registered more than once for {', '.join(sorted(twice))}."
            cure = "Take it out of the project's own settings. " + _INSTALL
            yield warning(f"{agent.label} double", what, cure)


def _others(environ: Mapping[str, str]) -> Iterator[Finding]:
    for one in npm_plugins.find(environ, registry.AGENTS):
        name = f"{one.label} double"
        if one.trouble:
            yield warning(name, f"{one.package} may still be registered: {one.trouble}", _INSTALL)
        elif one.changes():
            what = f"{one.package} is still registered, so each session is uploaded by both."
            yield failed(name, what, f"Retire it: {_INSTALL}")
