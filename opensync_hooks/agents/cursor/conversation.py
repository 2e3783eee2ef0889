"""A session as any of Cursor's copies holds it: steps in order, combined into messages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import (
    Part,
    Reasoning,
    Role,
    Skipped,
    Text,
    Usage,
)

AGENT = "cursor"
RICHEST_ORIGIN = "database"
_AUTOMATIC_MODELS = ("", "default", "auto")
_THOUGHT_TAG = re.compile(r"(?<!`)<(/?think(?:ing)?)>(?!`)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Step:
    """A prompt, a note, or one piece of an answer; without parts if its record is missing."""

    id: str
    role: Role
    parts: tuple[Part, ...] = ()
    created_at: int | None = None
    ended_at: int | None = None
    model: str | None = None
    usage: Usage | None = None
    request_id: str | None = None
    """Of a prompt: the id under which hooks report the turn."""
    alias: str | None = None
    undone: bool = False
    spare: bool = False

    @property
    def text(self) -> str:
        return "\n\n".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Conversation:
    """One copy of a session. `steps` may be iterated more than once."""

    session_id: str
    origin: str
    steps: Iterable[Step] = ()
    name: str | None = None
    project_path: str | None = None
    """What the window was opened on: a folder, or a file that lists folders."""
    folders: tuple[str, ...] = ()
    """Other folders that the session names, such as its repositories."""
    git_branch: str | None = None
    model: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    parent_id: str | None = None
    children: tuple[str, ...] = ()
    is_settled: bool = True
    is_provisional: bool = False
    """A richer copy may be readable later."""
    request_ids: Iterable[str] = ()
    """The turns that this copy holds, by the ids that hooks report."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """USD by model, where Cursor itself states what the session cost."""
    skipped: Counter[Skipped] = field(default_factory=Counter)
    """Complete once the steps were walked."""

    @property
    def has_content(self) -> bool:
        return any(step.parts and not step.undone for step in self.steps)

    def with_missing_from(self, other: Conversation | None) -> Conversation:
        """Return this copy with what only the other one knows about the session."""
        if other is None:
            return self
        return replace(
            self,
            name=self.name or other.name,
            project_path=self.project_path or other.project_path,
            folders=(*self.folders, *other.folders),
            git_branch=self.git_branch or other.git_branch,
            model=self.model or other.model,
            created_at=self.created_at or other.created_at,
            updated_at=max(self.updated_at or 0, other.updated_at or 0) or None,
            parent_id=self.parent_id or other.parent_id,
            children=self.children or other.children,
        )


def model_name(name: str | None) -> str | None:
    """Return the name, unless it stands for whichever model Cursor chose."""
    return None if name is None or name.lower() in _AUTOMATIC_MODELS else name


def text_parts(text: str | None) -> tuple[Part, ...]:
    return (Text(text),) if text and text.strip() else ()


def answer_parts(text: str | None) -> Iterator[Part]:
    """Separate an answer from the thoughts that some models write into it between tags."""
    pieces = _THOUGHT_TAG.split(text or "")
    if len(pieces) == 1:
        yield from text_parts(text)
        return
    tags = ["", *pieces[1::2], ""]
    for words, before, after in zip(map(str.strip, pieces[::2]), tags, tags[1:], strict=False):
        is_opened, is_closed = before[:1] not in ("", "/"), after.startswith("/")
        if words and (is_opened or is_closed):
            yield Reasoning(words, is_doubtful=not (is_opened and is_closed))
        else:
            yield from text_parts(words)
