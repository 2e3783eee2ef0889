"""A guess at the tokens of a session whose agent counted none: a quarter of its characters.

Only for users who switched it on. What was counted, however little, is never mixed with a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from opensync_hooks.model import Charge, Part, Session, ToolResult, Usage, length

MARK = "(tokens estimated)"
_LETTERS_A_TOKEN = 4


def estimated(session: Session) -> Session:
    """The session with a guess, and the mark of one, where there is no count; else unchanged."""
    if any(one.usage != Usage() for one in session.charges):
        return session
    read = written = 0
    for message in session.messages:
        is_answer = message.role == "assistant"
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        own = _letters(part for part in message.parts if not isinstance(part, ToolResult))
        read += _letters(results) + (0 if is_answer else own)
        written += own if is_answer else 0
    usage = Usage(input_tokens=read // _LETTERS_A_TOKEN, output_tokens=written // _LETTERS_A_TOKEN)
    if usage == Usage():
        return session
    stated = 0.0 if any(one.cost is not None for one in session.charges) else None
    guess = Charge(f"{session.id}:estimate", session.model, usage, stated)
    provider = f"{session.provider or session.agent} {MARK}"
    return replace(session, charges=(*session.charges, guess), provider=provider)


def _letters(parts: Iterable[Part]) -> int:
    return sum(map(length, parts))
