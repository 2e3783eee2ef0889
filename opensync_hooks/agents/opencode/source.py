"""OpenCode: sessions in a SQLite file, or in the trees of JSON files of its older versions.

Years of use leave several generations side by side in one folder. Of one id the newest counts, and
a child is looked for where its parent lies.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from opensync_hooks.agents.opencode import exports, locations
from opensync_hooks.agents.opencode.layouts import Layout, Mark, Pulse, digest, families
from opensync_hooks.agents.opencode.sessions import AGENT, session
from opensync_hooks.agents.safe_open import is_file
from opensync_hooks.agents.source import Located
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Session, Trigger

_SESSION_ID = re.compile(r"ses[A-Za-z0-9_-]{1,125}")
QUIET_S = 0.5
"""After an abort OpenCode says twice that it is idle, 100 ms apart, and writes in between."""


class OpenCodeSource:
    agent = AGENT

    def __init__(
        self, layouts: Callable[[], list[Layout]], *, now: Callable[[], float] = time.time
    ) -> None:
        self._layouts = layouts
        self._now = now

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], home: str) -> OpenCodeSource:
        return cls(lambda: locations.layouts(environ, home))

    def trigger(self, payload: Mapping[str, Any]) -> Trigger | None:
        session_id = payload.get("session_id")
        if not isinstance(session_id, str) or not _SESSION_ID.fullmatch(session_id):
            return None
        event = payload.get("hook_event_name")
        return Trigger(self.agent, session_id, event if isinstance(event, str) else "")

    def find(self, wanted: str) -> Located | None:
        path = Path(wanted)
        if path.suffix == ".json" and is_file(path):
            return self._in_file(path)
        if not _SESSION_ID.fullmatch(wanted):
            return None
        layout, family = self._family(wanted)
        return _located(family) if layout else None

    def _in_file(self, path: Path) -> Located | None:
        """An exported session; or one of the tree, by the file that its head is in."""
        mark = exports.mark(path)
        if mark:
            return _located([mark])
        layout, family = self._family(path.stem) if _SESSION_ID.fullmatch(path.stem) else (None, [])
        ours = layout and family[0].path.resolve() == path.resolve()
        return _located(family) if ours else None

    def locate(self, trigger: Trigger) -> Located | None:
        return self.find(trigger.session_id)

    def sessions(self) -> Iterable[Located]:
        """Those that no other one started. A file that cannot be read now stands for its sessions:

        to read it names the reason.
        """
        seen: set[str] = set()
        found: list[Located] = []
        for layout in self._layouts():
            try:
                marks = list(layout.marks(seen))
            except SourceError:
                found.append(Located(layout.path.name, layout.path, _touched(layout.path), ""))
                continue
            found += (_located(family) for family in families(marks))
            seen.update(mark.session_id for mark in marks)
        return sorted(found, key=lambda one: one.changed_at, reverse=True)

    def settled(self, trigger: Trigger) -> bool:
        """Whether the last message is complete, and nothing has been written for a moment.

        Waits that moment out: what OpenCode adds when it is idle comes within it.
        """
        try:
            before = self._state(trigger.session_id)
            pulse, located = before
            if pulse is None or located is None or not pulse.is_final:
                return pulse is None
            rest = max(pulse.at, located.changed_at) / 1000 + QUIET_S - self._now()
            if rest <= 0:
                return True
            time.sleep(min(rest, QUIET_S))
            return self._state(trigger.session_id) == before
        except SourceError:
            return False

    def read(self, located: Located) -> Iterator[Session]:
        layout, family = self._family(located.session_id)
        if layout is None and exports.mark(located.path):
            yield session(exports.record(located.path))
        elif layout is None:
            raise SourceError(f"{located.path}: {located.session_id} is no longer there.")
        else:
            for record in layout.records([mark.session_id for mark in family]):
                yield session(record)

    def _family(self, session_id: str) -> tuple[Layout | None, list[Mark]]:
        """Where the session lies, and what lies there of it and of all that it started."""
        newer: list[Layout] = []
        for layout in self._layouts():
            family = layout.family(session_id)
            if family:
                rest = (one for one in family[1:] if not _is_in(newer, one.session_id))
                return layout, [family[0], *rest]
            newer.append(layout)
        return None, []

    def _state(self, session_id: str) -> tuple[Pulse | None, Located | None]:
        layout, family = self._family(session_id)
        return (layout.pulse(session_id), _located(family)) if layout else (None, None)


def _touched(path: Path) -> int:
    """In ms: what cannot be read has to be named also to who asks for the newest."""
    try:
        return int(path.stat().st_mtime * 1000)
    except OSError:
        return 0


def _is_in(layouts: list[Layout], session_id: str) -> bool:
    return any(layout.family(session_id) for layout in layouts)


def _located(family: list[Mark]) -> Located:
    digests = sorted((mark.session_id, mark.digest) for mark in family)
    return Located(
        session_id=family[0].session_id,
        path=family[0].path,
        changed_at=max(mark.changed_at for mark in family),
        fingerprint=digest(digests),
    )
