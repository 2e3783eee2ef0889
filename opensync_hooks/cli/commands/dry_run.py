"""`sync --dry-run`: shows what would be sent, session by session."""

import json
from collections import Counter
from collections.abc import Iterable

from opensync_hooks.cli.bulk import dry_run
from opensync_hooks.cli.bulk.bulk_sync import Selection
from opensync_hooks.cli.bulk.dry_run import PlannedSync
from opensync_hooks.config import Config
from opensync_hooks.errors import SourceError
from opensync_hooks.system.formatting import count, size
from opensync_hooks.system.terminal import print_error, print_line


def show(selection: Selection, config: Config, *, as_json: bool) -> int:
    """Print one line for each session that would be sent, and the totals; returns an exit code."""
    planned: list[PlannedSync] = []
    current = failed = 0
    with dry_run.open_planner(config) as syncer:
        for source, located in selection.find():
            if not selection.reads_unchanged and syncer.is_current(source, located):
                current += 1
                continue
            try:
                plans = list(dry_run.plan(syncer, source, located, force=selection.force))
            except SourceError as error:
                print_error(error)
                failed += 1
                continue
            shown = [plan for plan in plans if plan.sends_anything or plan.excluded]
            current += not shown
            planned += [plan for plan in shown if plan.sends_anything]
            for plan in shown:
                _print(source.agent, plan, as_json=as_json)
        if not as_json:
            print_line(_total(planned, current, syncer.destination.name))
    return 1 if failed else 0


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
        }
        print(json.dumps(row))
    elif plan.excluded:
        print_line(f"{plan.session_id}  excluded: {plan.excluded}")
    else:
        content = _amounts([plan]) if plan.messages else "title or totals only"
        print_line(f"{plan.session_id}  {content}  {plan.title}".rstrip())


def _amounts(plans: Iterable[PlannedSync]) -> str:
    """Return `3 messages, 5 parts, 1.3 KB, 2 redactions (2 github-token)`."""
    messages = parts = bytes_ = 0
    masked = Counter[str]()
    for plan in plans:
        messages += plan.messages
        parts += plan.parts
        bytes_ += plan.size
        masked += Counter(plan.masked)
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(masked.items()))
    redactions = f", {count(masked.total(), 'redaction')} ({kinds})" if masked else ""
    return f"{count(messages, 'message')}, {count(parts, 'part')}, {size(bytes_)}{redactions}"


def _total(planned: list[PlannedSync], current: int, destination: str) -> str:
    if not planned:
        return f"Nothing to send to {destination}; {current} up to date."
    sessions = count(len(planned), "session")
    return f"{sessions} to send to {destination}: {_amounts(planned)}; {current} up to date."
