"""The one-time setup: environment, command, hooks, first sessions; and how all of it goes again.

`from_clone` is what install.py calls, in whatever Python runs it; the rest of the way is `main`, in
the private environment. Only the standard library, up to where the first sessions are synced.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from opensync_hooks import agents, folders
from opensync_hooks.agents import original
from opensync_hooks.agents.change import carry_out_all
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup import environment, launcher, sample
from opensync_hooks.sources import registry

NEWEST = 20
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Installation:
    """The Python and the package that hooks and command point to."""

    python: Path
    package: Path

    @property
    def program(self) -> Path:
        return self.python.with_name(folders.NAME)

    def hook(self, agent: agents.Agent) -> str:
        return agents.hook_command(self.python, self.package / "hooks" / agent.script)


def from_clone(root: str, argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    options = _options(argv)
    return _guarded(partial(_from_clone, Path(root), argv, options, environ))


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    here = Installation(Path(sys.executable), Path(__file__).parents[1])
    return _guarded(partial(_finish, here, _options(argv), environ))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="install.py",
        description="Makes a private Python environment, registers the hooks with the agents found "
        "on this machine and syncs the newest sessions. Run again, it brings all that up to date.",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be changed")
    parser.add_argument("--uninstall", action="store_true", help="take all of it away again")
    first = parser.add_mutually_exclusive_group()
    first.add_argument("--all", action="store_true", help="sync all sessions, not the newest only")
    first.add_argument("--no-backfill", action="store_true", help="sync no session now")
    return parser.parse_args(argv)


def _guarded(run: Callable[[], int]) -> int:
    try:
        return run()
    except OpenSyncError as error:
        _complain(str(error), error.hint)
        return error.exit_code
    except OSError as error:
        _complain(f"{error.filename or 'This machine'}: {error.strerror or error}.")
        return 1
    except KeyboardInterrupt:
        _complain("Interrupted. The same command goes on from here.")
        return INTERRUPTED


def _complain(message: str, hint: str = "") -> None:
    sys.stderr.write(message + "\n" + (f"hint: {hint}\n" if hint else ""))


def _say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # so that it stands before what a child prints


def _row(name: str, text: str) -> None:
    _say(f"{name:<14}{text}")


def _from_clone(
    root: Path, argv: Sequence[str], options: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    if options.uninstall:
        return uninstall(environ, dry_run=options.dry_run)
    place = environment.current(root, environ)
    link = place or environment.link(environ)
    package = environment.package(link, made=place is not None)
    future = Installation(environment.python(link), package)
    if options.dry_run:
        _row("Environment", f"{link} {'is up to date' if place else _would_make()}")
        return _preview(future, options, environ)
    for agent in agents.ALL:  # a file that must not be changed is found before a minute's work
        agent.plan(environ.get, future.hook(agent))
    if place is None:
        _say("Making a private Python environment; the first time, this takes a minute.")
        place = environment.make(root, environ)
    rest = [str(environment.python(place)), "-I", "-m", "opensync_hooks.setup", *argv]
    code = subprocess.run(rest, check=False, env=dict(environ)).returncode
    if code == 0:
        environment.sweep(place, environ)
    return code


def _finish(here: Installation, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if options.uninstall:
        return uninstall(environ, dry_run=options.dry_run)
    if options.dry_run:
        return _preview(here, options, environ)
    _row("Environment", str(here.python.parent.parent))
    command = _link(here, environ)
    registered = [_register(agent, here, environ) for agent in agents.ALL]
    if not options.no_backfill:
        _first_sessions(here, options, environ)
    kept = "Every session is kept from now on, in the folders that you trust the agent with."
    _say(f"\nDone. {kept if any(registered) else 'No agent was found, so nothing is kept yet.'}")
    _say(f"  {command} status   shows where sessions go and what waits")
    _say(f"  {command} login    sends them to your OpenSync; until then they stay here")
    return 0


def _link(here: Installation, environ: Mapping[str, str]) -> str:
    """Put the command in place; how the user calls it."""
    place = launcher.path(environ)
    if not launcher.is_free(environ):
        _row("Command", f"{here.program} ({place} is another program's, and stays)")
        return shlex.quote(str(here.program))
    launcher.put(here.program, environ)
    _row("Command", str(place))
    if launcher.on_path(environ):
        return folders.NAME
    _row("", f"{place.parent} is not on your PATH: add it in your shell's profile")
    return shlex.quote(str(place))


def _register(agent: agents.Agent, here: Installation, environ: Mapping[str, str]) -> bool:
    """Put the agent's hooks in place; whether the agent is there at all."""
    path = agent.settings_path(environ.get)
    if not agent.present(environ.get):
        _row(agent.label, f"not found: there is no {path.parent}. Once there is, run this again")
        return False
    script = here.package / "hooks" / agent.script
    if not script.is_file():
        raise OpenSyncError(f"{script}: missing. No hook was registered.", "run install.py again")
    done = carry_out_all(partial(agent.plan, environ.get, here.hook(agent)))
    _row(agent.label, f"hooks {'registered' if done else 'are up to date'} in {path}")
    note = agent.note(environ.get)
    if note:
        _row("", note)
    return True


