"""The ledger's page on a destination that is left alone for a while, and why."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

from opensync_hooks.config import Config
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue import backoff
from opensync_hooks.queue.backoff import Cooldown
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock


@dataclass(frozen=True, slots=True)
class CooldownRecord:
    """One destination's page. Methods raise what the ledger raises."""

    ledger: Ledger
    destination: str
    login: str
    luck: Callable[[], float] = random.random

    @classmethod
    def from_config(cls, ledger: Ledger, config: Config) -> CooldownRecord:
        """The key itself is not kept, nor anything that it could be found from."""
        known = f"{config.url}\0{config.api_key}".encode()
        return cls(ledger, config.url or "", hashlib.sha256(known).hexdigest()[:16])

    def last(self) -> Cooldown | None:
        """What was last noted, whether it still holds or not."""
        query = "SELECT cause, reason, since, until, tries, login FROM rest WHERE destination = ?"
        rows = self.ledger.rows(query, self.destination)
        return Cooldown(*rows[0]) if rows else None

    def active(self) -> Cooldown | None:
        known = self.last()
        return known if known and known.holds(clock.now(), self.login) else None

    def start(self, error: OpenSyncError) -> Cooldown | None:
        """Leave the destination alone, where that is what the error calls for."""
        rest = backoff.rest(error, self.last(), clock.now(), self.login, self.luck())
        if rest:
            self._write(rest)
        return rest

    def lift(self) -> None:
        """Have the next run try at once."""
        known = self.last()
        if known:
            self._write(known.lifted())

    def clear(self) -> None:
        """The destination has answered."""
        if self.last():
            with self.ledger.transaction() as execute:
                execute("DELETE FROM rest WHERE destination = ?", self.destination)

    def _write(self, rest: Cooldown) -> None:
        row = (rest.cause, rest.reason, rest.since, rest.until, rest.tries, rest.login)
        insert = "INSERT OR REPLACE INTO rest VALUES (?, ?, ?, ?, ?, ?, ?)"
        with self.ledger.transaction() as execute:
            execute(insert, self.destination, *row)


_CURES = {
    "unreachable": "Nothing is lost; `opensync-hooks sync` tries it now.",
    "key refused": "Run: opensync-hooks login",
    "wrong address": "Correct the URL: opensync-hooks login",
    "certificate": "Behind a company proxy, name its certificates in REQUESTS_CA_BUNDLE.",
}


def describe(rest: Cooldown) -> str:
    """What is wrong and since when, by this place's clock, why, and the next step."""
    try:
        since = f"{datetime.fromtimestamp(rest.since / 1000).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):  # a clock that was years off
        since = "an unknown time"
    why = rest.reason if rest.reason.endswith((".", "!", "?")) else f"{rest.reason}."
    return f"{rest.cause} since {since}. {why} {_CURES[rest.cause]}"


def as_json(rest: Cooldown) -> dict[str, object]:
    """Without what stands for the key."""
    return {name: value for name, value in asdict(rest).items() if name != "login"}


@contextmanager
def manual_attempt(ledger: Ledger, config: Config, spool: Spool) -> Iterator[None]:
    """What a command does is tried at once, and what comes of it is known to the hooks."""
    record = CooldownRecord.from_config(ledger, config)
    record.lift()
    try:
        yield
    except OpenSyncError as error:
        record.start(error)
        raise
    record.clear()
    ledger.set_note("last error", None)
    spool.notify()
