"""Finds and counts Claude Code's transcripts, without the reader.

<projects>/<project>/<session>.jsonl                           one JSON object on each line
<projects>/<project>/<session>/subagents/**/agent-<id>.jsonl   the subagents, at any depth

A session may have files in several projects, whose lines are united.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opensync_hooks.agents.census import Census
from opensync_hooks.agents.claude_code.census_lines import ConversationCount
from opensync_hooks.agents.description import HookFactsLookup
from opensync_hooks.agents.safe_open import files_within, open_regular
from opensync_hooks.model import HookFacts, Json

_PADDING = "\0\r\n\t "
_DECODER = json.JSONDecoder()


def take_census(
    session_id: str,
    path: Path,
    _environ: Mapping[str, str],
    _home: str,
    _hook_facts: HookFactsLookup = lambda _: HookFacts(),
) -> Iterator[Census]:
    """Yield the census of a session, then those of its subagents. Raises SourceError."""
    projects = path.parent.parent
    copies = [path] if path.exists() else []
    if projects.name == "projects":
        copies = files_within(projects, projects, f"*/{glob.escape(path.name)}")
    main = ConversationCount(is_subagent=session_id.startswith("agent-"))
    for copy in copies:
        for line in _lines(copy):
            main.add(line)
    for folder in [copy.with_suffix("") / "subagents" for copy in copies or [path]]:
        for file in files_within(folder.parent.parent, folder, "**/agent-*.jsonl"):
            subagent = main.subagents.setdefault(file.stem, ConversationCount(is_subagent=True))
            for line in _lines(file):
                subagent.add(line)
    if copies:
        yield main.finish().census(session_id, len(main.subagents))
    for name, subagent in main.subagents.items():
        yield subagent.finish().census(f"{session_id}:{name}")


def _lines(path: Path) -> Iterator[Json | None]:
    """Yield the objects in a file, and None for each damaged one.

    A crash leaves null bytes before a line, two objects on one line, or half of one before another.
    """
    with open_regular(path) as file:
        for raw in file:
            text = raw.decode("utf-8-sig", "replace").strip(_PADDING)
            while text:
                value, text = _first_object(text)
                yield value


def _first_object(text: str) -> tuple[Json | None, str]:
    """Return the object at the beginning of a text, and what follows it."""
    try:
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None, _next_record(text)
    return value if isinstance(value, dict) else None, text[end:].strip(_PADDING)


def _next_record(text: str) -> str:
    """Return the intact record that was written behind half of another; empty without one."""
    for match in re.finditer(r'\{"', text):
        try:
            value, _ = _DECODER.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if "type" in value and "sessionId" in value:
            return text[match.start() :]
    return ""
