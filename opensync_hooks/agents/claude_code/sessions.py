"""A transcript file as Session values: the conversation, then each subagent it started."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from opensync_hooks.agents import titles
from opensync_hooks.agents.claude_code import lines
from opensync_hooks.agents.claude_code.index import Index, Thread
from opensync_hooks.agents.claude_code.messages import Messages, charge, duration, identity
from opensync_hooks.agents.json_access import Value, record, string
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Session

AGENT = "claude-code"


@dataclass(frozen=True, slots=True)
class _File:
    """One indexed transcript. The index holds of exactly this file, up to where it then ended."""

    path: Path
    index: Index
    identity: tuple[int, int]
    skipped: Mapping[str, int]

    def session(self, session_id: str, thread: Thread) -> Session:
        charges = (charge(unit) for unit in thread.units)
        return Session(
            id=session_id,
            agent=AGENT,
            messages=Messages(self.path, self.identity, tuple(thread.units)),
            charges=tuple(one for one in charges if one),
            project_path=self.index.relocated or thread.cwd,
            model=thread.model,
            provider="anthropic" if (thread.model or "").startswith("claude") else None,
            created_at=thread.created_at,
            updated_at=thread.updated_at,
            duration_ms=sum(duration(unit) or 0 for unit in thread.units),
            git_branch=thread.git_branch if thread.git_branch != "HEAD" else None,
            agent_version=thread.version,
            skipped=self.skipped,
        )


def read(path: Path, session_id: str, agent_files: Iterable[Path]) -> Iterator[Session]:
    """The session in the file at `path`, then its subagents, nested ones as well."""
    file = _load(path, own_sidechain=False)
    index = file.index
    named = index.custom_title or index.ai_title or index.main.first_prompt
    yield replace(file.session(session_id, index.main), title=titles.one_line(named))
    for root, thread in index.sidechains.items():
        child = file.session(f"{session_id}:agent-{root}", thread)
        yield replace(
            child,
            title=_title_below(session_id, thread.first_prompt),
            parent_id=session_id,
            skipped={},
        )
    for agent_file in agent_files:
        yield _subagent(agent_file, session_id)


def _subagent(path: Path, root_id: str) -> Session:
    """A subagent's own file. Its lines carry the id of the root session, not of its parent."""
    file = _load(path, own_sidechain=True)
    meta = _meta(path.with_suffix(".meta.json"))
    outer = string(meta, "parentAgentId")
    thread = file.index.main
    return replace(
        file.session(f"{root_id}:{path.stem}", thread),
        title=_title_below(root_id, string(meta, "description") or thread.first_prompt),
        parent_id=f"{root_id}:agent-{outer}" if outer else root_id,
    )


def read_beside(path: Path) -> Iterator[Session]:
    """The subagent whose file lies beside its session's, as 2.0 had it: a session by itself.

    There may be thousands of such files, too many to look for those of a session at each hook.
    """
    file = _load(path, own_sidechain=True)
    thread, root_id = file.index.main, file.index.session_id
    yield replace(
        file.session(path.stem, thread),
        title=_title_below(root_id, thread.first_prompt) if root_id else None,
        parent_id=root_id,
    )


def _load(path: Path, *, own_sidechain: bool) -> _File:
    index, skipped = Index(), Counter[str]()
    with open_regular(path) as file:
        end = os.fstat(file.fileno()).st_size
        for span, line in lines.scan(file, end, lambda what: skipped.update((what,))):
            index.add(span, line, own_sidechain=own_sidechain)
        same_file = identity(file)
    for thread in (index.main, *index.sidechains.values()):
        thread.mark_undone()
    return _File(path, index, same_file, skipped)


def _meta(path: Path) -> Value:
    """What Claude Code notes of a subagent; nothing where the file is missing or half written."""
    try:
        with open_regular(path) as file:
            return record(file.read(1 << 20))
    except (SourceError, OSError):
        return {}


def _title_below(root_id: str, about: str) -> str:
    return titles.of_subagent(titles.one_line(about), root_id[:8])
