"""Counts a session of Cursor in the richest of its copies, without the reader.

The editor's database goes before the command line's chats, and these before transcripts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.census import Census, Tally
from opensync_hooks.agents.cursor import census_databases
from opensync_hooks.agents.cursor.census_databases import SessionCopy
from opensync_hooks.agents.cursor.census_places import Places, file_name
from opensync_hooks.agents.description import HookFactsLookup
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.errors import SourceError
from opensync_hooks.model import HookFacts

_LOGIN = frozenset({"ItemTable"})
_MAX_FAMILY = 1_000


def take_census(
    session_id: str,
    path: Path,
    environ: Mapping[str, str],
    home: str,
    hook_facts: HookFactsLookup = lambda _: HookFacts(),
) -> Iterator[Census]:
    """Yield the census of a session, then those of its subagents. Raises SourceError.

    `hook_facts`: what hooks have reported about a session, above all the tokens of its turns.
    """
    places = Places.from_environ(environ, home)
    family, tallies = [session_id], {}
    for name in family:
        facts = hook_facts(name)
        transcripts = [_transcript(file) for file in places.transcripts_of(name, facts.cwd)]
        copies = [*_in_databases(places, name, path, facts.cwd), *transcripts]
        if name == session_id and not places.contain(path):
            copies, transcripts = _copies_elsewhere(path), []
        if copies:
            best = next((copy for copy in copies if copy.steps.has_content), copies[0])
            if best.may_lack_beginning and transcripts:
                _restore(best.steps.tally, transcripts[0].steps.tally)
            tallies[name] = _with_tokens(best, facts)
        children = dict.fromkeys(child for copy in copies for child in copy.children)
        listed = {file_name(child) for child in children}
        unlisted = (child for child in places.subagents_of(name) if child not in listed)
        fresh = [child for child in (*children, *unlisted) if child not in family]
        family += fresh[: _MAX_FAMILY - len(family)]
    for name, tally in tallies.items():
        yield tally.census(name, len(tallies) - 1 if name == session_id else 0)


def _in_databases(
    places: Places, session_id: str, located: Path, cwd: str | None
) -> Iterator[SessionCopy]:
    """Yield the copies in databases, the richest first; a broken file must not hide the others."""
    window = [located] if "workspaceStorage" in located.parts else []
    for path in (*places.databases, *window, *places.chats_of(session_id, cwd)):
        try:
            yield from _read_database(path, session_id)
        except SourceError:
            if path == located:
                raise


def _read_database(path: Path, session_id: str) -> list[SessionCopy]:
    if path.name == "store.db":
        return sqlite_snapshot.read(path, census_databases.count_chat)
    if "workspaceStorage" in path.parts:
        return sqlite_snapshot.read(path, lambda db: census_databases.count_window(db, session_id))
    return sqlite_snapshot.read(
        path, lambda db: census_databases.count_editor(db, session_id), forbidden=_LOGIN
    )


def _copies_elsewhere(path: Path) -> list[SessionCopy]:
    """Return the only copy of a session that was named by a file outside of Cursor's folders."""
    if not path.exists():
        return []
    is_database = path.suffix in (".db", ".vscdb")
    return _read_database(path, path.parent.name) if is_database else [_transcript(path)]


def _transcript(path: Path) -> SessionCopy:
    copy = SessionCopy()
    with open_regular(path) as file:
        copy.steps.add_transcript(file.read(), path.suffix)
    return copy


def _restore(tally: Tally, transcript: Tally) -> None:
    """Add what only the transcript still has of a session that was summarized."""
    for unit in ("utterances", "responses", "tool_calls"):
        fewest = transcript.sure[unit]
        missing = fewest - tally.sure[unit] if unit == "utterances" else 0
        tally.add(unit, max(0, missing))
        tally.add(unit, fewest + transcript.optional[unit] - max(0, missing), is_sure=False)


def _with_tokens(copy: SessionCopy, facts: HookFacts) -> Tally:
    """Add the tokens: a hook's count of a turn goes before what the steps of the turn count."""
    tally = copy.steps.tally
    tally.agent_version = facts.agent_version or copy.version
    reported = {turn.id: turn.usage for turn in facts.turns}
    for usage in reported.values():
        tally.add("prompt_tokens", usage.prompt_tokens)
        tally.add("completion_tokens", usage.completion_tokens)
    for turn_id, counts in copy.steps.tokens.items():
        if turn_id not in reported:
            tally.add("prompt_tokens", counts["read"])
            tally.add("completion_tokens", counts["written"])
    return tally
