"""OpenCode's sessions, in a SQLite file or in the JSON files of its older versions.

Years of use leave several copies of a session side by side in one folder; `copies.py` chooses.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from opensync_hooks.agents.description import HookFactsLookup
from opensync_hooks.agents.json_access import get_str
from opensync_hooks.agents.opencode import OPENCODE, exports, locations
from opensync_hooks.agents.opencode.checkpoints import read_rows
from opensync_hooks.agents.opencode.copies import CopyFinder
from opensync_hooks.agents.opencode.layouts import (
    SessionStamp,
    StorageLayout,
    TailState,
    families,
    fingerprint,
)
from opensync_hooks.agents.opencode.product import Product
from opensync_hooks.agents.opencode.session_rows import SessionRows
from opensync_hooks.agents.opencode.sessions import read_session
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.agents.source import Located, SavedCheckpoint, StorageRemark
from opensync_hooks.errors import SourceError
from opensync_hooks.model import HookEvent, HookFacts, Json, Session, Trigger

_SESSION_ID = re.compile(r"ses[A-Za-z0-9_-]{1,125}")
_BEGIN_EVENT = "turn.begin"
"""The plugin's own name for the first event of a turn."""
_UNFINISHED_MS = 3_600_000
"""A turn in which nothing was written for so long has been killed."""
QUIET_S = 0.5
"""After an abort OpenCode reports twice, 100 ms apart, that it is idle, and writes in between."""


class OpenCodeSource:
    """The sessions of OpenCode, or of a fork of it."""

    def __init__(
        self,
        layouts: Callable[[], list[StorageLayout]],
        product: Product = OPENCODE,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.agent = product.description.name
        self._product = product
        self._layouts = layouts
        self._now = now

    def parse_event(self, payload: Json) -> HookEvent | None:
        session_id = get_str(payload, "session_id")
        if session_id is None or not _SESSION_ID.fullmatch(session_id):
            return None
        event = get_str(payload, "hook_event_name") or ""
        return HookEvent(Trigger(self.agent, session_id, event, is_begin=event == _BEGIN_EVENT))

    def find(self, id_or_path: str) -> Located | None:
        path = Path(id_or_path)
        if path.suffix == ".json" and is_file(path):
            return self._find_file(path)
        family = self._family(id_or_path) if _SESSION_ID.fullmatch(id_or_path) else []
        return _located(family) if family else None

    def _find_file(self, path: Path) -> Located | None:
        """Find an exported session, or one of a JSON tree by the file of the session itself."""
        stamp = exports.stamp_of(path)
        if stamp:
            return _located([stamp])
        family = self._family(path.stem) if _SESSION_ID.fullmatch(path.stem) else []
        is_in_tree = bool(family) and family[0].path.resolve() == path.resolve()
        return _located(family) if is_in_tree else None

    def locate(self, trigger: Trigger) -> Located | None:
        return self.find(trigger.session_id)

    def sessions(self) -> Iterable[Located]:
        """Return the sessions that are not children of others, newest first.

        A file that cannot be read now is listed in place of its sessions; `read` raises the reason.
        """
        finder = CopyFinder(self._layouts())
        stamps = [copied.stamp for copied in finder.sessions()]
        located = [*map(_located, families(stamps)), *map(_unreadable, finder.failures)]
        return sorted(located, key=lambda session: session.changed_at, reverse=True)

    def is_settled(self, trigger: Trigger) -> bool:
        """Whether the last message is complete, and nothing has been written for a moment.

        Waits for the rest of that moment: what OpenCode adds when it is idle comes within it.
        """
        try:
            before = self._state(trigger.session_id)
            tail, located = before
            if tail is None or located is None or not tail.is_final:
                return tail is None
            rest = max(tail.changed_at, located.changed_at) / 1000 + QUIET_S - self._now()
            if rest <= 0:
                return True
            time.sleep(min(rest, QUIET_S))
            return self._state(trigger.session_id) == before
        except SourceError:
            return False

    def read(self, located: Located) -> Iterator[Session]:
        return self.resume(located, lambda _: None, lambda *_: True)

    def resume(
        self,
        located: Located,
        checkpoint_of: Callable[[str], SavedCheckpoint | None],
        is_due: Callable[[str, str], bool],  # noqa: ARG002 - each session costs a few queries
        *,
        divides: bool = False,  # noqa: ARG002 - all rows of a session are taken out at once
    ) -> Iterator[Session]:
        finder = CopyFinder(self._layouts())
        family = finder.family(located.session_id)
        if family:
            for copied, decode in finder.load(family):
                if isinstance(decode, SessionRows) and not finder.unread:
                    saved = checkpoint_of(copied.stamp.session_id)
                    session = read_rows(decode, self._product, saved)
                else:
                    session = read_session(decode(), self._product)
                is_partial = self._is_in_mid_turn(session, copied.layouts[0])
                unread = finder.unread
                copies = tuple(str(layout.path) for layout in copied.layouts)
                yield replace(
                    session,
                    is_partial=is_partial,
                    unread_copy=unread,
                    origin="\n".join(copies),
                    read_copies=copies,
                )
        elif exports.stamp_of(located.path):
            session = read_session(exports.load_file(located.path), self._product)
            yield replace(session, stored_ids=None)
        else:
            list(finder.sessions())  # an unreadable file is listed in place of its sessions
            missing = SourceError(f"{located.path}: {located.session_id} is no longer there.")
            raise finder.failures.get(located.path, missing)

    def _is_in_mid_turn(self, session: Session, layout: StorageLayout) -> bool:
        if self._now() * 1000 - (session.updated_at or 0) > _UNFINISHED_MS:
            return False
        tail = layout.tail(session.id)
        return tail is not None and not tail.is_final

    def _family(self, session_id: str) -> list[SessionStamp]:
        """Return the stamps of the session and of its descendants."""
        return [copied.stamp for copied in CopyFinder(self._layouts()).family(session_id)]

    def _state(self, session_id: str) -> tuple[TailState | None, Located | None]:
        family = CopyFinder(self._layouts()).family(session_id)
        if not family:
            return None, None
        located = _located([copied.stamp for copied in family])
        return family[0].layouts[0].tail(session_id), located

    def remarks(self) -> Iterable[StorageRemark]:
        from opensync_hooks.agents.opencode.inspection import storage_remarks  # noqa: PLC0415

        return storage_remarks(CopyFinder(self._layouts()))


def _located(family: list[SessionStamp]) -> Located:
    fingerprints = sorted((stamp.session_id, stamp.fingerprint) for stamp in family)
    return Located(
        session_id=family[0].session_id,
        path=family[0].path,
        changed_at=max(stamp.changed_at for stamp in family),
        fingerprint=fingerprint(fingerprints),
    )


def _unreadable(path: Path) -> Located:
    """List a file in place of its sessions, with its time, so that it is among the newest."""
    try:
        changed_at = int(path.stat().st_mtime * 1000)
    except OSError:
        changed_at = 0
    return Located(path.name, path, changed_at, "")


def open_source(
    environ: Mapping[str, str],
    home: str,
    _hook_facts: HookFactsLookup = lambda _: HookFacts(),
    product: Product = OPENCODE,
) -> OpenCodeSource:
    return OpenCodeSource(lambda: locations.layouts(environ, home, product), product)
