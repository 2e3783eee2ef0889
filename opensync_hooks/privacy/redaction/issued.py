"""Tokens of issuers that no list knows: what is before the random part says that it is a key.

As in `acme_live_sk_…`, `acme-key-…` and `https://example.org/hooks/…`. Hundreds of issuers follow
that custom, and new ones do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opensync_hooks.privacy.redaction import qualifiers
from opensync_hooks.privacy.redaction.patterns import (
    ALNUM,
    BREAK,
    BREAK_REVERSED,
    HEX,
    URLSAFE,
    body,
    run,
)
from opensync_hooks.privacy.redaction.randomness import is_mixed_case, is_random
from opensync_hooks.privacy.redaction.rule import Example, Rule, Span, fill
from opensync_hooks.privacy.redaction.tokens import TokenFormat
from opensync_hooks.privacy.redaction.values import Extent
from opensync_hooks.system.patterns import compiled

_MIN_LENGTH, _LONG, _LONGEST_PREFIX = 20, 30, 48
"""Ids, such as `msg_…`, are shorter than long tokens."""
_PREFIX = (
    r"(?<![A-Za-z0-9+/_-])(?<!sha(?:256|384|512)=)(?P<prefix>[A-Za-z][A-Za-z0-9]{0,15}"
    r"(?:[_.-][A-Za-z0-9]{1,12}){0,4})[_-]\Z"
)
"""It is not in the middle of a hash: `sha256=c-…` is in every wheel."""
_ENDINGS = ("sk", "key", "pat", "tok", "token", "secret", "apikey", "jwt")
"""Of a segment of the prefix, which may begin with the issuer's letters."""
_SEGMENTS = frozenset(("live", "prod", "production", "sandbox", "api", "auth", "priv", "private"))
_MAX_SEGMENT = 9
_WORDS = frozenset(("task", "disk", "mask", "desk", "risk", "flask", "ask", "monkey", "hotkey"))
_ID = r"(?:(?<![A-Za-z0-9.-])|(?<=\dm))[0-9a-f]{24}:\Z"
_MIXED_ID = r"(?<![A-Za-z0-9.-])(?![A-Z]?[a-z]{7}|[A-Z]{8}|[a-z]+[A-Z][a-z]+\.)[A-Za-z0-9]{8}\.\Z"
_KEY = (
    r"S[A-D][A-Z2-7]{54}"  # a seed of Stellar
    r"|[5KL][1-9A-HJ-NP-Za-km-z]{50,51}"  # a key of Bitcoin
    r"|[A-Za-z0-9]{11}AAAAAAAAAA[A-Za-z0-9_-]{43}"  # of Dropbox
)
_LONGEST_ID = 26
_SECOND_PART = r"\.(?P<secret>[A-Za-z0-9]{16})(?![\w.-])"
_HEX = r"[0-9a-f]+|[0-9A-F]+"


ISSUED: tuple[Rule, ...] = (
    Rule(
        "maxmind-key",
        ("_mmk",),
        r"_mmk(?![A-Za-z0-9])",
        (Example(fill(ALNUM, 6) + "_" + fill(ALNUM, 29) + "_mmk"),),
        ("read_mmk",),
        prefix_pattern=rf"(?:{BREAK_REVERSED})?{run(URLSAFE, 30, 40, BREAK_REVERSED)}",
        prefix_max=120,
    ),
    Rule(
        "ansible-vault",
        ("$ANSIBLE_VAULT",),
        rf"\$ANSIBLE_VAULT;[0-9.]{{3}};AES256(?:;\w{{1,40}})?"
        rf"(?P<vault>(?>(?:(?:{BREAK}|[ \t>|+-]){{1,20}}"
        r"[0-9a-f]{2,80}(?![A-Za-z0-9])){1,5000}))",
        (Example("\n" + fill(HEX, 80) + "\n" + fill(HEX, 40), "$ANSIBLE_VAULT;1.1;AES256"),),
        ("$ANSIBLE_VAULT;1.1;AES256 is its header",),
    ),
    Rule(
        "jwe",
        ("eyJ*",),
        rf"eyJ[{URLSAFE}]{{10,400}}\.\.(?P<text>[{URLSAFE}]{{16}}\.{body(URLSAFE + '.', 40)})",
        (Example("b" * 16 + "." + fill(ALNUM, 60), "eyJhbGciOiJkaXIifQ.."),),
        ("eyJhbGciOiJkaXIi..x",),
    ),
)
"""Tokens of which several parts, or the last letters, tell the issuer."""


def find_issued(words: Iterable[bytes], text: str) -> Iterator[Span]:
    """Yield the tokens whose random part is one of these words."""
    spans = []
    for encoded in words:
        word = encoded.decode()
        if len(word) < _MIN_LENGTH or not is_random(word):
            continue
        start = text.find(word)
        while start >= 0:
            prefix = compiled(_PREFIX).search(text, max(0, start - _LONGEST_PREFIX), start)
            end = start + len(word)
            extent = _find_by_parts(word, text, start)
            if extent:
                spans.append((*extent, "token"))
            elif prefix and _is_of_key(prefix["prefix"], text[start - 1], word):
                token = TokenFormat("token", prefix[0], _MIN_LENGTH, URLSAFE, "-", "")
                end = max(end, token.find(text, prefix.start())[0])
                spans.append((prefix.start(), end, "token"))
            start = text.find(word, end)
    yield from sorted(spans)


def _is_of_key(prefix: str, separator: str, word: str) -> bool:
    """Whether a prefix says that a key follows; a hash may follow the name of a stage."""
    segments, is_lower = re.split("[_.-]", prefix.lower()), prefix.islower()
    if not qualifiers.is_private(segments):
        return False
    if separator == "_" and is_lower and len(word) >= _LONG and is_mixed_case(word):
        return any(map(str.isdigit, word))
    names_key = any(
        segment.endswith(_ENDINGS) and len(segment) <= _MAX_SEGMENT and segment not in _WORDS
        for segment in segments
    )
    is_hash = bool(compiled(_HEX).fullmatch(word))
    return names_key or (not is_hash and not _SEGMENTS.isdisjoint(segments))


def _find_by_parts(word: str, text: str, start: int) -> Extent | None:
    """Return where a key is that its length and its parts tell: an id before, a secret behind."""
    end = start + len(word)
    ids = {64: _ID, 32: _MIXED_ID if is_mixed_case(word) else None}.get(len(word))
    key_id = compiled(ids).search(text, max(0, start - _LONGEST_ID), start) if ids else None
    if key_id:
        return key_id.start(), end
    key = compiled(_KEY).match(text, start)
    if key and key.end() >= end:
        return key.span()
    secret = compiled(_SECOND_PART).match(text, end) if len(word) == 32 else None
    return (start, secret.end()) if secret and is_random(secret["secret"]) else None
