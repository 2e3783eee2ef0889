"""Patterns that are compiled when they are first used.

To compile one takes 0.1 to 8 ms, and a process needs few of all that the package has: a worker
spent 4 % of its instructions on those that it never used.
"""

from __future__ import annotations

import re
from functools import cache


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
