"""Copies of sessions that could not be delivered, for when their agent deletes them first.

    <agent>-<hash>.json.gz   a line that says whose copy it is, then a line for the session and for
                             each subagent, each followed by a line for every message

Claude Code deletes after 30 days. A copy holds what was permitted to leave when it was made, so no
secret of a known format; it is private, bounded together with all others, and gone once delivered.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from opensync_hooks import model
from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Charge, Message, Session, Trigger, Usage
from opensync_hooks.privacy.cleaning import clean_message, clean_session
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.files import (
    ensure_private_folder,
    open_regular_file,
    session_file_stem,
    sync_folder,
)
from opensync_hooks.system.log import Log

MOST_BYTES = 64 << 20
MOST_SECONDS = 30 * 86_400
FRESH_SECONDS = 86_400
"""A copy that is younger is not made again, though the session has grown since."""
_SUFFIX = ".json.gz"
_DAMAGED = (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, zlib.error)


@dataclass(frozen=True, slots=True)
class SessionBackups:
    """All copies, of any agent. Methods raise OSError where the disk does."""

    folder: Path

    @classmethod
    def from_config(cls, config: Config) -> SessionBackups:
        return cls(config.folders.state / "keepsakes")

    def is_due(self, source: Source, located: Located) -> bool:
        """Whether the session has no copy yet, or an old one that it has outgrown."""
        path = self._path(source.agent, located.session_id)
        try:
            age = time.time() - path.stat().st_mtime
        except FileNotFoundError:
            return True
        return age > FRESH_SECONDS and _head(path).get("fingerprint") != located.fingerprint

    def keep(self, source: Source, located: Located, config: Config) -> bool:
        """Copy the session as it is now; whether there was anything to copy. Raises SourceError."""
        path = self._path(source.agent, located.session_id)
        ensure_private_folder(self.folder)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as file:
            made = Path(file.name)
            try:
                with gzip.open(file, "wb") as packed:
                    packed.write(_line(_about(source, located, config)))
                    empty = True
                    for line in _lines(source, located, config):
                        packed.write(line)
                        empty = False
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                made.unlink()
                raise
        if empty:
            made.unlink()
            return False
        made.replace(path)
        sync_folder(self.folder)  # it may be all that is left of the session when it is needed
        return True

    def find(self, agent: str, session_id: str) -> tuple[Source, Located] | None:
        """The copy as a source, to be read like the agent's own."""
        path = self._path(agent, session_id)
        head = _head(path)
        if head.get("session_id") != session_id:
            return None
        # A mark of its own: the session is not taken for delivered if the agent's comes back.
        located = Located(session_id, path, 0, f"copy {path.name}")
        copies: Source = _Copies(agent)
        return copies, located

    def settings(self, config: Config, agent: str, session_id: str) -> Config:
        """What may leave of the copy: of contents that were withheld before, the notes are left."""
        is_withheld = _head(self._path(agent, session_id)).get("withheld") is True
        return replace(config, file_contents=True) if is_withheld else config

    def drop(self, agent: str, session_id: str) -> None:
        self._path(agent, session_id).unlink(missing_ok=True)

    def tidy(self) -> list[tuple[str, str]]:
        """Drop what is too old, then the oldest, until the rest has room; agent and id of each."""
        for at, _, made in _about_each(self.folder.glob(".*")):
            if time.time() - at > FRESH_SECONDS:  # of a worker that was killed
                made.unlink(missing_ok=True)
        dropped, total = [], 0
        for at, size, path in sorted(_about_each(self.folder.glob(f"*{_SUFFIX}")), reverse=True):
            total += size
            if total > MOST_BYTES or time.time() - at > MOST_SECONDS:
                head = _head(path)
                dropped.append((str(head.get("agent", "")), str(head.get("session_id", ""))))
                path.unlink(missing_ok=True)
        return dropped

    def _path(self, agent: str, session_id: str) -> Path:
        return self.folder / (session_file_stem(agent, session_id) + _SUFFIX)


def _about_each(paths: Iterable[Path]) -> Iterator[tuple[float, int, Path]]:
    """Time and size of those that no command takes away at this moment."""
    for path in paths:
        with suppress(FileNotFoundError):
            about = path.lstat()
            yield about.st_mtime, about.st_size, path


