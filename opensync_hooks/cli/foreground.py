"""`python hooks/<agent>.py SESSION`: deliver one session in the foreground.

The imports are late, as the Python that runs the script may lack the packages that they need.
"""

import importlib.util
import os
import site
import sys
from contextlib import suppress
from pathlib import Path

from opensync_hooks.errors import PACKAGES


def main(agent: str, argv: list[str]) -> int:
    """Do what `opensync-hooks sync` does for one agent, and return the exit code."""
    from opensync_hooks.cli import main as cli  # noqa: PLC0415
    from opensync_hooks.errors import OpenSyncError, as_opensync_error  # noqa: PLC0415
    from opensync_hooks.system.terminal import print_error  # noqa: PLC0415

    if not argv or argv[0] in ("-h", "--help"):
        print(_help(agent))  # noqa: T201
        return 0
    try:
        arguments = [_latest(agent) if word == "--latest" else word for word in argv]
    except (OSError, OpenSyncError) as error:
        return print_error(as_opensync_error(error))
    return cli.main(["sync", "--agent", agent, *arguments])


def find_packages() -> None:
    """Make our packages importable, or start over with the Python that install.py set up."""
    if sys.flags.no_site:  # hooks run with -S, which is faster but finds no packages
        site.main()
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if not missing:
        return
    from opensync_hooks.setup import environment  # noqa: PLC0415
    from opensync_hooks.system.windows import replace_process  # noqa: PLC0415

    folders = (environment.link(os.environ), *environment.existing(os.environ))
    folder = next((path for path in folders if environment.python(path).exists()), None)
    # That environment may lack them, too: it must not start itself over and over.
    if folder and Path(sys.prefix).resolve() != folder.resolve():
        python = str(environment.python(folder.absolute()))
        replace_process([python, str(Path(sys.argv[0]).resolve()), *sys.argv[1:]])
    sys.stderr.write(
        f"{sys.executable}: the packages {', '.join(missing)} are not installed for this Python.\n"
        "hint: run `python install.py` once, in the folder above this script.\n"
    )
    raise SystemExit(1)


def _latest(agent: str) -> str:
    """Return the id of the session that changed last. Raises UsageError if there is none."""
    from opensync_hooks.agents import registry  # noqa: PLC0415
    from opensync_hooks.errors import UsageError  # noqa: PLC0415

    source = registry.source(agent)
    newest = next(iter(source.sessions() if source else ()), None)
    if newest is None:
        raise UsageError(f"{agent}: no session on this machine.", "Use the agent once.")
    return newest.session_id


def synchronous_hook(agent: str, payload: bytes) -> None:
    """Serve a hook with --wait: return when the session has been delivered.

    No prompt waits for that: the session is delivered at the end of its turn.
    Never raises and never prints: an agent would take either for an objection.
    """
    from opensync_hooks.agents import registry  # noqa: PLC0415
    from opensync_hooks.queue import events, synchronous  # noqa: PLC0415

    environ = registry.session_variables(agent)
    with suppress(Exception):  # the worker has noted a bug, too, for `status`
        trigger = events.record_and_parse(agent, os.environ, payload)
        if trigger is not None and not trigger.is_begin:
            synchronous.serve(trigger, environ)


def _help(agent: str) -> str:
    name = f"{agent.replace('-', '_')}.py"
    return f"""{name} is what {agent} runs at the end of a turn; `python install.py` registers it.

Run by hand, it delivers one session:
  python {name} SESSION_ID        a session by its id
  python {name} TRANSCRIPT.jsonl  a session by its file
  --latest                        the session that changed last
  --wait                          keep trying until it is delivered, for ten minutes at most
  --dry-run                       only show what would be sent

Where sessions go, and what is waiting: opensync-hooks status"""
