"""How much a backfill of many sessions takes per second of CPU, and what of it is ours."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import processes
from tests.bench.home import SessionWriter, bench_home
from tests.bench.table import Row, ratio

_SESSION_MB = 0.07


def measure(*, quick: bool) -> Iterator[Row]:
    count = 40 if quick else 300
    for has_server in (False, True):
        destination = "server" if has_server else "store"
        with bench_home(has_server=has_server) as home:
            paths = [home.transcript(f"s{number}") for number in range(count)]
            for seed, path in enumerate(paths):
                SessionWriter(path, seed=seed).write(_SESSION_MB)
            size = sum(path.stat().st_size for path in paths) / 1e6
            cost = processes.run("command", "sync", "--all", environ=home.environ)
            again = processes.run("command", "sync", "--all", environ=home.environ)
            everything, nothing = home.path / "everything", home.path / "nothing"
            everything.write_bytes(b"".join(path.read_bytes() for path in paths))
            nothing.touch()
            parsed, idle = (
                processes.run("parse", path, environ=home.environ) for path in (everything, nothing)
            )
        name = f"backfill to the {destination}"
        detail = f"{size:.0f} MB, {count} sessions"
        yield Row(name, size / cost.cpu_s, "MB per CPU second", detail)
        bare = parsed.cpu_s - idle.cpu_s
        yield ratio(name, cost.cpu_s, bare, "bare json.loads, CPU", "s")
        yield ratio(f"{name}, nothing new", again.cpu_s, cost.cpu_s, "the first, CPU", "s")
