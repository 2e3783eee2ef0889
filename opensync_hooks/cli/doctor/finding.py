"""The result of one check."""

from typing import Literal

from opensync_hooks.dataclass import dataclass

FindingState = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`."""

    check: str
    state: FindingState
    fact: str
    cure: str = ""
    """The user's next step; empty if all is well."""


def ok(check: str, fact: str) -> Finding:
    return Finding(check, "ok", fact)


def warning(check: str, fact: str, cure: str) -> Finding:
    return Finding(check, "warning", fact, cure)


def failed(check: str, fact: str, cure: str) -> Finding:
    return Finding(check, "failed", fact, cure)
