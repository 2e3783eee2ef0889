"""What a hook reported, made into a trigger; what only the hook knows is recorded on the way."""

from __future__ import annotations

from collections.abc import Mapping

from opensync_hooks.agents import registry
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.model import Trigger
from opensync_hooks.privacy.exclusion import Exclusions


def record_and_parse(agent: str, environ: Mapping[str, str], payload: bytes) -> Trigger | None:
    """Return what a hook asks for, after its facts are on the disk; None for a private session.

    Raises OSError.
    """
    event = registry.parse_event(agent, environ, payload)
    if event is None:
        return None
    trigger = event.trigger
    if event.is_private:
        Exclusions.for_user().keep_private(trigger.agent, trigger.session_id)
        return None
    if event.facts is not None:
        HookNotes.of_user(trigger.agent).add(trigger.session_id, event.facts)
    return trigger
