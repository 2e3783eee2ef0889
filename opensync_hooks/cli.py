"""The command `opensync-hooks`: reads arguments, calls the rooms, prints what came of it."""

from __future__ import annotations

import argparse
import getpass
import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence

from opensync_hooks import __version__, backfill, config, house, setup, status, worker
from opensync_hooks.errors import BugError, OpenSyncError, UnreachableError, UsageError
from opensync_hooks.ledger import Ledger
from opensync_hooks.sources import registry
from opensync_hooks.spool import Spool
from opensync_hooks.sync import Outcome, Syncer

INTERRUPTED = 130
_PATIENCE = 600.0
_PAUSE = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 failed, 2 usage, 3 a bug, 4 not configured, 5 key refused, 6 queued."""
    arguments = _parser().parse_args(argv)
    os.umask(0o077)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a title in letters the terminal lacks
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except OpenSyncError as error:
        return _complain(error)
    except (KeyboardInterrupt, EOFError):
        print("\nInterrupted; nothing is half done. The same command goes on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        what = f"{error.filename or 'opensync-hooks'}: {error.strerror or error}."
        return _complain(OpenSyncError(what, "Check the disk, and who may write there."))
    except Exception as error:  # noqa: BLE001 - a bug gets one line, never a message's text
        return _complain(BugError(error))
    return code


def _complain(error: OpenSyncError) -> int:
    print(error, file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opensync-hooks", description="Keeps every session of your coding agents in OpenSync."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], about: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(run=run)
        return added

    login = command("login", _login, "send sessions to your OpenSync from now on")
    login.add_argument("--url", help="the deployment, such as https://your-name.convex.site")
    login.add_argument("--api-key-stdin", action="store_true", help="read the key from stdin")
    command("logout", _logout, "forget URL and key; sessions go to the embedded store again")
    command("status", _status, "show where sessions go and what waits").add_argument(
        "--json", action="store_true", help="for machines"
    )
    _add_sync_arguments(command("sync", _sync, "deliver sessions now; new ones, if none is named"))
    command("uninstall", _uninstall, "take hooks, command and environment away").add_argument(
        "--dry-run", action="store_true", help="only show what would be changed"
    )
    serve = command(
        "serve", _serve, "put the embedded store on a local port, with OpenSync's routes"
    )
    serve.add_argument("--port", type=int, default=8642)
    command("version", _version, "show the version")
    return parser


def _add_sync_arguments(sync: argparse.ArgumentParser) -> None:
    sync.add_argument("sessions", nargs="*", metavar="SESSION", help="an id or a transcript's path")
    sync.add_argument("--agent", choices=registry.NAMES)
    which = sync.add_mutually_exclusive_group()
    which.add_argument(
        "--new", action="store_true", help="what changed since it was synced (default)"
    )
    which.add_argument("--all", action="store_true", help="look through every session again")
    which.add_argument("--force", action="store_true", help="send again what was confirmed, too")
    sync.add_argument("--limit", type=_count, metavar="N", help="only the N newest sessions")
    sync.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    sync.add_argument("--wait", action="store_true", help="keep trying, for ten minutes at most")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"not a number of sessions: {text!r}")
    return int(text)


def _login(arguments: argparse.Namespace) -> int:
    url = arguments.url or os.environ.get("OPENSYNC_URL")
    if not url:
        if not sys.stdin.isatty():
            raise UsageError(
                "login: no URL given.", "opensync-hooks login --url URL --api-key-stdin"
            )
        url = input("OpenSync URL (https://your-name.convex.site): ")
    url = config.base_url(url)
    key = _ask_key(from_stdin=arguments.api_key_stdin)
    from opensync_hooks.client import Client  # noqa: PLC0415 - requests costs 70 ms to import

    with Client(url, key) as client:
        client.server_time()
        client.put_batch({})
    config.save_login(os.environ, url, key)
    print(f"Logged in: sessions go to {url} from now on. `opensync-hooks sync` sends what is here.")
    return 0


def _ask_key(*, from_stdin: bool) -> str:
    if from_stdin:
        key = sys.stdin.readline().strip()
    elif os.environ.get("OPENSYNC_API_KEY"):
        key = os.environ["OPENSYNC_API_KEY"]
    elif sys.stdin.isatty():
        key = getpass.getpass("API key (osk_…, not shown): ").strip()
    else:
        raise UsageError("login: no key given.", "Pipe it in and say --api-key-stdin.")
    if not key.startswith("osk_"):
        raise UsageError(
            "login: this is not an OpenSync key, which starts with osk_.",
            "Copy it from OpenSync's settings page.",
        )
    return key


def _logout(_: argparse.Namespace) -> int:
    if config.forget_login(os.environ):
        print("Logged out. Sessions stay where they are; new ones go to the embedded store.")
    else:
        print("There was no login. Sessions go to the embedded store.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    found = status.gather()
    if arguments.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        print(status.render(found, config.Folders.of(os.environ)))
    return 0


def _uninstall(arguments: argparse.Namespace) -> int:
    return setup.uninstall(dry_run=arguments.dry_run)


def _version(_: argparse.Namespace) -> int:
    print(f"opensync-hooks {__version__}")
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    from opensync_hooks.server import Server  # noqa: PLC0415 - only this command serves
    from opensync_hooks.store import Store  # noqa: PLC0415

    key = config.server_key(os.environ)
    with (
        Store(config.Folders.of(os.environ).store) as store,
        Server(store, key, arguments.port) as server,
    ):
        said = f"Serving the embedded store on {server.url}; its key stands in config.toml."
        print(said, flush=True)  # a log would show it when all is over
        server.serve_forever()
    return 0


def _sync(arguments: argparse.Namespace) -> int:
    wish = backfill.Wish(
        sessions=tuple(arguments.sessions),
        agent=arguments.agent,
        everything=arguments.all,
        force=arguments.force,
        limit=arguments.limit,
    )
    loaded = config.load()
    found = backfill.select(wish)
    if arguments.dry_run:
        for line in backfill.describe(found, loaded):
            _say(line)
        return 0
    with Ledger(loaded.folders.ledger) as ledger, house.syncer(loaded, ledger) as syncer:
        end = time.monotonic() + (_PATIENCE if arguments.wait else 0)
        while True:
            try:
                return _run(wish, found, syncer)
            except UnreachableError as error:
                if time.monotonic() < end:
                    time.sleep(_PAUSE)
                    continue
                return _leave_for_later(wish, found, loaded, error)


def _leave_for_later(
    wish: backfill.Wish, found: list[backfill.Found], loaded: config.Config, error: UnreachableError
) -> int:
    _complain(error)
    if wish.sessions:
        if backfill.queue(found, Spool(loaded.folders.spool)):
            print("Queued: the next hook or `opensync-hooks sync` delivers it.", file=sys.stderr)
        else:
            print("Outside the agent's folder no hook finds it: run this again.", file=sys.stderr)
    else:
        print("What is left stays on the disk: `opensync-hooks sync` goes on.", file=sys.stderr)
    return error.exit_code


def _run(wish: backfill.Wish, found: list[backfill.Found], syncer: Syncer) -> int:
    spool = Spool(syncer.config.folders.spool)
    where = syncer.destination.name
    failed = staying = 0
    worker.reduce_now(spool)
    if not wish.sessions:
        failed += sum(_report("", result, where) for result in worker.drain_now(spool, syncer))
    progress = backfill.Progress(len(found))
    current = done = 0
    for count, (located, result) in enumerate(backfill.run(wish, found, syncer), 1):
        progress.clear()
        if result is None:
            current += 1
        elif isinstance(result, Outcome) and result.excluded and not wish.sessions:
            staying += 1
        elif _report(located.session_id, result, where):
            failed += 1
        else:
            done += 1
        progress.show(count)
    progress.clear()
    if not wish.sessions:
        excluded = f", {staying} stay here as you asked" if staying else ""
        print(f"{done} sessions synced to {where}, {current} were up to date{excluded}.")
    return 1 if failed else 0


def _report(session_id: str, result: Outcome | OpenSyncError, where: str) -> bool:
    """Say in one line what came of a session; whether it failed."""
    if isinstance(result, OpenSyncError):
        _complain(result)
        return True
    if result.excluded:
        _say(f"{session_id or result.session_id}: stays here, {result.excluded}")
        return False
    subagents, masked = result.sessions - 1, sum(result.masked.values())
    said = [
        f"{result.sent} messages sent to {where}",
        f"{result.unchanged} unchanged",
        *([f"{subagents} subagents"] if subagents > 0 else []),
        *([f"{masked} secret{'' if masked == 1 else 's'} masked"] if masked else []),
        *([f"{result.parked} set aside ({result.reason})"] if result.parked else []),
    ]
    _say(f"{session_id or result.session_id}: {', '.join(said)}  {result.title or ''}".rstrip())
    return bool(result.parked)


def _say(line: str) -> None:
    """A title is anybody's text: it must neither break the line nor steer the terminal."""
    print("".join(letter if letter.isprintable() else "\ufffd" for letter in line))


if __name__ == "__main__":
    raise SystemExit(main())
