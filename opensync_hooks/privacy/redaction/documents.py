"""Secrets that the document around them identifies: Kubernetes secrets, and texts in base64."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Iterator

from opensync_hooks.privacy.redaction.randomness import is_random
from opensync_hooks.privacy.redaction.rule import Span
from opensync_hooks.system.patterns import compiled

_KUBERNETES_WORDS = frozenset((b"data", b"stringData"))
_PLURALS = {
    "pass": ("passwords",),
    "token": ("tokens",),
    "secret": ("secrets",),
    "credential": ("credentials",),
    "key": ("apikeys", "api_keys", "api-keys"),
}
"""By the name of a secret that each contains."""
_LIST = r"(?:\\*[\"'])?\s?[:=]\s?"
_LISTS = (
    rf"{_LIST}\n(?P<block>(?:[ \t]*-[ \t][^\n]*(?:\n|\Z)){{1,200}})",
    rf"{_LIST}[\[(](?P<block>[^\[\](){{}}]{{1,20000}})",
)
_ELEMENT = r"(?<![^\s\"',(\[-])(?!\[redacted:)(?P<value>[\w+/=.~-]{12,400})(?=[\s\"',\\]|\Z)"
_KIND = r"kind\\*\"?\s?[:=]\s?\\*\"?Secret\b"
_BLOCK = r"(?m)^[ \t]*(?:data|stringData):[ \t]*\r?\n(?P<block>(?:[ \t]+[^\n]*(?:\n|\Z)){1,200})"
_ENTRY = r"(?m)^[ \t]+[\w.-]{1,200}:[ \t]+[\"']?(?!\[redacted:)(?P<value>[^\s\"']{4,})"
_JSON = r"\\*\"(?:data|stringData)\\*\"\s?:\s?\{(?P<block>[^{}]{1,100000})\}"
_JSON_ENTRY = r"\"\s?:\s?\\*\"(?!\[redacted:)(?P<value>[^\s\"\\]{4,})"
_MAX_ENCODED = 20_000
_NO_END = r"(?>[^\s\"'<>&%]*)"
_ESCAPED = f"%[0-9A-Fa-f]{{2}}{_NO_END}(?>(?:%[0-9A-Fa-f]{{2}}{_NO_END})+)"
_URL_ESCAPE = r"(?s)%(?P<code>[0-7][0-9A-Fa-f])|."
_TEXT_BEGINS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef")
"""Each group of four base64 characters begins with one of these if it encodes ASCII text."""


def is_kubernetes(words: set[bytes]) -> bool:
    return b"Secret" in words and not words.isdisjoint(_KUBERNETES_WORDS)


def find_in_lists(text: str, lower: str, names: Iterable[str]) -> Iterator[Span]:
    """Yield what was made at random in a list that a plural names, as in `tokens: [...]`.

    `names` are the names of secrets that the text contains; `lower` is the text in lower case.
    """
    plurals = (plural for name, plurals in _PLURALS.items() if name in names for plural in plurals)
    patterns = [plural + rest for plural in plurals if plural in lower for rest in _LISTS]
    for pattern in patterns:
        for section in compiled(pattern).finditer(lower):
            for match in compiled(_ELEMENT).finditer(text, *section.span("block")):
                if is_random(match["value"]):
                    yield (*match.span("value"), "secret")


def find_in_kubernetes(text: str) -> Iterator[Span]:
    """Yield the values of `data` and `stringData` in documents of the kind Secret."""
    if compiled(_KIND).search(text):
        for block, entry in ((_BLOCK, _ENTRY), (_JSON, _JSON_ENTRY)):
            for section in compiled(block).finditer(text):
                for match in compiled(entry).finditer(text, *section.span("block")):
                    yield (*match.span("value"), "kubernetes-secret")


def find_encoded(words: Iterable[bytes], text: str, redact: Callable[[str], str]) -> Iterator[Span]:
    """Yield the words in base64 that encode a text with a secret in it."""
    spans = []
    for word in words:
        if len(word) <= _MAX_ENCODED and _TEXT_BEGINS.issuperset(word[::4]):
            decoded = _decode(word)
            if decoded and redact(decoded) != decoded:
                encoded = word.decode()
                start = text.find(encoded)
                while start >= 0:
                    end = start + len(encoded)
                    while end < len(text) and text[end] == "=":
                        end += 1
                    spans.append((start, end, "base64"))
                    start = text.find(encoded, end)
    yield from sorted(spans)


def find_escaped(text: str, find: Callable[[str], Iterable[Span]]) -> Iterator[Span]:
    """Yield the secrets in words with URL escapes, in which `find` searches what they stand for."""
    last_end = 0
    for escaped in compiled(_ESCAPED).finditer(text):
        beginning = compiled(_NO_END).match(text[last_end : escaped.start()][::-1])
        start = escaped.start() - (beginning.end() if beginning else 0)
        last_end = escaped.end()
        plain, places = "", []
        for piece in compiled(_URL_ESCAPE).finditer(text, start, last_end):
            plain += chr(int(piece["code"], 16)) if piece["code"] else piece[0]
            places.append(piece.start())
        places.append(last_end)
        for start, end, kind in find(plain):
            yield places[start], places[end], kind


def _decode(word: bytes) -> str | None:
    """Return the text of a word in base64; None if it encodes anything else."""
    try:
        decoded = binascii.a2b_base64(word + b"=" * (-len(word) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return decoded if decoded.replace("\n", "").replace("\r", "").isprintable() else None
