"""An estimate of the tokens of a session whose agent counted none: a quarter of its characters.

Only for users who switched it on. Counted tokens are never mixed with an estimate.
"""

from dataclasses import replace

from opensync_hooks.messages import length
from opensync_hooks.model import Charge, Session, ToolResult, Usage

MARK = "(tokens estimated)"
_CHARACTERS_PER_TOKEN = 4


def estimate_tokens(session: Session) -> Session:
    """Return the session with an estimated charge, named in its provider, where none counts."""
    if any(charge.usage != Usage() for charge in session.charges):
        return session
    characters_in = characters_out = 0
    for message in session.messages:
        for part in message.parts:
            if message.role == "assistant" and not isinstance(part, ToolResult):
                characters_out += length(part)
            else:
                characters_in += length(part)
    usage = Usage(
        input_tokens=characters_in // _CHARACTERS_PER_TOKEN,
        output_tokens=characters_out // _CHARACTERS_PER_TOKEN,
    )
    if usage == Usage():
        return session
    # The agent's own cost is complete: an estimate beside it must not add the table's price.
    has_cost = any(charge.cost is not None for charge in session.charges)
    charge = Charge(
        f"{session.id}:estimate", session.model, usage, 0.0 if has_cost else None, basis="estimate"
    )
    provider = f"{session.provider or session.agent} {MARK}"
    return replace(session, charges=(*session.charges, charge), provider=provider)
