"""The file of one backup: a session and its subagents as gzipped lines of JSON.

{"agent": …, "session_id": …, "fingerprint": …, "withheld": …}
{"session": …}     then its messages; the same for each subagent
{"message": …}
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.exclude import exclude, with_folders
from opensync_hooks.errors import SourceError
from opensync_hooks.model import (
    SKIPPED_KINDS,
    AgentTotal,
    Attachment,
    Charge,
    Message,
    Reasoning,
    Session,
    Skipped,
    Text,
    ToolCall,
    ToolResult,
    Trigger,
    Usage,
)
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.system.files import open_regular_file

_ValueT = TypeVar("_ValueT")
_PART_TYPES = {kind.__name__: kind for kind in (Text, Reasoning, ToolCall, ToolResult, Attachment)}
_DAMAGE = (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, zlib.error)


def write(file: IO[bytes], source: Source, located: Located, config: Config) -> bool:
    """Write what may leave of the session; return whether that is anything. Raises SourceError."""
    # Whoever only lists backups does not wait for the rules of the redaction.
    from opensync_hooks.privacy.cleaning import clean_message, clean_session  # noqa: PLC0415

    header = {
        "agent": source.agent,
        "session_id": located.session_id,
        "fingerprint": located.fingerprint,
        "withheld": not config.file_contents,
    }
    exclusions = Exclusions.from_config(config)
    if exclusions.private_reason(source.agent, located.session_id):
        return False
    is_empty = True
    with gzip.open(file, "wb") as compressed:
        compressed.write(_line(header))
        for session in with_folders(source.read(located)):
            if exclude(session, source, exclusions, is_delivered=False):
                if session.id == located.session_id:
                    return False  # its subagents are excluded with it
                continue
            is_empty = False
            clean = clean_session(session, config)
            # A backup does not know what the agent deletes later, and is always read as a whole.
            clean = replace(clean, stored_ids=None, checkpoint=None, masked_before=())
            head = asdict(replace(clean, messages=(), skipped={}))
            head["skipped"] = {"/".join(key): count for key, count in session.skipped.items()}
            compressed.write(_line({"session": head}))
            for message in session.messages:
                cleaned = clean_message(message, config)
                parts = [{"is": type(part).__name__, **asdict(part)} for part in cleaned.parts]
                body = {**asdict(replace(cleaned, parts=())), "parts": parts}
                compressed.write(_line({"message": body}))
    return not is_empty


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def read_header(path: Path) -> dict[str, Any]:
    """Return the first line; nothing if the file is missing or damaged."""
    try:
        return next(_read_lines(path))
    except (*_DAMAGE, StopIteration):
        return {}


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with open_regular_file(path) as file, gzip.open(file, "rb") as compressed:
        for line in compressed:
            yield json.loads(line)


@dataclass(slots=True)
class BackupSource:
    """Reads backups like an agent's own sessions, but only those that it is given."""

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
        """Yield the session, then its subagents. Raises SourceError."""
        try:
            for number, line in enumerate(_read_lines(located.path)):
                if "session" in line:
                    yield _session(line["session"], _BackupMessages(located.path, number))
        except _DAMAGE as error:
            raise _damaged(located.path, error) from None


@dataclass(frozen=True, slots=True)
class _BackupMessages:
    """The messages after the line of their session; read from the file at each iteration."""

    path: Path
    session_line: int

    def __iter__(self) -> Iterator[Message]:
        try:
            for number, line in enumerate(_read_lines(self.path)):
                if number > self.session_line:
                    if "message" not in line:
                        return
                    yield _message(line["message"])
        except _DAMAGE as error:
            raise _damaged(self.path, error) from None


def _damaged(path: Path, error: Exception) -> SourceError:
    return SourceError(f"{path}: damaged ({type(error).__name__}).")


def _session(value: dict[str, Any], messages: Iterable[Message]) -> Session:
    charges = tuple(_charge(charge) for charge in value["charges"])
    folders, copies = tuple(value.get("folders", ())), tuple(value.get("read_copies", ()))
    skipped = {_skipped(key): count for key, count in value["skipped"].items()}
    totals = tuple(_create(AgentTotal, total) for total in value.get("agent_totals", ()))
    parts: dict[str, Any] = {"charges": charges, "agent_totals": totals, "folders": folders}
    parts |= {"skipped": skipped, "messages": messages, "read_copies": copies}
    return _create(Session, value, **parts)


def _skipped(key: str) -> Skipped:
    """Read `unreadable/line`; earlier versions wrote only the name."""
    kind, _, name = key.partition("/")
    return Skipped(kind, name) if kind in SKIPPED_KINDS else Skipped("unknown", key)


def _message(value: dict[str, Any]) -> Message:
    parts = tuple(_create(_PART_TYPES[part["is"]], part) for part in value["parts"])
    charge = _charge(value["charge"]) if value["charge"] else None
    return _create(Message, value, parts=parts, charge=charge, aliases=tuple(value["aliases"]))


def _charge(value: dict[str, Any]) -> Charge:
    steps = tuple(_create(Usage, usage) for usage in value.get("steps", ()))
    terms, usage = tuple(value.get("terms", ())), _create(Usage, value["usage"])
    return _create(Charge, value, usage=usage, steps=steps, terms=terms)


def _create(kind: type[_ValueT], value: dict[str, Any], **decoded: object) -> _ValueT:
    """Create a value of the model, without the fields that only a later version knows."""
    names = {field.name for field in fields(cast("Any", kind))}
    known_fields = {name: content for name, content in value.items() if name in names}
    return kind(**{**known_fields, **decoded})
