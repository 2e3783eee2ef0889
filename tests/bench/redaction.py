"""What redaction costs per megabyte of text, beside decoding the same text."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import processes
from tests.bench.home import bench_home
from tests.bench.made_up_sessions import sessions
from tests.bench.table import Row, ratio

_SIZES = {"long texts": 60_000, "short texts": 200}


def measure(*, quick: bool) -> Iterator[Row]:
    megabytes = 2 if quick else 10
    words = " ".join(part for made_up in sessions(4) for part in _texts(made_up.messages))
    words = words * (1 + megabytes * 1_000_000 // len(words))
    with bench_home() as home:
        empty = home.path / "empty"
        empty.touch()
        idle = {
            name: processes.run(name, empty, environ=home.environ) for name in ("redact", "parse")
        }
        for name, size in _SIZES.items():
            starts = range(0, megabytes * 1_000_000, size)
            texts = [words[start : start + size].replace("\n", " ") for start in starts]
            plain, quoted = home.path / "plain", home.path / "quoted"
            plain.write_text("\n".join(texts))
            quoted.write_text("\n".join(f'"{text}"' for text in texts))
            costs = (
                processes.run(function, path, environ=home.environ).cpu_s - idle[function].cpu_s
                for function, path in (("redact", plain), ("parse", quoted))
            )
            cost, bare = costs
            yield Row(f"redaction, {name}", cost * 1_000 / megabytes, "ms per MB")
            yield ratio(f"redaction, {name}", cost, bare, "bare json.loads, CPU")


def _texts(messages: list[tuple[dict[str, object], dict[str, object]]]) -> Iterator[str]:
    for body, _ in messages:
        yield str(body["textContent"]).replace('"', "'").replace("\\", "/")
