"""`sync --dry-run`: what would leave, session by session."""

from __future__ import annotations

import json
from collections import Counter

from opensync_hooks.cli.bulk import dry_run
from opensync_hooks.cli.bulk.bulk_sync import Found, Wish
from opensync_hooks.cli.bulk.dry_run import Rehearsed
from opensync_hooks.config import Config
from opensync_hooks.errors import SourceError
from opensync_hooks.system.formatting import count, size
from opensync_hooks.system.terminal import print_error, print_line


def rehearse(wish: Wish, found: list[Found], loaded: Config, *, as_json: bool) -> int:
    """Only what would leave; what is up to date is counted."""
    leaving, current, failed = [], 0, 0
    with dry_run.stage(loaded) as syncer:
        for source, located in found:
            if not wish.looks_at_all and syncer.is_current(source, located):
                current += 1
                continue
            try:
                told = list(dry_run.rehearse(syncer, source, located, force=wish.force))
            except SourceError as error:
                print_error(error)
                failed += 1
                continue
            current += not any(one.leaves or one.excluded for one in told)
            shown = [one for one in told if one.leaves or one.excluded]
            leaving += [one for one in shown if one.leaves]
            for one in shown:
                _say_rehearsed(source.agent, one, as_json=as_json)
        if not as_json:
            print_line(_rehearsed_in_all(leaving, current, syncer.destination.name))
    return 1 if failed else 0


def _say_rehearsed(agent: str, one: Rehearsed, *, as_json: bool) -> None:
    if as_json:
        facts = {"messages": one.messages, "parts": one.parts, "bytes": one.weight}
        masked = {"masked": dict(one.masked), "excluded": one.excluded}
        print(json.dumps({"agent": agent, "session": one.session_id} | facts | masked))
    elif one.excluded:
        print_line(f"{one.session_id}  stays here, {one.excluded}")
    elif one.messages:
        print_line(f"{one.session_id}  {_weighed([one])}  {one.title}".rstrip())
    else:
        print_line(f"{one.session_id}  title or totals only  {one.title}".rstrip())


def _weighed(many: list[Rehearsed]) -> str:
    messages, parts = (sum(getattr(one, name) for one in many) for name in ("messages", "parts"))
    masked = sum((Counter(one.masked) for one in many), Counter[str]())
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(masked.items()))
    redacted = f", {count(masked.total(), 'redaction')} ({kinds})" if masked else ""
    weight = size(sum(one.weight for one in many))
    return f"{count(messages, 'message')}, {count(parts, 'part')}, {weight}{redacted}"


def _rehearsed_in_all(leaving: list[Rehearsed], current: int, where: str) -> str:
    up_to_date = f"{current} up to date"
    if not leaving:
        return f"Nothing would leave for {where}; {up_to_date}."
    what = f"{count(len(leaving), 'session')} would leave for {where}"
    return f"{what}: {_weighed(leaving)}; {up_to_date}."
