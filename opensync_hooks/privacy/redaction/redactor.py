"""Replace secrets by masks, which name the kind of the secret and tell nothing of its value.

A prefilter reads the words of a text once, and only the rules that can match are tried. Each of
them searches the text as it is, or what one masks could be what another recognizes its secret by.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from functools import cache, lru_cache

from opensync_hooks.dataclass import dataclass
from opensync_hooks.privacy.redaction import proof
from opensync_hooks.privacy.redaction.commands import find_arguments
from opensync_hooks.privacy.redaction.documents import (
    find_encoded,
    find_escaped,
    find_in_kubernetes,
    find_in_lists,
    is_kubernetes,
)
from opensync_hooks.privacy.redaction.issued import find_issued
from opensync_hooks.privacy.redaction.memory import SecretMemory
from opensync_hooks.privacy.redaction.named_formats import NamedFormat
from opensync_hooks.privacy.redaction.named_values import find_named_values
from opensync_hooks.privacy.redaction.names import NAMES, find_names, identify
from opensync_hooks.privacy.redaction.prefilter import (
    NO_CANDIDATES,
    Candidates,
    Prefilter,
    lower_same_length,
    split_into_words,
)
from opensync_hooks.privacy.redaction.printed import find_in_transcripts, find_printed
from opensync_hooks.privacy.redaction.rule import Rule, Span, unite
from opensync_hooks.privacy.redaction.table import RULES
from opensync_hooks.privacy.redaction.tables import find_in_tables
from opensync_hooks.privacy.redaction.tokens import TokenFormat, find_tokens
from opensync_hooks.system.patterns import compiled

_MASK = re.compile(r"(\[redacted:[^\]\s]{1,80}\])")
_PREFILTER = Prefilter((rule for rule in RULES if not isinstance(rule, NamedFormat)), NAMES)
_PROVEN: set[str] = set()
"""The patterns that have found the secrets in their rules' examples in this process."""
_MAX_ROUNDS = 6
_MAX_REPEATED_LENGTH = 1 << 17
"""A text with more characters is searched in one round, or it would take too long."""
_MAX_PLAIN, _MAX_PLAIN_LENGTH = 4096, 64
_PLAIN: dict[str, set[bytes]] = {}
"""Short texts in which no rule can match, such as names of tools, and their words."""
_NEAR = 256
"""So many characters before a match are tried first for its prefix; most hold none."""
_MAX_FIELD_NAME = 200
_SECRET_FIELD = re.compile(
    r"(?i)(?P<name>(?:(?P<password>pass(?:word|wd|phrase|code)?|pwd|pw|psk)"
    r"|secret|token|key|credentials?|auth\w*|cookie|mnemonic)\d{0,2})"
    r"(?:[ _-]?(?:field|input|box|textbox))?[\"'\])s:* ]{0,3}\Z"
)


def mask(kind: str) -> str:
    return f"[redacted:{kind}]"