@dataclass(slots=True)
class _Copies:
    """Reads a copy, and knows of no other session."""

    agent: str

    def parse_event(self, _payload: object) -> None:
        return None

    def find(self, _id_or_path: str) -> Located | None:
        return None

    def locate(self, _trigger: Trigger) -> Located | None:
        return None

    def sessions(self) -> Iterable[Located]:
        return ()

    def is_settled(self, _trigger: Trigger) -> bool:
        return True

    def read(self, located: Located) -> Iterator[Session]:
        """The session, then its subagents. Raises SourceError."""
        try:
            for number, value in enumerate(_values(located.path)):
                if "session" in value:
                    yield _session(value["session"], _Messages(located.path, number))
        except _DAMAGED as error:
            raise SourceError(f"{located.path}: is damaged ({type(error).__name__}).") from None


@dataclass(frozen=True, slots=True)
class _Messages:
    """Those that follow the session's own line."""

    path: Path
    after: int

    def __iter__(self) -> Iterator[Message]:
        try:
            for number, value in enumerate(_values(self.path)):
                if number > self.after:
                    if "message" not in value:
                        return
                    yield _message(value["message"])
        except _DAMAGED as error:
            raise SourceError(f"{self.path}: is damaged ({type(error).__name__}).") from None


def _lines(source: Source, located: Located, config: Config) -> Iterator[bytes]:
    exclusions = Exclusions.from_config(config)
    if exclusions.private(source.agent, located.session_id):
        return
    for session in source.read(located):
        if exclusions.reason(source.agent, session.id, session.project_path):
            continue
        whole = asdict(replace(clean_session(session, config), messages=()))
        yield _line({"session": whole})
        for message in session.messages:
            kept = clean_message(message, config)
            parts = [{"is": type(part).__name__, **asdict(part)} for part in kept.parts]
            yield _line({"message": {**asdict(replace(kept, parts=())), "parts": parts}})


def _about(source: Source, located: Located, config: Config) -> dict[str, Any]:
    return {
        "agent": source.agent,
        "session_id": located.session_id,
        "fingerprint": located.fingerprint,
        "withheld": not config.file_contents,
    }


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _head(path: Path) -> dict[str, Any]:
    try:
        return next(_values(path))
    except (*_DAMAGED, StopIteration):
        return {}


def _values(path: Path) -> Iterator[dict[str, Any]]:
    with open_regular_file(path) as file, gzip.open(file, "rb") as packed:
        for line in packed:
            yield json.loads(line)


def _session(value: dict[str, Any], messages: Iterable[Message]) -> Session:
    charges = tuple(_charge(one) for one in value["charges"])
    return Session(**{**_known(Session, value), "charges": charges, "messages": messages})


def _message(value: dict[str, Any]) -> Message:
    parts = tuple(_part(dict(one)) for one in value["parts"])
    charge = _charge(value["charge"]) if value["charge"] else None
    aliases = tuple(value["aliases"])
    known = _known(Message, value)
    return Message(**{**known, "parts": parts, "charge": charge, "aliases": aliases})


def _part(value: dict[str, Any]) -> model.Part:
    kinds = (model.Text, model.Reasoning, model.ToolCall, model.ToolResult, model.Attachment)
    kind = {one.__name__: one for one in kinds}[value.pop("is")]
    return kind(**_known(kind, value))


def _charge(value: dict[str, Any]) -> Charge:
    usage = Usage(**_known(Usage, value["usage"]))
    return Charge(**{**_known(Charge, value), "usage": usage})


def _known(kind: type, value: dict[str, Any]) -> dict[str, Any]:
    names = {one.name for one in fields(kind)}
    return {name: one for name, one in value.items() if name in names}


def back_up_queue(spool: Spool, ledger: Ledger, config: Config, log: Log, end: float) -> None:
    """Until that time of the monotonic clock. Raises OSError, and what the ledger raises."""
    backups = SessionBackups.from_config(config)
    for job in (*spool.jobs(), *spool.quarantined()):
        if time.monotonic() >= end:
            break
        with suppress(SourceError):  # it cannot be read now: the next worker tries again
            if _back_up(job, backups, config):
                log.write("copied", agent=job.trigger.agent, session=job.trigger.session_id)
    for agent, session_id in backups.tidy():
        SessionRecord(ledger, config.destination, agent, session_id).note_dropped_copy()
        log.write("copy-dropped", agent=agent, session=session_id)


def _back_up(job: Job, backups: SessionBackups, config: Config) -> bool:
    """Whether a copy was made. Raises SourceError."""
    source = registry.source(job.trigger.agent, job.surroundings(os.environ))
    located = source.locate(job.trigger) if source else None
    if source is None or located is None or not backups.is_due(source, located):
        return False
    return backups.keep(source, located, config)
