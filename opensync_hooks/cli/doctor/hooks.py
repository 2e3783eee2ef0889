"""Checks of the hooks: registered, able to run, current, and the only ones that sync."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from opensync_hooks import __version__
from opensync_hooks.agents import registry
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.registration import HookEntry
from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning

_INSTALL = "Run `opensync-hooks install`, or `python install.py` in a clone."
_VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
_PYTHON_TIMEOUT_S = 20


def registered(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check for each agent that its own rules let our hook run, and with a working Python."""
    for agent in registry.AGENTS:
        name = f"{agent.label} hooks"
        state = agent.registration.state(environ.get)
        if not agent.registration.is_installed(environ.get):
            yield ok(name, "agent not installed")
        elif state.blocker:
            yield failed(name, f"{state.blocker}.", f"Fix that. {_INSTALL}")
        elif state.missing:
            fact = f"{state.path}: our hook for {', '.join(state.missing)} is missing."
            yield failed(name, fact, _INSTALL)
        else:
            yield _runs(name, state.path, agent.registration.entries(environ.get))
            if state.late:
                fact = f"without our hook for {', '.join(state.late)}, prompts arrive with answers"
                fact += ", and a private session that is killed early may be delivered."
                yield warning(name, fact, _INSTALL)


def _runs(name: str, path: Path, entries: list[HookEntry]) -> Finding:
    for python in {entry.python for entry in entries}:
        problem = _python_problem(python)
        if problem:
            return failed(name, f"{python}: {problem}.", _INSTALL)
    version = _other_version(entries)
    if version:
        fact = f"the hook is version {version}, but this is {__version__}."
        return warning(name, fact, _INSTALL)
    return ok(name, f"registered in {path}")


def _python_problem(python: str) -> str:
    import subprocess  # noqa: PLC0415 - `status` uses this module, and starts nothing

    probe = [python, "-I", "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    try:
        ran = subprocess.run(probe, capture_output=True, timeout=_PYTHON_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the hook's Python does not start ({type(error).__name__})"
    return "the hook's Python is older than 3.11, or broken" if ran.returncode else ""


def outdated(agent: Agent, environ: Mapping[str, str]) -> str:
    """Return the version that the agent's hook belongs to; empty if it is this one."""
    return _other_version(agent.registration.entries(environ.get))


def _other_version(entries: Iterable[HookEntry]) -> str:
    versions = (_package_version(entry.script) for entry in entries)
    return next((version for version in versions if version and version != __version__), "")


def _package_version(script: Path) -> str:
    """Return the version of the package or clone that a hook's script is in; empty if unknown."""
    for root in script.parents[1:3]:
        for path in (root / "__init__.py", root / "opensync_hooks" / "__init__.py"):
            try:
                match = _VERSION.search(path.read_text("utf-8"))
            except (OSError, ValueError):
                continue
            if match:
                return match[1]
    return ""


def doubled(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check that no event runs our hook twice, and that no npm plugin sends the same sessions."""
    findings = [*_own_doubles(environ), *_npm_plugins(environ)]
    yield from findings or [ok("double hooks", "none: nothing else syncs the same sessions")]


def _own_doubles(environ: Mapping[str, str]) -> Iterator[Finding]:
    for agent in registry.AGENTS:
        entries = agent.registration.entries(environ.get, Path.cwd())
        counts = Counter(entry.event for entry in entries)
        doubled = [entry for entry in entries if counts[entry.event] > 1]
        if doubled:
            events = ", ".join(sorted({entry.event for entry in doubled}))
            files = ", ".join(dict.fromkeys(str(entry.path) for entry in doubled))
            fact = f"our hook is registered more than once for {events}: {files}."
            advice = agent.registration.plugin_advice(environ.get)
            cure = f"Remove it from the project's own settings. {_INSTALL}"
            if advice:
                cure = f"To keep the plugin: {_INSTALL} Otherwise: {advice}."
            yield warning(f"{agent.label} double", fact, cure)


def _npm_plugins(environ: Mapping[str, str]) -> Iterator[Finding]:
    from opensync_hooks.setup import npm_plugins  # noqa: PLC0415 - `status` uses the others

    for plugin in npm_plugins.find(environ, registry.AGENTS):
        name = f"{plugin.label} double"
        if plugin.error:
            fact = f"{plugin.package} may still be registered: {plugin.error}"
            yield warning(name, fact, _INSTALL)
        elif plugin.changes():
            fact = f"{plugin.package} is still registered, so every session is uploaded twice."
            yield failed(name, fact, f"To remove it: {_INSTALL}")
