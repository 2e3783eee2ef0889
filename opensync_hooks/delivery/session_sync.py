"""One session end to end: a list of steps, each of which takes what the one before it returned.

    locate   agents/*/source.py           where the session is; whoever calls `sync` knows
    read     agents/*/source.py           the session, then its subagents
    exclude  delivery/exclude.py          sessions that the user keeps at home
    route    delivery/routing.py          sessions that go to another destination
    redact   delivery/redact.py           contents and secrets that stay at home
    price    pricing/cost.py              the cost of each call
    split    delivery/split.py            parts that OpenSync can open
    bill     delivery/costs.py            the calls that are the session's own
    diff     delivery/diff.py             what the destination lacks
    send     delivery/send.py             requests, each confirmed in the ledger
    mark     delivery/deletions.py        what the agent has deleted since
    confirm  ledger/session_record.py     what is missing, and that nothing is left to send

`preview` stops before `send`. To add a step, write a module and call it in its place below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from opensync_hooks import __version__
from opensync_hooks.agents.source import Located, NotResumableError, Source
from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery import routing
from opensync_hooks.delivery.deletions import mark_deletions
from opensync_hooks.delivery.diff import SessionDiff, diff
from opensync_hooks.delivery.exclude import exclude, with_folders
from opensync_hooks.delivery.limits import Limits
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.progress import SessionProgress, SyncRun
from opensync_hooks.delivery.redact import redact
from opensync_hooks.delivery.routing import route
from opensync_hooks.delivery.send import send
from opensync_hooks.delivery.session_lock import session_lock
from opensync_hooks.delivery.split import SessionPart, split
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.errors import OpenSyncError, RejectedError
from opensync_hooks.ledger import accounts, losses
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Session
from opensync_hooks.pricing.cost import price
from opensync_hooks.pricing.estimate import estimate_tokens
from opensync_hooks.pricing.in_force import price_table
from opensync_hooks.pricing.in_force import sources as price_sources
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.privacy.masking_digest import masking_digest


@dataclass(frozen=True, slots=True)
class Syncer:
    """Delivers sessions to one destination, one after the other, each under a lock of its own."""

    config: Config
    destination: ReadableDestination
    ledger: Ledger

    def _changes(
        self,
        source: Source,
        located: Located,
        run: SyncRun,
        *,
        end_reason: str | None = None,
        force: bool = False,
    ) -> Iterator[SessionDiff | SyncOutcome]:
        """Yield each part of the session and its subagents, or the outcome of what is excluded."""
        exclusions = Exclusions.from_config(self.config)
        if private := exclusions.private_reason(source.agent, located.session_id):
            yield SyncOutcome(located.session_id, excluded=private)
            return  # it is not even read
        for session in with_folders(run.read(source, located)):
            is_main = session.id == located.session_id
            existing = self._record(session.agent, session.id)
            withheld = self._withheld(
                session, source, is_main=is_main, force=force, is_preview=run.is_preview
            )
            if withheld is not None:
                yield withheld
                if is_main:
                    return  # its subagents with it
                continue
            if session.richer_origin and session.richer_origin == existing.origin():
                yield self._kept(session, existing, is_preview=run.is_preview)
                continue
            ended = replace(session, end_reason=end_reason) if is_main else session
            estimated = estimate_tokens(ended) if self.config.estimate_tokens else ended
            progress = run.begin(session)
            redacted = redact(estimated, self._cleaning(), progress.masked)
            priced = price(redacted, price_table(self.config))
            for part in self._split(priced, progress):
                record = self._record(part.session.agent, part.session.id)
                if force and not run.is_preview:
                    record.mark_pending()
                costs = progress.bill(part.session, part.number, record, claims=not run.is_preview)
                keeps_extra = self.destination.keeps_extra
                changes = diff(part, costs, record, keeps_extra=keeps_extra, resends=force)
                withholds_undone = not self.config.undone
                yield replace(changes, withholds_undone=withholds_undone, progress=progress)
            run.finish(session, progress)

    def _kept(self, session: Session, record: SessionRecord, *, is_preview: bool) -> SyncOutcome:
        """Return the outcome of a copy whose messages are delivered already, under other ids."""
        if not is_preview:
            losses.set_skipped(record, session.skipped, session.agent_version)
        return SyncOutcome(
            session.id,
            title=session.title,
            sessions=1,
            unchanged=len(record.message_hashes()),
            is_partial=session.is_partial,
            skipped=session.skipped,
        )

    def _withheld(
        self, session: Session, source: Source, *, is_main: bool, force: bool, is_preview: bool
    ) -> SyncOutcome | None:
        """Return the outcome of a session that is not delivered here; None if it is."""
        record = self._record(session.agent, session.id)
        exclusions = Exclusions.from_config(self.config)
        is_delivered = record.remote_session() is not None
        reason = exclude(session, source, exclusions, is_delivered=is_delivered)
        conflict, belongs_to = None, None
        if reason is None and self.config.destinations:
            conflict, belongs_to = route(
                session, self.config, self.ledger, is_main=is_main, force=force
            )
        if not is_preview:
            exclusions.record(source.agent, session.id, reason)
            stays = conflict if belongs_to is None else None
            routing.undecided(self.config).record(source.agent, session.id, stays)
        removed = None if force else record.removed()
        if not (reason or conflict or removed):
            return None
        return SyncOutcome(
            session.id, excluded=reason or conflict, belongs_to=belongs_to, removed=removed
        )

    def sync(
        self,
        source: Source,
        located: Located,
        *,
        end_reason: str | None = None,
        force: bool = False,
        limits: Limits | None = None,
    ) -> SyncOutcome:
        """Bring the destination up to date with a session and its subagents.

        `end_reason`: why the session ended, where a hook said so. `force`: send again what was
        confirmed. A message that the destination refuses is quarantined, and the rest goes on.

        Raises SourceError, BusyError, UnreachableError, KeyRefusedError, UnusableDestinationError,
        TimeLimitError; and RejectedError if the session itself is refused.
        """
        limits = limits or Limits()
        agent, session_id = source.agent, located.session_id
        changes = partial(self._changes, source, located, end_reason=end_reason, force=force)
        run = self._run(source, resumes=limits.resumes and not force, divides=not force)
        run.reads_all = force or limits.asks_always
        with session_lock(self.config.folders.locks, agent, session_id, limits.lock_timeout):
            try:
                outcome = self._send(session_id, changes(run), limits)
            except NotResumableError:
                outcome = self._send(session_id, changes(self._run(source)), limits)
                outcome = outcome.after(SyncOutcome(session_id, sent=run.sent))
            except OpenSyncError:
                raise
            except Exception:  # a bug, which the checkpoint would bring back at every attempt
                run.discard_checkpoints()
                raise
            record, state = self._record(agent, session_id), outcome.state
            if state.is_finished:
                record.set_fingerprint(located.fingerprint, self._rules())
            elif state.is_deficient:
                record.set_deficient(located.fingerprint, state)
        return outcome

    def _send(
        self, session_id: str, changed: Iterable[SessionDiff | SyncOutcome], limits: Limits
    ) -> SyncOutcome:
        outcome, masking = SyncOutcome(session_id), masking_digest(self.config)
        outcomes: dict[str, SyncOutcome] = {}
        for changes in changed:
            if isinstance(changes, SessionDiff):
                sent = send(changes, self.destination, limits)
                changes.progress.note(sent)
                if sent.removed:
                    if sent.session_id == session_id:
                        return sent
                    continue
                changes.record.set_parent(changes.session.parent_id)
                losses.set_losses(changes.record, sent.losses)
                version = changes.session.agent_version
                losses.set_skipped(changes.record, sent.skipped, version)
                marked = mark_deletions(changes, self.destination)
                changes.record.set_masking(masking)
                sent = replace(sent, sent=sent.sent + marked)
                section = outcomes.get(sent.session_id)
                outcomes[sent.session_id] = sent.after(section) if section else sent
            elif changes.session_id == session_id:
                outcome = changes
        return sum(outcomes.values(), outcome)

    def preview(
        self, source: Source, located: Located, *, force: bool = False
    ) -> Iterator[SessionDiff | SyncOutcome]:
        """Yield what `sync` would send, and change nothing. Raises SourceError.

        A session that is excluded is yielded as an outcome with the reason.
        """
        return self._changes(source, located, self._run(source, is_preview=True), force=force)

    def state(self, source: Source, located: Located) -> SyncState | None:
        """Return what came of the session if it is unchanged since; None if it has to be tried."""
        return self._record(source.agent, located.session_id).state(located.fingerprint)

    def note_handed_over(self, source: Source, located: Located) -> None:
        """Remember that nothing is left to do here: another destination's queue has the session."""
        record = self._record(source.agent, located.session_id)
        record.set_fingerprint(located.fingerprint, self._rules())

    def is_checked(self, source: Source, located: Located) -> bool:
        """Whether reading the session again could change nothing, as no setting has changed."""
        record = self._record(source.agent, located.session_id)
        return record.is_checked(located.fingerprint, self._rules())

    def _run(
        self,
        source: Source,
        *,
        resumes: bool = False,
        divides: bool = False,
        is_preview: bool = False,
    ) -> SyncRun:
        keeps_extra = self.destination.keeps_extra
        rules = (__version__, self._rules(), keeps_extra)
        digest = hashlib.sha256(repr(rules).encode()).hexdigest()[:16]
        run = SyncRun(digest, partial(self._record, source.agent), is_preview=is_preview)
        if not self.config.estimate_tokens:  # which takes all messages
            run.resumes, run.divides = resumes, divides
        return run

    def _rules(self) -> str:
        """Return a digest of the settings and prices that decide what is sent of a session."""
        config = self._cleaning()
        rules = (
            *(config.thinking, config.file_contents, config.undone, masking_digest(config)),
            *(config.exclude, config.estimate_tokens),
            *(price_sources(config), price_table(config).taken_on),
            *((each.name, each.projects) for each in config.destinations),
        )
        return hashlib.sha256(repr(rules).encode()).hexdigest()[:16]

    def _cleaning(self) -> Config:
        """Return the settings by which sessions are cleaned for this destination."""
        is_own = self.destination.is_on_own_disk
        return self.config.on_own_disk() if is_own else self.config

    def account(self) -> str:
        """Return the name of the destination and account in the ledger.

        The first use of a login asks the destination. Raises what `sync` raises.
        """
        if self.config.url is None:
            return self.destination.name
        return accounts.resolve(self.ledger, self.config, self._is_stored)

    def _is_stored(self, session_id: str, remote_id: str) -> bool:
        try:
            return self.destination.fetch(session_id, remote_id) is not None
        except RejectedError:  # it is there, but too large to be read
            return True

    def _split(self, session: Session, progress: SessionProgress) -> Iterable[SessionPart]:
        if self.destination.keeps_extra:  # our own store opens a session of any size
            return (SessionPart(session),)
        return split(session, partial(self._record, session.agent), progress)

    def _record(self, agent: str, session_id: str) -> SessionRecord:
        return SessionRecord(self.ledger, self.account(), agent, session_id)
