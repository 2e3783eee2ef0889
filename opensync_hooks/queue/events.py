"""Events: the files in which hooks leave their payloads, one for each call.

<nanoseconds>-<pid>.<agent>.event   a line of environment variables, then the payload as it came
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from opensync_hooks.agents import registry
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.model import Trigger
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.queue.backoff import BEGIN_WAIT, Attempts
from opensync_hooks.queue.job import Job
from opensync_hooks.system import clock
from opensync_hooks.system.files import open_regular_file

SUFFIX = ".event"
_MAX_BYTES = 64 << 20

Parse = Callable[[str, Mapping[str, str], bytes], Trigger | None]
"""Takes the agent, the hook's environment and the payload."""


def parse(agent: str, environ: Mapping[str, str], payload: bytes) -> Trigger | None:
    """Return what a hook asks for; None if nothing is to be delivered."""
    event = registry.parse_event(agent, environ, payload)
    return event.trigger if event and event.is_request and not event.is_private else None


def record_and_parse(agent: str, environ: Mapping[str, str], payload: bytes) -> Trigger | None:
    """Record what only the hook knows, then return what it asks for. Raises OSError."""
    event = registry.parse_event(agent, environ, payload)
    if event is None:
        return None
    trigger = event.trigger
    if event.is_private:
        Exclusions.for_user().keep_private(trigger.agent, trigger.session_id)
        return None
    if event.facts is not None:
        HookNotes.of_user(trigger.agent).add(trigger.session_id, event.facts)
    return trigger if event.is_request else None


def read_job(path: Path, parse: Parse) -> Job | None:
    """Read an event as a request to deliver a session; None if it requests nothing."""
    stamp, _, agent = path.name.removesuffix(SUFFIX).partition(".")
    try:
        with open_regular_file(path) as file:
            head, _, payload = file.read(_MAX_BYTES).partition(b"\n")
    except FileNotFoundError:
        return None
    pairs = (pair.partition("=") for pair in os.fsdecode(head).split("\0") if "=" in pair)
    environ = {name: value for name, _, value in pairs}
    try:
        trigger = parse(agent, environ, payload)
    except ValueError:  # the rest of a torn payload names no session
        return None
    if trigger is None:
        return None
    received_at = _received_at(stamp)
    not_before = received_at + BEGIN_WAIT if trigger.is_begin else 0
    return Job(trigger, environ, received_at, attempts=Attempts(not_before=not_before))


def _received_at(stamp: str) -> int:
    """Return the milliseconds in the file's name, but never a time in the future."""
    nanoseconds = stamp.partition("-")[0]
    is_number = nanoseconds.isascii() and nanoseconds.isdigit() and len(nanoseconds) < 30
    return min(int(nanoseconds) // 1_000_000, clock.now()) if is_number else clock.now()
