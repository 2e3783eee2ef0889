"""What every reading target shares: a session goes the whole way that the worker would send it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from opensync_hooks.agents.source import Source
from opensync_hooks.config import Config, Folders
from opensync_hooks.delivery.costs import Costs
from opensync_hooks.delivery.diff import diff
from opensync_hooks.delivery.limits import Limits
from opensync_hooks.delivery.redact import redact
from opensync_hooks.delivery.send import send
from opensync_hooks.delivery.split import SessionPart
from opensync_hooks.destinations.protocol import BatchReply
from opensync_hooks.destinations.store import validation
from opensync_hooks.errors import RejectedError, SourceError
from opensync_hooks.ledger.session_record import MessageRecord, RemoteSession
from opensync_hooks.model import Json, Session, Usage
from opensync_hooks.pricing.cost import price
from opensync_hooks.pricing.table import bundled_table

_AT_HOME = tuple(
    os.path.realpath(folder)
    for folder in (sys.prefix, sys.base_prefix, Path(__file__).parents[2], "/usr/share", os.devnull)
)


class Sink:
    """A destination that refuses what OpenSync refuses, and takes a refusal for a bug of ours."""

    name = "sink"
    is_on_own_disk = True
    keeps_extra = True
    messages_per_transaction = 10

    def transaction(self) -> AbstractContextManager[object]:
        return nullcontext()

    def put_session(self, body: Json, extra: Json) -> str:
        json.dumps(extra, allow_nan=False)
        try:
            row = validation.session(json.loads(json.dumps(body, allow_nan=False)))
            validation.check_session_row(row)
        except RejectedError as error:
            raise AssertionError(f"a session that the server refuses: {error}") from error
        return "j" * 32

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> str:  # noqa: ARG002
        json.dumps(extra, allow_nan=False)
        try:
            row = validation.message(json.loads(json.dumps(body, allow_nan=False)))
            validation.check_message_rows(row, row.get("parts", ()))
        except RejectedError as error:
            raise AssertionError(f"a message that the server refuses: {error}") from error
        return "k" * 32

    def newest(self, limit: int) -> list[Json]:  # noqa: ARG002
        return []

    def lacks(self, external_id: str) -> bool:  # noqa: ARG002
        return True

    def fetch(self, external_id: str, remote_id: str | None) -> Json | None:  # noqa: ARG002
        return None

    def put_batch(self, body: Json) -> BatchReply:
        return BatchReply(len(body.get("sessions", ())), 0)


@dataclass(frozen=True, slots=True)
class ForgetfulRecord:
    """A session record that remembers nothing."""

    session_id: str

    def remote_session(self) -> RemoteSession | None:
        return None

    def set_remote_id(self, remote_id: str) -> None: ...

    def origin(self) -> str | None:
        return None

    def set_origin(self, origin: str) -> None: ...

    def confirm_session(self, *_: object) -> None: ...

    def message(self, message_id: str) -> MessageRecord | None: ...

    def set_messages(self, *_: object) -> None: ...

    def removed(self) -> None:
        return None

    def set_totals(self, *_: object) -> None: ...


def deliver(session: Session, folder: Path) -> None:
    """All that the worker does with a session, but for the network and the disk."""
    record: Any = ForgetfulRecord(session.id)
    config = Config(Folders(folder, folder, folder), thinking=True)
    priced = price(redact(session, config), bundled_table())
    usage = sum((charge.usage for charge in priced.charges), Usage())
    costs = Costs(usage, charge_ids=frozenset(charge.id for charge in priced.charges))
    changes = diff(SessionPart(priced), costs, record, keeps_extra=True, resends=False)
    send(changes, Sink(), Limits())


def read_all(source: Source, folder: Path) -> int:
    """Every session that is found, read and delivered; how many. SourceErrors are foreseen."""
    count = 0
    try:
        locations = list(source.sessions())
    except SourceError:
        return 0
    for located in locations:
        with suppress(SourceError):
            source.find(located.session_id)
        for session in _foreseen(source.read(located)):
            count += 1
            try:
                deliver(session, folder)
            except SourceError:
                continue
    return count


def _foreseen(values: Iterable[Any]) -> Iterator[Any]:
    try:
        yield from values
    except SourceError:
        return


@contextmanager
def staying_inside(*folders: Path) -> Iterator[None]:
    """Raises AssertionError at the end if a file outside of them was opened meanwhile."""
    _watch.opened.clear()
    _watch.folders = tuple(os.path.realpath(folder) for folder in folders)
    try:
        yield
    finally:
        _watch.folders = ()
    assert not _watch.opened, f"opened outside: {sorted(_watch.opened)[:5]}"


class _Watch:
    def __init__(self) -> None:
        self.folders: tuple[str, ...] = ()
        self.opened: set[str] = set()
        self._is_on = False

    def start(self) -> None:
        """Audit hooks cannot be taken away again: there is one for the whole process."""
        if not self._is_on:
            self._is_on = True
            sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.folders or event not in ("open", "sqlite3.connect"):
            return
        folders, self.folders = self.folders, ()  # what is looked at here is not looked at again
        raw = arguments[0]
        if isinstance(raw, str | bytes):
            path = unquote(os.fsdecode(raw).removeprefix("file://").partition("?")[0])
            path = path if event != "open" else os.fsdecode(raw)
            follows = event != "open" or not (arguments[2] or 0) & os.O_NOFOLLOW
            real = os.path.realpath(path if follows else os.path.dirname(path))  # noqa: PTH120
            if not _is_below(real, folders) and not _is_below(real, _AT_HOME):
                self.opened.add(f"{path} = {real}")
        self.folders = folders


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


_watch = _Watch()
_watch.start()
