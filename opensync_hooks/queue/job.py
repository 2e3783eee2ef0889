"""One session that has to be synced: a pointer to it, and what its delivery has been through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from opensync_hooks.hook.paths import KEPT
from opensync_hooks.model import Trigger
from opensync_hooks.queue.backoff import Tries
from opensync_hooks.system.files import session_file_stem

SUFFIX = ".job"
_NUMBERS = ("count", "not_before", "begun", "deaths")


@dataclass(frozen=True, slots=True)
class Job:
    """Kept for as long as the delivery is not confirmed. Holds no text of anybody's."""

    trigger: Trigger
    environ: Mapping[str, str]
    received_at: int
    error: str | None = None
    """What went wrong when it was last tried."""
    tries: Tries = field(default_factory=Tries)

    @property
    def name(self) -> str:
        """Of its file."""
        return session_file_stem(self.trigger.agent, self.trigger.session_id) + SUFFIX

    def surroundings(self, environ: Mapping[str, str]) -> dict[str, str]:
        """That environment, but for what says where sessions lie: this is as its hook had it.

        A worker that another hook started would look in the folders of that one's agent.
        """
        own = KEPT.get(self.trigger.agent, ())
        return {one: value for one, value in environ.items() if one not in own} | {**self.environ}

    def merged(self, wish: Job) -> Job:
        """Both wishes in one: the later one decides, but an end that was seen stays seen."""
        earlier, later = sorted((self, wish), key=lambda job: job.received_at)
        trigger = replace(
            later.trigger,
            path=later.trigger.path or earlier.trigger.path,
            end_reason=later.trigger.end_reason or earlier.trigger.end_reason,
        )
        is_new = wish.received_at > self.received_at
        tries = self.tries.renewed() if is_new else self.tries
        return replace(later, trigger=trigger, tries=tries, error=None if is_new else self.error)

    def as_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def read(content: bytes) -> Job | None:
    """The job that `as_bytes` made, by any version; None for what a job of ours cannot be."""
    try:
        value = json.loads(content)
        found = _of(Job, value)
        trigger, tries = _of(Trigger, found["trigger"]), _of(Tries, found.pop("tries", {}))
        job = Job(**{**found, "trigger": Trigger(**trigger), "tries": Tries(**tries)})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return job if _is_sound(job) else None


def _of(kind: type, value: dict[str, Any]) -> dict[str, Any]:
    """The fields that this version knows."""
    names = {one.name for one in fields(kind)}
    return {name: one for name, one in value.items() if name in names}


def _is_sound(job: Job) -> bool:
    """Whether the values are what they should be; a file of ours can still be damaged."""
    texts = (job.trigger.agent, job.trigger.session_id)
    maybe_texts = (*asdict(job.trigger).values(), job.error)
    numbers = (job.received_at, *(getattr(job.tries, name) for name in _NUMBERS))
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(text, str | None) for text in maybe_texts)
        and all(type(number) is int for number in numbers)
        and type(job.tries.since) in (int, type(None))
        and isinstance(job.environ, dict)
        and all(isinstance(text, str) for text in job.environ.values())
    )
