"""The first pass over a transcript: its conversations, and its bookkeeping.

A transcript may have hundreds of megabytes. The index takes about 700 bytes a line, so a long one
is delivered in sections; the second pass (`messages`) reads one message at a time from the spans
that are noted here.
"""

from __future__ import annotations

from dataclasses import field

from opensync_hooks.agents.claude_code import line_types
from opensync_hooks.agents.claude_code.lines import Span
from opensync_hooks.agents.claude_code.thread import Thread
from opensync_hooks.agents.json_access import get_dict, get_str
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json


@dataclass(slots=True)
class TranscriptIndex:
    """All threads of one file, and what its bookkeeping lines say about the session."""

    main: Thread = field(default_factory=Thread)
    sidechains: dict[str, Thread] = field(default_factory=dict)
    custom_title: str | None = None
    ai_title: str | None = None
    relocated_cwd: str | None = None
    worktrees: dict[str, str] = field(default_factory=dict)
    """The folder that each git worktree was made from."""
    session_id: str | None = None
    """From the first line; in a subagent's file, the id of the session that it belongs to."""
    _summaries: dict[str, str] = field(default_factory=dict)
    """By the last line of the conversation that they sum up, perhaps another session's."""
    _sidechain_of: dict[str, str] = field(default_factory=dict)

    def add(self, span: Span, line: Json, *, is_subagent_file: bool) -> None:
        """Add a line. In a subagent's own file, its sidechain is the main thread."""
        line_type = line_types.line_type(line)
        self.session_id = self.session_id or get_str(line, "sessionId")
        if line_type is None:
            self._note_bookkeeping(span, line)
        elif line.get("isSidechain") and not is_subagent_file:
            self._sidechain(line).add(span, line, line_type)
        else:
            self.main.add(span, line, line_type)

    @property
    def title(self) -> str:
        summaries = (text for leaf, text in self._summaries.items() if leaf in self.main)
        summary = next(summaries, None)
        prompt = self.main.first_prompt or self.main.first_queued
        return self.custom_title or self.ai_title or summary or prompt

    @property
    def has_summaries(self) -> bool:
        return bool(self._summaries)

    def _note_bookkeeping(self, span: Span, line: Json) -> None:
        match line.get("type"):
            case "custom-title":
                self.custom_title = get_str(line, "customTitle") or self.custom_title
            case "ai-title":
                self.ai_title = get_str(line, "aiTitle") or self.ai_title
            case "summary":
                self._summaries[get_str(line, "leafUuid") or ""] = get_str(line, "summary") or ""
            case "relocated":
                self.relocated_cwd = get_str(line, "relocatedCwd") or self.relocated_cwd
            case "worktree-state":
                worktree = get_dict(line, "worktreeSession")
                if path := get_str(worktree, "worktreePath"):
                    self.worktrees[path] = get_str(worktree, "originalCwd") or path
            case "cost-state" if get_str(line, "sessionId") in (None, self.session_id):
                self.main.add_cost_state(line)
            case "queue-operation":
                self.main.add_queue_operation(span, line)

    def _sidechain(self, line: Json) -> Thread:
        """Return the subagent's thread: until 2.0, subagents wrote into their session's file."""
        response_id, parent = get_str(line, "message", "id"), get_str(line, "parentUuid")
        earlier = (self._sidechain_of.get(key or "") for key in (parent, response_id))
        root = get_str(line, "agentId") or next(filter(None, earlier), line["uuid"])
        self._sidechain_of.update((key, root) for key in (response_id, line["uuid"]) if key)
        return self.sidechains.setdefault(root, Thread())
