"""How often Python looks for garbage."""

import gc

_THRESHOLD = 50_000


def collect_rarely() -> None:
    """Look for garbage after so many new objects, not after Python's own 700.

    Imports create many objects and no garbage: these searches took 7 % of what `status` costs, and
    as much of a worker that delivers one turn.
    """
    gc.set_threshold(_THRESHOLD)
