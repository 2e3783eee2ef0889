"""A conversation as a session: its messages, what they add up to, and what hooks reported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from opensync_hooks.agents import titles
from opensync_hooks.agents.cursor.conversation import (
    AGENT,
    RICHEST_ORIGIN,
    Conversation,
    model_name,
)
from opensync_hooks.agents.cursor.messages import ConversationMessages
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Charge, HookFacts, Message, Session, Usage

_DEFAULT_NAMES = ("New Agent", "New Chat")


@dataclass(slots=True)
class MessageTotals:
    """What messages say together of their session."""

    charges: dict[str, Charge] = field(default_factory=dict)
    earliest: int | None = None
    latest: int | None = None
    duration_ms: int = 0
    last_model: str | None = None
    first_prompt: Message | None = None

    def add(self, message: Message) -> None:
        if message.charge:
            self.charges[message.charge.id] = message.charge
        if message.created_at:
            self.earliest = min(message.created_at, self.earliest or message.created_at)
            self.latest = max(message.created_at, self.latest or 0)
        self.duration_ms += message.duration_ms or 0
        self.last_model = message.model or self.last_model
        if self.first_prompt is None and message.role == "user" and not message.undone:
            self.first_prompt = message


def to_session(conversation: Conversation, hook_facts: HookFacts) -> Session:
    """Return the session with every message, and with the tokens that hooks reported."""
    messages, totals = conversation_messages(conversation, hook_facts), MessageTotals()
    for message in messages:
        totals.add(message)
    return summarize(conversation, hook_facts, messages, totals)


def conversation_messages(
    conversation: Conversation, hook_facts: HookFacts
) -> ConversationMessages:
    return ConversationMessages(conversation, {turn.id: turn for turn in hook_facts.turns})


def summarize(
    conversation: Conversation,
    hook_facts: HookFacts,
    messages: Iterable[Message],
    totals: MessageTotals,
) -> Session:
    """Return the session of these messages, and with the turns that only hooks reported."""
    charges = totals.charges
    for turn in hook_facts.turns:
        model = turn.model or conversation.model
        charges.setdefault(turn.id, Charge(turn.id, model, turn.usage))
    for model, cost in conversation.costs.items():
        charge_id = f"{conversation.session_id}:{model}"
        charges[charge_id] = Charge(charge_id, model_name(model), Usage(), cost)
    first_prompt = totals.first_prompt.text if totals.first_prompt else None
    return Session(
        id=conversation.session_id,
        agent=AGENT,
        messages=messages,
        charges=tuple(charges.values()),
        title=_title(conversation, first_prompt),
        project_path=conversation.project_path,
        folders=conversation.folders,
        model=conversation.model or totals.last_model,
        provider=AGENT,
        created_at=conversation.created_at or totals.earliest,
        updated_at=max(totals.latest or 0, conversation.updated_at or 0) or None,
        duration_ms=totals.duration_ms or None,
        git_branch=conversation.git_branch,
        agent_version=hook_facts.agent_version,
        parent_id=conversation.parent_id,
        is_partial=not conversation.is_settled,
        skipped=+conversation.skipped,
        origin=conversation.origin,
        # The editor loses its database at times. Messages of the other copies have other ids, so
        # everything that was delivered would arrive a second time, and poorer.
        richer_origin=None if conversation.origin == RICHEST_ORIGIN else RICHEST_ORIGIN,
    )


def _title(conversation: Conversation, first_prompt: str | None) -> str | None:
    name = None if conversation.name in _DEFAULT_NAMES else conversation.name
    title = titles.one_line(name or first_prompt)
    if conversation.parent_id:
        return titles.of_subagent(title, conversation.parent_id[:8])
    return title
