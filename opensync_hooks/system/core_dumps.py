"""Core dumps, which would write the memory of a process that holds an API key to disk."""

import sys
from contextlib import suppress


def disable() -> None:
    """Turn core dumps off for this process and for all that it starts from now on."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on Windows

    with suppress(OSError, ValueError):
        # 1, not 0: Linux then also does not pipe the dump into a crash handler, see core(5).
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
