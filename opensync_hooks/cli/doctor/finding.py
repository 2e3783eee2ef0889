"""What a check says: one line, and what helps where something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what `doctor` says."""

    check: str
    """The name of the check, or of the agent that it looked at."""
    state: State
    fact: str
    cure: str = ""
    """What to do; nothing where all is well."""


def ok(check: str, fact: str) -> Finding:
    return Finding(check, "ok", fact)


def warning(check: str, fact: str, cure: str) -> Finding:
    return Finding(check, "warning", fact, cure)


def failed(check: str, fact: str, cure: str) -> Finding:
    return Finding(check, "failed", fact, cure)