@dataclass(frozen=True, slots=True)
class Redactor:
    """Masks what the rules and the user's own patterns match, and counts it by kind."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    """The user's patterns, each with the name for its mask."""
    is_allowed: Callable[[str], bool] = lambda _: False
    """Whether a match is to stay as it is, by the user's wish."""
    counts: Counter[str] = field(default_factory=Counter)
    memory: SecretMemory | None = None
    """The secrets of the session, which are masked wherever they return."""

    def redact(self, text: str) -> str:
        """Return the text with its secrets masked, in linear time. Raises RedactionError alone."""
        for kind, pattern in self.patterns:
            pieces = _MASK.split(text)
            for index in range(0, len(pieces), 2):  # every other piece is a mask
                matches = pattern.finditer(pieces[index])
                spans = ((*match.span(), kind) for match in matches)
                pieces[index] = self._mask_spans(pieces[index], spans)
            text = "".join(pieces)
        for _ in range(_MAX_ROUNDS):
            masked = self._apply_rules(text)
            if masked is text or len(text) > _MAX_REPEATED_LENGTH:
                return masked
            text = masked  # beside a new mask, another secret may only now be recognizable
        return text

    def redact_output(self, command: str, output: str) -> str:
        """Return what a command printed, redacted; the command may tell that it is a secret."""
        return self.redact(self._mask_spans(output, find_printed(command, output)))

    def redact_arguments(self, words: list[str]) -> list[str]:
        """Return a program's name and arguments; those that are secrets only to it are masked."""
        text = json.dumps(words, ensure_ascii=False)
        spans = find_arguments(text, split_into_words(text))
        masked: list[str] = json.loads(self._mask_spans(text, spans))
        return masked

    def redact_field(self, name: str, text: str) -> str:
        """Return the value of a field, redacted; its name may tell that it is a secret."""
        masked = self.redact(text)
        if name.endswith("?"):  # a question: most answers to one about a password are none
            before = name.rstrip("? ") + " is "
            answer = self.redact(before + text)
            return answer.removeprefix(before) if answer.startswith(before) else masked
        field_name = secret_field(name[-_MAX_FIELD_NAME:])
        if field_name is None:
            return masked
        name, is_password = field_name
        quote = next((quote for quote in "'`" if quote not in masked), '"')
        # A passphrase may contain spaces; so may a password in a field of its own.
        before = ("passphrase" if is_password else name) + "=" + quote
        assignment = before + masked.replace(quote, "_") + quote
        redacted = self.redact(assignment)
        if redacted == assignment:
            return masked
        return redacted.removeprefix(before).removesuffix(quote)

    def _apply_rules(self, text: str, *, is_encoded: bool = False) -> str:
        """Return the same object if no rule matched."""
        plain, words, candidates = _examine(text)
        if candidates is NO_CANDIDATES and not (self.memory and self.memory.size):
            return text
        return self._mask_spans(text, self._find(text, plain, words, candidates, is_encoded))

    def _find(
        self, text: str, plain: str, words: set[bytes], candidates: Candidates, is_encoded: bool
    ) -> Iterator[Span]:
        """Yield what each rule finds in the text as it is, which no other rule has changed."""
        lower, rules, names, long_words = candidates
        lower = lower if plain is text else lower_same_length(text)
        formats = [rule for rule in rules if isinstance(rule, TokenFormat)]
        for rule in rules:
            if isinstance(rule, Rule):
                _prove(rule)
                yield from _find_spans(rule, lower if rule.casefold else text)
            elif isinstance(rule, TokenFormat):
                yield from find_tokens(formats, text) if formats else ()
                formats = []
            else:
                yield from find_arguments(text, words)
        yield from find_in_transcripts(text)
        if is_kubernetes(words):
            yield from find_in_kubernetes(text)
        if long_words:
            yield from find_issued(long_words, text)
        if long_words and not is_encoded:
            inner = Redactor(is_allowed=self.is_allowed)
            yield from find_encoded(
                long_words, text, lambda inside: inner._apply_rules(inside, is_encoded=True)
            )
        if "%" in text and not is_encoded:
            yield from find_escaped(
                text, lambda inside: self._find(inside, *_examine(inside), True)
            )
        if names:
            _prove_names()
            matches = find_names(lower, names)
            yield from find_in_lists(text, lower, names)
            yield from find_in_tables(text, lower, matches)
            yield from find_named_values(text, lower, matches)
        if self.memory and self.memory.size:
            # Last, as a rule knows better where a secret ends than the memory of a part of it.
            yield from self.memory.find(words, text)

    def _mask_spans(self, text: str, spans: Iterable[Span]) -> str:
        allowed = self.is_allowed
        secrets = [span for span in spans if not allowed(text[span[0] : span[1]])]
        pieces: list[str] = []
        end = 0
        for start, stop, kind in unite(secrets):
            pieces += (text[end:start], mask(kind))
            self.counts[kind] += 1
            end = stop
        if self.memory:
            for start, stop, kind in secrets:
                self.memory.remember(text[start:stop], kind)
        return "".join((*pieces, text[end:])) if pieces else text


def _examine(text: str) -> tuple[str, set[bytes], Candidates]:
    """Return the text without its masks, the words of that, and what can match in it."""
    words = _PLAIN.get(text)
    if words is not None:
        return text, words, NO_CANDIDATES
    plain = _MASK.sub(" ", text) if "[redacted:" in text else text
    words = split_into_words(plain)
    candidates = _PREFILTER.candidates(plain, words)
    if candidates is NO_CANDIDATES and len(text) <= _MAX_PLAIN_LENGTH:
        if len(_PLAIN) >= _MAX_PLAIN:
            _PLAIN.clear()
        _PLAIN[text] = words
    return plain, words, candidates


def _find_spans(rule: Rule, text: str) -> Iterator[Span]:
    for match in compiled(rule.pattern).finditer(text):
        start, stop = match.span(match.lastgroup or 0)
        pattern = compiled(rule.prefix_pattern)
        prefix = pattern.match(text[max(0, start - _NEAR) : start][::-1])
        if prefix and rule.prefix_max > _NEAR:
            prefix = pattern.match(text[max(0, start - rule.prefix_max) : start][::-1])
        if prefix:
            yield start - prefix.end(), stop, rule.kind


def prove_everything() -> None:
    """Raise RedactionError if any rule does not work in this process."""
    for rule in RULES:
        if isinstance(rule, Rule):
            _prove(rule)
    _prove_names()


def _prove(rule: Rule) -> None:
    """Before a pattern is relied on, see it find the secrets in its rule's own examples."""
    if rule.pattern not in _PROVEN:
        proof.require_rule(rule, _find_spans)
        _PROVEN.add(rule.pattern)


@cache  # successes only
def _prove_names() -> None:
    def without_spans(text: str) -> str:
        lower = text.lower()
        matches = find_names(lower, ["key"])
        spans = (*find_in_tables(text, lower, matches), *find_named_values(text, lower, matches))
        for start, end, _ in spans:
            text = text[:start] + text[end:]
        return text

    proof.require(proof.PLANTED_NAMED, without_spans)


@lru_cache(maxsize=1024)
def secret_field(name: str) -> tuple[str, bool] | None:
    """Return what names a secret in a field's name, and whether that is a password."""
    match = _SECRET_FIELD.search(name)
    if match:
        return name[: match.end("name")], bool(match["password"])
    identified = identify(name)
    return (name, identified.strictness == "loose") if identified else None
