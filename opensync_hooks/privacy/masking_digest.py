"""Tell by which rules a session was masked, so that older masks can be brought up to date."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from opensync_hooks.config import Config

_RULES = Path(__file__).with_name("redaction")


def masking_digest(config: Config) -> str:
    """Identify the rules and the user's own patterns; another version may have other ones."""
    if not config.redact:
        return "none"
    own = [(name, pattern.pattern) for name, pattern in config.patterns]
    allowed = [pattern.pattern for pattern in config.allow]
    return _digest(f"{_rules_digest()} {own} {allowed}")


@cache
def _rules_digest() -> str:
    """Identify the code and the tables as files: `status` need not import them, only read them."""
    files = sorted(path for path in _RULES.iterdir() if path.is_file())
    return _digest(repr([(path.name, path.read_bytes()) for path in files]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
