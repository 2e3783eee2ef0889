"""All rules. Those that know the issuer come first, so that the mask names it."""

from __future__ import annotations

from opensync_hooks.privacy.redaction.headers import HEADERS
from opensync_hooks.privacy.redaction.named_values import NAMED_VALUES
from opensync_hooks.privacy.redaction.private_keys import PRIVATE_KEYS
from opensync_hooks.privacy.redaction.structured import STRUCTURED
from opensync_hooks.privacy.redaction.tokens import TOKENS

RULES = (*PRIVATE_KEYS, *STRUCTURED, *TOKENS, *HEADERS, *NAMED_VALUES)
