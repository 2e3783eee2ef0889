"""Turns a stored session into a Session: its title, its totals, and what was undone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

from opensync_hooks.agents import titles
from opensync_hooks.agents.json_access import get_int, get_str
from opensync_hooks.agents.opencode.layouts import SessionHeader, StoredMessage, StoredSession
from opensync_hooks.agents.opencode.messages import MessageConverter
from opensync_hooks.agents.opencode.product import Product
from opensync_hooks.agents.opencode.usage import charge_of
from opensync_hooks.model import Charge, Json, Message, Session, Skipped

_DEFAULT_TITLE = re.compile(
    r"(?:New|Child) [Ss]ession - \d{4}-\d\d-\d\dT[\d:.]+Z(?P<fork> \(fork #\d+\))?"
)
_AGENT_SUFFIX = re.compile(r"\((@[^()]+ subagent)\)$")
_SHORT_ID_LENGTH = 16
"""`ses_` and the twelve digits after it, which encode the time and tell sessions apart."""

_WITHOUT_WORDS = Skipped("unreadable", "session without its words")
"""Counted for a session that has lost its words, in half a migration."""

T = TypeVar("T")


def read_session(stored: StoredSession, product: Product) -> Session:
    header, skipped = stored.header, Counter(stored.skipped)
    converter = MessageConverter(skipped)
    messages: list[Message] = []
    charges: list[Charge] = []
    responses: list[Json] = []
    for message, undone in _with_undone(stored):
        charge = None
        if message.info and message.info.get("role") == "assistant":
            charge = charge_of(message, header.version, product)
            responses.append(message.info)
        messages += converter.convert(message, charge, undone=undone)
        charges += [charge] if charge else []
    if not messages and not charges and not skipped and _had_words(stored):
        skipped[_WITHOUT_WORDS] += 1
    times = [get_int(info, "time", "completed") for info in responses]
    times += [header.updated_at, *(message.created_at for message in messages)]
    folders = [
        header.directory,
        *(get_str(info, "path", name) for name in ("cwd", "root") for info in responses),
        header.worktree,
    ]
    return Session(
        id=header.id,
        agent=product.description.name,
        messages=tuple(messages),
        charges=tuple(charges),
        title=_title(header, messages),
        project_path=_first(folders),
        folders=tuple(dict.fromkeys(folder for folder in folders if folder and folder != "/")),
        model=_first(get_str(info, "modelID") for info in reversed(responses)),
        provider=_first(get_str(info, "providerID") for info in reversed(responses)),
        created_at=header.created_at or _first(message.created_at for message in messages),
        updated_at=max((time for time in times if time is not None), default=None),
        duration_ms=sum(message.duration_ms or 0 for message in messages),
        agent_version=header.version,
        parent_id=header.parent_id,
        forked_from=header.forked_from,
        skipped=skipped,
    )


def _had_words(stored: StoredSession) -> bool:
    """Whether something was said once: OpenCode titles a session by its first prompt."""
    title = stored.header.title
    return bool(stored.messages) or bool(title and not _DEFAULT_TITLE.fullmatch(title))


def _with_undone(stored: StoredSession) -> Iterator[tuple[StoredMessage, bool]]:
    """Yield each message with whether the user has undone it."""
    revert, undone = stored.header.revert, False
    for message in stored.messages:
        if revert and revert.message_id == message.id:
            yield message, undone or not revert.is_within_message
            undone = True
        else:
            yield message, undone or message.is_undone


def _title(header: SessionHeader, messages: Iterable[Message]) -> str | None:
    """Return OpenCode's title, or else the first prompt. A child's title also names its parent."""
    title = header.title
    default = _DEFAULT_TITLE.fullmatch(title or "")
    if not title or default:
        prompts = (message.text for message in messages if message.role == "user")
        prompt = titles.one_line(_first(prompts))
        fork = (default and default["fork"]) or ""
        title = f"{prompt}{fork}" if prompt else None
    if header.parent_id is None:
        return title
    parent = header.parent_id[:_SHORT_ID_LENGTH]
    if title and _AGENT_SUFFIX.search(title):
        return _AGENT_SUFFIX.sub(lambda suffix: f"({suffix[1]} of {parent})", title)
    return titles.of_subagent(title, parent)


def _first(values: Iterable[T | None]) -> T | None:
    """Return the first value that is not empty."""
    return next((value for value in values if value), None)
