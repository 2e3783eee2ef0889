"""Tell by which rules a session was masked, so that older masks can be brought up to date."""

from __future__ import annotations

import hashlib
from functools import cache

from opensync_hooks.config import Config
from opensync_hooks.privacy.redaction.commands import PROGRAMS
from opensync_hooks.privacy.redaction.links import LINK
from opensync_hooks.privacy.redaction.names import NAMES
from opensync_hooks.privacy.redaction.rule import Rule
from opensync_hooks.privacy.redaction.table import ENGINE_VERSION, RULES, AnyRule
from opensync_hooks.privacy.redaction.tokens import TokenFormat


def masking_digest(config: Config) -> str:
    """Identify the rules and the user's own patterns; another version may have other ones."""
    if not config.redact:
        return "none"
    own = [(name, pattern.pattern) for name, pattern in config.patterns]
    allowed = [pattern.pattern for pattern in config.allow]
    return _digest(f"{_table_digest()} {own} {allowed}")


@cache
def _table_digest() -> str:
    rows = [_row(rule) for rule in RULES]
    return _digest(repr((ENGINE_VERSION, rows, NAMES, LINK, PROGRAMS)))


def _row(rule: AnyRule) -> tuple[object, ...]:
    if isinstance(rule, Rule):
        return rule.kind, rule.pattern, rule.prefix_pattern
    if isinstance(rule, TokenFormat):
        return rule.kind, rule.prefix, rule.min_length, rule.charset, rule.condition
    return rule.kind, rule.keywords


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
