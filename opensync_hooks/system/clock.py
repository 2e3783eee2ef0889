"""The time of day, as everything of ours keeps it."""

from __future__ import annotations

import time


def now() -> int:
    """Milliseconds since 1970 UTC. Can jump: for how long something takes, `time.monotonic`."""
    return time.time_ns() // 1_000_000
