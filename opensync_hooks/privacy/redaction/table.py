"""All rules, in the order in which they are applied: those that know the issuer name the mask."""

from __future__ import annotations

from opensync_hooks.privacy.redaction.commands import ARGUMENTS, COMMANDS, CommandFormat
from opensync_hooks.privacy.redaction.headers import HEADERS
from opensync_hooks.privacy.redaction.issued import ISSUED
from opensync_hooks.privacy.redaction.named_formats import NAMED_VALUES, NamedFormat
from opensync_hooks.privacy.redaction.pairs import PAIRS
from opensync_hooks.privacy.redaction.private_keys import PRIVATE_KEYS
from opensync_hooks.privacy.redaction.rule import Rule
from opensync_hooks.privacy.redaction.stored import STORED
from opensync_hooks.privacy.redaction.structured import STRUCTURED
from opensync_hooks.privacy.redaction.tokens import TOKENS, TokenFormat

AnyRule = Rule | TokenFormat | CommandFormat | NamedFormat

RULES: tuple[AnyRule, ...] = (
    *PRIVATE_KEYS,
    *STORED,
    *TOKENS,
    *ISSUED,
    *STRUCTURED,
    *HEADERS,
    *COMMANDS,
    *PAIRS,
    ARGUMENTS,
    *NAMED_VALUES,
)
