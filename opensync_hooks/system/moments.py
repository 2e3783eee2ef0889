"""Points in time as people type them."""

import re
import time
from datetime import datetime

_SPAN = re.compile(r"(\d{1,9})([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_moment(text: str) -> int | None:
    """Return when a span such as `7d` began that ends now, or a local date, in ms since 1970.

    Returns None for anything else.
    """
    if span := _SPAN.fullmatch(text):
        return int((time.time() - int(span[1]) * _SECONDS[span[2]]) * 1000)
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None
