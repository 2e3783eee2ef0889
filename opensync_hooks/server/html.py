"""HTML that no text can break out of, with times and tokens as the pages show them.

All but `Html` values is escaped where it is inserted, as transcripts hold what strangers wrote.
Terminal codes are removed, and other control characters, such as those that reverse the direction
of writing, are shown by their number.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import urlencode

from opensync_hooks.model import Json
from opensync_hooks.system.formatting import money

_TERMINAL_CODES = re.compile("\x1b\\[[0-9;:?]*[ -/]*[@-~]")
_CONTROLS = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_VOID_ELEMENTS = frozenset(("hr", "input", "link", "meta"))


class Html(str):
    """Text that is HTML. Created only by this module, and from constants of our own."""

    __slots__ = ()


def without_controls(text: str) -> str:
    """Remove terminal codes, and replace other control characters by `[U+…]`."""
    if text.isascii() and text.isprintable():
        return text
    lines = _TERMINAL_CODES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub(lambda match: f"[U+{ord(match[0]):04X}]", lines)


def to_html(text: str) -> Html:
    return text if isinstance(text, Html) else Html(escape(without_controls(text)))


def join(pieces: Iterable[str], separator: str = "") -> Html:
    return Html(to_html(separator).join(map(to_html, pieces)))


def element(name: str, /, *content: str, **attributes: str | bool) -> Html:
    """Return an element. `class_` is `class`, `aria_label` is `aria-label`, False is left out."""
    end = "" if name in _VOID_ELEMENTS else end_tag(name)
    return Html(f"{start_tag(name, **attributes)}{join(content)}{end}")


def start_tag(name: str, /, **attributes: str | bool) -> Html:
    """Return the beginning of an element, for content that is not complete yet."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f"<{name}{written}>")


def end_tag(name: str) -> Html:
    return Html(f"</{name}>")


def link_url(path: str, fragment: str = "", **query: str) -> str:
    """Return the URL of a page, relative to the others."""
    pairs = urlencode({name: value for name, value in query.items() if value}, errors="replace")
    return path + (f"?{pairs}" if pairs else "") + (f"#{fragment}" if fragment else "")


def _attribute(name: str, value: str | bool) -> str:
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name.rstrip("_").replace("_", "-")}="{to_html(value)}"'


def day(ms: Any) -> str:
    time = _local_time(ms)
    return f"{time.day} {time:%B %Y}" if time else "Unknown date"


def tokens(row: Json) -> str:
    """`1,200 tokens in, 34 out`; empty if none were counted."""
    prompt, completion = row.get("promptTokens") or 0, row.get("completionTokens") or 0
    return f"{prompt:,} tokens in, {completion:,} out" if prompt or completion else ""


def compact(number: float) -> str:
    """`950`, `12k`, `3.4M`: a count in a column."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.1f}{unit}" if scaled < 10 else f"{scaled:,.0f}{unit}"
    return f"{number:,.0f}"


def cost(dollars: Any) -> str:
    """`$1.20`; empty for zero, which a model without a known price has too."""
    if not isinstance(dollars, int | float) or dollars <= 0:
        return ""
    return money(dollars)


def timestamp(ms: Any, form: str = "{0.day} %b %Y, %H:%M") -> Html:
    """A `time` element in this machine's time zone; `form` is for `str.format` and `strftime`."""
    time = _local_time(ms)
    if time is None:
        return Html("unknown time")
    text = time.strftime(form.format(time))
    return element("time", text, datetime=time.isoformat(timespec="seconds"))


def _local_time(ms: Any) -> datetime | None:
    """None for a number that is not a time of the calendar."""
    try:
        return datetime.fromtimestamp(float(ms) / 1000).astimezone()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
