"""What a crash leaves of a process's memory: nothing, for a process that knows a key."""

from __future__ import annotations

import sys
from contextlib import suppress


def forbid() -> None:
    """From now on, for this process and those that it starts."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on Windows

    with suppress(OSError, ValueError):
        # 1 and not 0: to Linux it also means that no program is given the memory; see core(5).
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
