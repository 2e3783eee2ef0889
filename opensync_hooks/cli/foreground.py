"""`python hooks/<agent>.py SESSION`: the same as `opensync-hooks sync SESSION` for that agent."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
from contextlib import suppress
from pathlib import Path

from opensync_hooks.hook import paths

_NEEDED = ("filelock", "requests", "tomli_w")


def main(agent: str, argv: list[str]) -> int:
    """Works with any Python once install.py has run: what is missing here, the private one has."""
    find_packages()
    from opensync_hooks.cli import main as cli  # noqa: PLC0415 - needs what was just looked for
    from opensync_hooks.errors import OpenSyncError, as_opensync_error  # noqa: PLC0415
    from opensync_hooks.system.terminal import print_error  # noqa: PLC0415

    if not argv or argv[0] in ("-h", "--help"):
        print(_explanation(agent))  # noqa: T201
        return 0
    try:
        named = [_latest(agent) if one == "--latest" else one for one in argv]
    except (OSError, OpenSyncError) as error:
        return print_error(as_opensync_error(error))
    return cli.main(["sync", "--agent", agent, *named])


def find_packages() -> None:
    """Begins the whole command anew where only the private environment has them."""
    if sys.flags.no_site:  # registered for speed with -S, where no package is found
        site.main()
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        _hand_over(missing)


def _latest(agent: str) -> str:
    """The session that anything was last said in. Raises UsageError where there is none."""
    from opensync_hooks.agents import registry  # noqa: PLC0415
    from opensync_hooks.errors import UsageError  # noqa: PLC0415 - needs the packages as well

    source = registry.source(agent)
    newest = next(iter(source.sessions() if source else ()), None)
    if newest is None:
        raise UsageError(f"{agent}: no session on this machine.", "Use the agent once.")
    return newest.session_id


def synchronous_hook(agent: str, payload: bytes) -> None:
    """Returns when the session has arrived: for machines that end with the agent.

    Fails in silence, for an agent takes any other end as an objection of ours.
    """
    from opensync_hooks.agents import registry  # noqa: PLC0415
    from opensync_hooks.queue import events, worker  # noqa: PLC0415 - needs the packages as well

    environ = registry.session_variables(agent)
    with suppress(Exception):  # also a bug, which the worker has noted for `status`
        trigger = events.record_and_parse(agent, os.environ, payload)
        if trigger is not None:
            worker.serve(trigger, environ)


def _hand_over(missing: list[str]) -> None:
    """Run the same command again with the interpreter that install.py made."""
    environment = Path(paths.data(os.environ.get)).absolute() / "env"
    private = environment / "bin" / "python"
    script = str(Path(sys.argv[0]).resolve())
    if private.exists() and Path(sys.prefix).resolve() != environment.resolve():
        os.execv(private, [str(private), script, *sys.argv[1:]])  # noqa: S606
    sys.stderr.write(
        f"{sys.executable}: the packages {', '.join(missing)} are not installed for this Python.\n"
        "hint: run `python install.py` once, in the folder above this script.\n"
    )
    raise SystemExit(1)


def _explanation(agent: str) -> str:
    name = f"{agent.replace('-', '_')}.py"
    return f"""{name} is what {agent} runs at the end of a turn; `python install.py` registers it.

By hand it syncs the one session that you name, and says what arrived where:
  python {name} SESSION_ID        a session by its id
  python {name} TRANSCRIPT.jsonl  a session by its file
  --latest                        the session that anything was last said in
  --wait                          keep trying until it has arrived, for ten minutes at most
  --dry-run                       only say what would be sent

Where sessions go and what waits: opensync-hooks status"""
