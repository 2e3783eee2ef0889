"""HTML that no text can break out of: all but `Html` values is escaped where it is inserted.

Transcripts hold what strangers wrote. Terminal codes are removed, and other control characters,
such as those that reverse the direction of writing, are shown by their number.
"""

import re
from collections.abc import Iterable
from html import escape
from urllib.parse import urlencode

_TERMINAL_CODES = re.compile("\x1b\\[[0-9;:?]*[ -/]*[@-~]")
_CONTROLS = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_VOID_ELEMENTS = ("input", "meta")


class Html(str):
    """Text that is HTML. Created only by this module, and from constants of our own."""

    __slots__ = ()


EMPTY = Html("")


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
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    end = "" if name in _VOID_ELEMENTS else f"</{name}>"
    return Html(f"<{name}{written}>{join(content)}{end}")


def link_url(path: str, fragment: str = "", **query: str) -> str:
    """Return the URL of a page, relative to the others."""
    pairs = urlencode({name: value for name, value in query.items() if value}, errors="replace")
    return path + (f"?{pairs}" if pairs else "") + (f"#{fragment}" if fragment else "")


def _attribute(name: str, value: str | bool) -> str:
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name.rstrip("_").replace("_", "-")}="{to_html(value)}"'
