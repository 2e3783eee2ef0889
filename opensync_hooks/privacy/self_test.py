"""Prove in each process that redaction works, before anything leaves the machine.

A few secrets are planted at once. What takes long to compile is proved when it is first needed:
each rule by its own examples, and names by planted secrets of their own.
"""

from __future__ import annotations

from functools import cache

from opensync_hooks.privacy.redaction.proof import PLANTED
from opensync_hooks.privacy.redaction.proof import require as _require
from opensync_hooks.privacy.redaction.redactor import Redactor, prove_everything


@cache  # successes only: an error is raised again by each call
def check() -> None:
    """Raise RedactionError if a planted secret survives redaction; once per process otherwise."""
    _require(PLANTED, Redactor().redact)


def check_everything() -> None:
    """Raise RedactionError if any rule does not work under this Python."""
    check()
    prove_everything()
