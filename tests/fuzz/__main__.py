"""`python -m tests.fuzz TARGET --minutes N`: hostile input, led by which code it reaches.

Needs `pip install atheris` (Linux and macOS). What raises, hangs or opens a file that is not its
own is kept under --findings, once for each place in the code; `--replay FILE` runs one such input.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from tests.fuzz.mutation import LONGEST, mutate

SECONDS_FOR_ONE = 10
"""Of the processor's time: on a busy machine a harmless input may take minutes."""
_MOST_SECONDS = 600
"""Of true time, for an input that waits for ever."""
_MEGABYTES = 2_048
_MEMORY = Path("/dev/shm")
_TARGETS = (
    *("claude-code", "opencode-json", "opencode-rows", "cursor-rows", "cursor-chats"),
    *("cursor-transcripts", "database-files", "payloads", "server", "redaction"),
)


def main() -> int:
    """0 when nothing was found, 1 when something was, 2 where atheris is missing."""
    arguments = _parser().parse_args()
    try:
        import atheris  # noqa: PLC0415 - no run-time package, and not for every system
    except ImportError:
        print("atheris is not installed.\nhint: pip install atheris", file=sys.stderr)
        return 2
    own = Path(tempfile.mkdtemp(prefix="fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    os.environ |= {"HOME": str(own / "home"), "OPENSYNC_HOOKS_HOME": str(own / "home")}
    for name in list(os.environ):
        if name.startswith(("CLAUDE", "CURSOR", "XDG_", "OPENCODE")):
            del os.environ[name]
    with atheris.instrument_imports(include=["opensync_hooks"]):
        from tests.fuzz import targets  # noqa: PLC0415 - what is imported here is led
    (own / "home").mkdir()
    target = targets.ALL[arguments.target](own / "home")
    if arguments.replay:
        target(arguments.replay.read_bytes())
        shutil.rmtree(own)
        return 0
    run = _Run(arguments, target, own)
    run.start(atheris)
    return 1  # not reached: the run ends the process itself


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=_TARGETS)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "findings")
    parser.add_argument("--replay", type=Path)
    return parser


class _Run:
    """One run of one target: counts, and keeps one input for each place that failed."""

    def __init__(self, arguments: argparse.Namespace, target: Any, own: Path) -> None:
        self.arguments = arguments
        self.target = target
        self.own = own
        self.began = time.monotonic()
        self.end = self.began + arguments.minutes * 60
        self.count = 0
        self.slowest = 0.0
        self.found: dict[str, str] = {}
        self.sleep, time.sleep = time.sleep, lambda _: None  # no reader may wait for a writer here
        signal.signal(signal.SIGPROF, _too_slow)

    def start(self, atheris: Any) -> None:
        seeds = [seed[:LONGEST] for seed in type(self.target).seeds()]
        corpus = self.own / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / f"seed-{number}").write_bytes(seed)

        def changed(data: bytes, most: int, seed: int) -> bytes:
            rng = random.Random(seed)  # noqa: S311
            if rng.random() < 0.2:
                return bytes(atheris.Mutate(data, most))
            return mutate(data, rng, seeds)[:most]

        options = (f"-rss_limit_mb={_MEGABYTES}", f"-timeout={_MOST_SECONDS}")
        longest = f"-max_len={max(map(len, seeds)) * 2 + 4096}"
        command = [
            sys.argv[0],
            str(corpus),
            *options,
            longest,
            "-verbosity=0",
            f"-artifact_prefix={self.own}/",
        ]
        atheris.Setup(command, self.run_input, custom_mutator=changed)
        atheris.Fuzz()

    def run_input(self, data: bytes) -> None:
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS_FOR_ONE)
        try:
            self.target(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            self.keep(data, error)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        self.count += 1
        self.slowest = max(self.slowest, time.process_time() - began)
        if time.monotonic() > self.end:
            self.finish()

    def keep(self, data: bytes, error: Exception) -> None:
        ours = [
            f for f in traceback.extract_tb(error.__traceback__) if "opensync_hooks/" in f.filename
        ]
        last = (ours or traceback.extract_tb(error.__traceback__))[-1]
        location = f"{type(error).__name__} {last.filename.rpartition('/')[2]}:{last.lineno}"
        if not ours:  # a target's own check: its message says what failed
            location += f" {error!s:.60}"
        if location in self.found:
            return
        folder = self.arguments.findings
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.arguments.target}-{len(self.found)}"
        path.write_bytes(data)
        path.with_suffix(".txt").write_text("".join(traceback.format_exception(error))[-6_000:])
        self.found[location] = str(path)
        print(f"found: {location}: {str(error)[:200]!r} ({path})", flush=True)

    def finish(self) -> None:
        minutes = (time.monotonic() - self.began) / 60
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{self.arguments.target}: {self.count} inputs in {minutes:.1f} minutes,"
            f" {len(self.found)} findings, slowest {self.slowest:.2f} s, {megabytes} MB at most",
            flush=True,
        )
        shutil.rmtree(self.own, ignore_errors=True)
        os._exit(1 if self.found else 0)


class _TooSlowError(Exception):
    """No TimeoutError: that is an OSError, which a reader may take for one of a file."""


def _too_slow(*_: object) -> None:
    raise _TooSlowError(f"longer than {SECONDS_FOR_ONE} s")


if __name__ == "__main__":
    raise SystemExit(main())