def _first_sessions(
    here: Installation, options: argparse.Namespace, environ: Mapping[str, str]
) -> None:
    if not _count_sessions(environ):
        _row("Sessions", "none on this machine yet; playing the bundled sample ...")
        arrived = sample.play(here.python, here.hook(agents.ALL[0]), environ)
        _row("", f"{arrived}; it is gone again")
        return
    from opensync_hooks import cli  # noqa: PLC0415 - needs packages that a bare clone lacks

    _row("Sessions", f"syncing {'all' if options.all else f'the newest {NEWEST}'} ...")
    if cli.main(["sync", *(["--all"] if options.all else ["--limit", str(NEWEST)])]):
        _row("", f"not all could be synced: `{folders.NAME} sync` goes on")


def _count_sessions(environ: Mapping[str, str]) -> int:
    return sum(1 for source in registry.all_sources(environ) for _ in source.sessions())


def _would_make() -> str:
    return f"would be made, with Python {platform.python_version()} ({sys.executable})"


def _preview(here: Installation, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    place = launcher.path(environ)
    if launcher.leads_to(here.program, environ):
        _row("Command", f"{place} is up to date")
    elif launcher.is_free(environ):
        _row("Command", f"{place} would be linked to {here.program}")
    else:
        _row("Command", f"{place} is another program's, and would stay")
    for agent in agents.ALL:
        path = agent.settings_path(environ.get)
        if not agent.present(environ.get):
            _row(agent.label, f"not found: there is no {path.parent}")
        elif change := agent.plan(environ.get, here.hook(agent)):
            _row(agent.label, f"{path} would change:\n{change.diff()}")
        else:
            _row(agent.label, f"hooks are up to date in {path}")
    if not options.no_backfill:
        count = _count_sessions(environ)
        wanted = count if options.all else min(count, NEWEST)
        none = "none on this machine yet; the bundled sample would be played in a folder of its own"
        _row("Sessions", f"{wanted} of {count} would be synced" if count else none)
    _say("\nDry run: nothing was changed.")
    return 0


def uninstall(environ: Mapping[str, str] = os.environ, *, dry_run: bool = False) -> int:
    """Take hooks, command and environment away; what the user's sessions are in stays."""
    would = "would be " if dry_run else ""
    for agent in agents.ALL:
        plan = partial(agent.plan_removal, environ.get)
        changes = list(filter(None, (plan(),))) if dry_run else carry_out_all(plan)
        path = agent.settings_path(environ.get)
        _row(agent.label, f"hooks {would}taken out of {path}" if changes else "no hook registered")
        if changes and dry_run:
            _say("\n".join(change.diff() for change in changes))
    if launcher.is_ours(environ):
        _row("Command", f"{launcher.path(environ)} {would}removed")
    for place in environment.made(environ):
        _row("Environment", f"{place} {would}removed")
    if not dry_run:
        launcher.remove(environ)
        environment.remove(environ)
        original.forget_all(environ.get)
    kept = {folders.config(environ.get), folders.data(environ.get), folders.state(environ.get)}
    left = sorted(folder for folder in kept if Path(folder).is_dir())
    if left:
        _say("\nSettings, synced sessions and queue stay. To delete them as well:")
        _say(f"  rm -r {shlex.join(left)}")
    return 0
