"""Wall-clock time in the one unit that all our files use."""

import time


def now() -> int:
    """Return the ms since 1970 UTC. They may jump: measure durations with `time.monotonic`."""
    return time.time_ns() // 1_000_000
