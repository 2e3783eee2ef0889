"""HTML that no text can break out of: whatever is not `Html` already is escaped where it is put.

Transcripts hold what strangers wrote. What would steer a terminal or turn the order of letters
around is taken out or shown by its number, so that a text reads as what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from urllib.parse import urlencode

_COLOURS = re.compile("\x1b\\[[0-9;:?]*[ -/]*[@-~]")
_NO_LETTERS = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_VOID = ("input", "meta")


class Html(str):
    """Text that is HTML already; made by this module, and of constants of our own."""

    __slots__ = ()


NOTHING = Html("")


def harmless(text: str) -> str:
    """The text without a terminal's commands; controls that are left are shown by their number."""
    if text.isascii() and text.isprintable():
        return text
    lines = _COLOURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _NO_LETTERS.sub(lambda found: f"[U+{ord(found[0]):04X}]", lines)


def html(text: str) -> Html:
    return text if isinstance(text, Html) else Html(escape(harmless(text)))


def join(pieces: Iterable[str], between: str = "") -> Html:
    return Html(html(between).join(map(html, pieces)))


def element(name: str, /, *content: str, **attributes: str | bool) -> Html:
    """`class_` is `class`, `aria_label` is `aria-label`; False leaves an attribute out."""
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    end = "" if name in _VOID else f"</{name}>"
    return Html(f"<{name}{given}>{join(content)}{end}")


def address(path: str, fragment: str = "", **query: str) -> str:
    """A place of ours, as a link from one page to another."""
    asked = urlencode({name: value for name, value in query.items() if value}, errors="replace")
    return path + (f"?{asked}" if asked else "") + (f"#{fragment}" if fragment else "")


def _attribute(name: str, value: str | bool) -> str:
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name.rstrip("_").replace("_", "-")}="{html(value)}"'
