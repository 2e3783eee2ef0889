"""Find and delete what this package stores for the user: settings with the key, sessions, queue.

A folder with our name is all ours. A folder that the user named may hold anything, so only files
with names of ours are deleted in it.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths
from opensync_hooks.setup import environment
from opensync_hooks.system.files import process_lock
from opensync_hooks.system.windows import command_line

TIMEOUT = 10.0
_CONTENTS = {
    "config.toml": "settings and key",
    ".config.toml.*": "settings, half written",
    "store.db*": "sessions in the embedded store",
    "ledger.db*": "what was confirmed",
    "prices.json": "prices that you took from a file",
    "sessions.html": "the bookmark of the page",
    "spool*": "the queue",
    "locks": "locks",
    "notes": "what only hooks reported, such as tokens",
    "excluded": "what you keep private",
    "undecided": "what belongs to two destinations",
    "backups": "agents' files as they were",
    "retired": "npm plugins' hooks as they were",
    "keepsakes": "sessions that their agent may delete",
    "hooks*.log": "the log",
}
"""Name patterns of everything that we write into these folders."""


def find(environ: Mapping[str, str]) -> list[tuple[Path, str]]:
    """Return every file and folder of ours, each with a word about its contents."""
    return [file for folder in _folders(environ) for file in _find_in(folder)]


def roots(environ: Mapping[str, str]) -> list[Path]:
    """Return the fewest paths that hold all of it."""
    roots: list[Path] = []
    for folder in filter(Path.is_dir, _folders(environ)):
        roots += [folder] if _is_all_ours(folder) else [path for path, _ in _find_in(folder)]
    return roots


@contextmanager
def without_workers(environ: Mapping[str, str]) -> Iterator[None]:
    """Ask workers that only wait to leave, and keep all workers out meanwhile.

    Raises OpenSyncError if one does not end.
    """
    spools = list(filter(Path.is_dir, Path(paths.state(environ.get)).glob("spool*")))
    with ExitStack() as locks:
        for spool in spools:
            refusal = OpenSyncError(
                f"{spool}: sessions are being delivered at this moment. Nothing of it was deleted.",
                "run the same command again in a minute",
            )
            lock = spool / "worker.lock"
            if lock.exists():
                locks.callback((spool / paths.LEAVE).unlink, missing_ok=True)
                (spool / paths.LEAVE).touch(mode=0o600)
                locks.enter_context(process_lock(lock, refusal, TIMEOUT))
        yield


def remove_other_environments(
    keep: Path, location: Mapping[str, str], environ: Mapping[str, str]
) -> None:
    """Remove the environments of older versions in `location`, unless a worker is busy.

    It would import the rest of its modules from the new one.
    """
    if environment.others(keep, location):
        with suppress(OpenSyncError), without_workers(environ):
            environment.remove_others(keep, location)


def delete(environ: Mapping[str, str]) -> None:
    """Delete all of it between two workers, which would write their files again.

    Raises OpenSyncError if a worker does not end, or if anything could not be deleted.
    """
    with without_workers(environ):
        for folder in _folders(environ):
            if _is_all_ours(folder):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            for path, _ in _find_in(folder):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            with suppress(OSError):
                folder.rmdir()
    remaining = roots(environ)
    if remaining:
        command = command_line(["rm", "-r", *map(str, remaining)])
        raise OpenSyncError(
            f"{remaining[0]}: could not be deleted completely.",
            f"check who owns what is in it, then: {command}",
        )


def _folders(environ: Mapping[str, str]) -> list[Path]:
    env = environ.get
    return list(map(Path, dict.fromkeys((paths.config(env), paths.data(env), paths.state(env)))))


def _find_in(folder: Path) -> Iterator[tuple[Path, str]]:
    for pattern, content in _CONTENTS.items():
        for path in sorted(folder.glob(pattern)):
            yield path, content


def _is_all_ours(folder: Path) -> bool:
    return folder.name == paths.NAME and not folder.is_symlink()
