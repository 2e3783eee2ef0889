"""Every format that is known; those that name their issuer first, so that the mask does too."""

from __future__ import annotations

from opensync_hooks.privacy.redaction.headers import HEADERS
from opensync_hooks.privacy.redaction.keys import KEYS
from opensync_hooks.privacy.redaction.names import NAMES
from opensync_hooks.privacy.redaction.shapes import SHAPES
from opensync_hooks.privacy.redaction.tokens import TOKENS

TABLE = (*KEYS, *SHAPES, *TOKENS, *HEADERS, *NAMES)
