"""`sync --dry-run`: shows what would be sent, session by session, and changes nothing."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from types import SimpleNamespace
from typing import cast

from opensync_hooks.cli.bulk.bulk_sync import Selection
from opensync_hooks.cli.bulk.thread_pool import JOBS
from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.diff import SessionDiff
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.protocol import ReadableDestination
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger import accounts, readonly
from opensync_hooks.queue.environments import Requests
from opensync_hooks.system.formatting import count, size
from opensync_hooks.system.terminal import print_error, print_line

_CALLS_PER_MESSAGE = 3
_CALLS_PER_SESSION = 6
_CALLS_TO_READ = 4
"""Function calls of one request, counted with OpenSync's own functions."""
_SECONDS_PER_REQUEST = 0.2


@dataclass(frozen=True, slots=True)
class PlannedSync:
    """What the destination lacks of one session, subagent or part of a long session."""

    session_id: str
    title: str = ""
    messages: int = 0
    parts: int = 0
    size: int = 0
    """Bytes."""
    masked: Mapping[str, int] = field(default_factory=Counter)
    """Number of secrets by kind."""
    sends_anything: bool = False
    """Messages, or only a new title or new totals."""
    excluded: str | None = None
    """Why nothing is sent."""
    is_new: bool = False
    """Whether nothing of it was confirmed before."""

    @property
    def session_requests(self) -> int:
        """How often the session itself is posted: before its first message, and after the last."""
        return 1 + (self.is_new and self.messages > 0)

    @property
    def requests(self) -> int:
        """The requests at OpenSync; one asks what it has of the session."""
        return 1 + self.session_requests + self.messages

    @property
    def function_calls(self) -> int:
        """What Convex bills: each request runs an action, a look-up of the key, and its work."""
        return (
            _CALLS_TO_READ
            + self.session_requests * _CALLS_PER_SESSION
            + self.messages * _CALLS_PER_MESSAGE
        )


def show(selection: Selection, config: Config, *, as_json: bool) -> int:
    """Print one line for each session that would be sent, and the totals; returns an exit code."""
    planned: list[PlannedSync] = []
    current = failed = 0
    # A preview asks the destination for these facts alone, and so cannot send.
    is_store = not config.url
    destination = SimpleNamespace(
        name=config.destination, keeps_extra=is_store, is_on_own_disk=is_store
    )
    with readonly.copied(config.folders.ledger) as ledger:
        accounts.remember(ledger, config, accounts.expected(ledger, config))
        syncer = Syncer(config, cast("ReadableDestination", destination), ledger)
        for source, located in selection.find_own(Requests.load(config, ledger))[0]:
            if not selection.reads_unchanged and (state := syncer.state(source, located)):
                current += state.is_finished
                continue
            try:
                previews = syncer.preview(source, located, force=selection.force)
                plans = [_plan(preview) for preview in previews]
            except SourceError as error:
                print_error(error)
                failed += 1
                continue
            shown = [plan for plan in plans if plan.sends_anything or plan.excluded]
            current += not shown
            planned += [plan for plan in shown if plan.sends_anything]
            for plan in shown:
                _print(source.agent, plan, as_json=as_json)
    if not as_json and planned:
        sessions = f"{count(len(planned), 'session')} to send to {config.destination}"
        print_line(f"{sessions}: {_amounts(planned)}; {current} up to date.")
        if config.url:
            print_line(_effort(planned))
    elif not as_json:
        print_line(f"Nothing to send to {config.destination}; {current} up to date.")
    return 1 if failed else 0


def _plan(preview: SessionDiff | SyncOutcome) -> PlannedSync:
    if isinstance(preview, SyncOutcome):
        return PlannedSync(preview.session_id, excluded=preview.withheld)
    messages = parts = size_in_bytes = 0
    masked = Counter[str]()
    for diff in preview.messages():
        if diff.is_due:
            messages += 1
            parts += len(diff.body["parts"])
            size_in_bytes += len(json.dumps(diff.body, ensure_ascii=False).encode())
            masked.update(diff.message.redacted)
    session, existing = preview.session, preview.existing
    has_new_totals = existing is not None and existing.hash != preview.session_hash()
    has_new_totals = has_new_totals and not preview.is_behind
    is_due = bool(messages) or has_new_totals
    title = session.title or ""
    plan = PlannedSync(session.id, title, messages, parts, size_in_bytes, masked, is_due)
    return replace(plan, is_new=existing is None)


def _print(agent: str, plan: PlannedSync, *, as_json: bool) -> None:
    if as_json:
        row = {
            "agent": agent,
            "session": plan.session_id,
            "messages": plan.messages,
            "parts": plan.parts,
            "bytes": plan.size,
            "masked": dict(plan.masked),
            "excluded": plan.excluded,
            "requests": plan.requests if plan.sends_anything else 0,
            "function_calls": plan.function_calls if plan.sends_anything else 0,
        }
        print(json.dumps(row))
    elif plan.excluded:
        print_line(f"{plan.session_id}  excluded: {plan.excluded}")
    else:
        content = _amounts([plan]) if plan.messages else "title or totals only"
        print_line(f"{plan.session_id}  {content}  {plan.title}".rstrip())


def _effort(plans: Sequence[PlannedSync]) -> str:
    requests = sum(plan.requests for plan in plans)
    calls = sum(plan.function_calls for plan in plans)
    at_once = min(JOBS, len(plans))
    minutes = math.ceil(requests * _SECONDS_PER_REQUEST / at_once / 60)
    return (
        f"That takes {count(requests, 'request')} and about {calls} Convex function calls: about"
        f" {count(minutes, 'minute')} with {at_once} at once, at {_SECONDS_PER_REQUEST} s each."
    )


def _amounts(plans: Sequence[PlannedSync]) -> str:
    """Return `3 messages, 5 parts, 1.3 KB, 2 redactions (2 github-token)`."""
    masked = sum((Counter(plan.masked) for plan in plans), Counter[str]())
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(masked.items()))
    redactions = f", {count(masked.total(), 'redaction')} ({kinds})" if masked else ""
    messages = count(sum(plan.messages for plan in plans), "message")
    parts = count(sum(plan.parts for plan in plans), "part")
    return f"{messages}, {parts}, {size(sum(plan.size for plan in plans))}{redactions}"
