"""A session that has to be delivered: a pointer to it, and the history of its delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from typing import Any

from opensync_hooks.agents import registry
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Trigger
from opensync_hooks.queue.backoff import FAILURES, Attempts, Failure
from opensync_hooks.system.files import session_file_stem

SUFFIX = ".job"
CATCH_UP_EVENT = "catch-up"
"""In place of a hook's event where the worker itself noticed that the session had changed."""
_FORMAT = 2
"""Since 2, the queue that a job is in says whose settings it is delivered with."""
_TRIGGER_FIELDS = ("agent", "session_id", "event", "path", "awaits", "end_reason", "is_begin")
_ATTEMPTS_KEYS = {
    "count": "count",
    "not_before": "not_before",
    "unclear_since": "since",
    "started_at": "begun",
    "crashes": "deaths",
}
"""The fields of `Attempts`, each with the key in the file by which every version knows it."""


@dataclass(frozen=True, slots=True)
class Job:
    """Kept until the delivery is confirmed. Contains no text of the session."""

    trigger: Trigger
    environ: Mapping[str, str]
    """The variables of the hook's environment that say where its agent keeps sessions."""
    received_at: int
    error: str | None = None
    """What went wrong in the last attempt."""
    failure: Failure | None = None
    """The kind of that; None also where an earlier version wrote the file."""
    attempts: Attempts = field(default_factory=Attempts)

    @property
    def name(self) -> str:
        """The name of the job's file."""
        return session_file_stem(self.trigger.agent, self.trigger.session_id) + SUFFIX

    @property
    def is_catch_up(self) -> bool:
        """Whether no hook asked for the session: every job for which one did goes first."""
        return self.trigger.event == CATCH_UP_EVENT

    def agent_environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return `environ` with the variables that place the agent's sessions as the hook had them.

        A worker that another hook started would look in the folders of that hook's agent.
        """
        replaced = registry.session_variables(self.trigger.agent, environ)
        kept = {name: value for name, value in environ.items() if name not in replaced}
        return {**kept, **self.environ}

    def merged(self, request: Job) -> Job:
        """Combine two requests: the later one decides, but an end that was seen is kept.

        So is the text that the end of a turn waits for, if another turn begins before it is sent.
        """
        earlier, later = sorted((self, request), key=lambda job: job.received_at)
        trigger = replace(
            later.trigger,
            path=later.trigger.path or earlier.trigger.path,
            end_reason=later.trigger.end_reason or earlier.trigger.end_reason,
            awaits=(earlier if later.trigger.is_begin else later).trigger.awaits,
            is_begin=earlier.trigger.is_begin and later.trigger.is_begin,
        )
        history = self
        if request.received_at > self.received_at:
            attempts = self.attempts.reset()
            if request.trigger.is_begin:
                attempts = replace(attempts, not_before=request.attempts.not_before)
            history = replace(self, attempts=attempts, error=None, failure=None)
        environ, received_at = later.environ, later.received_at
        return replace(history, trigger=trigger, environ=environ, received_at=received_at)

    def to_bytes(self) -> bytes:
        attempts = asdict(self.attempts)
        trigger = {name: getattr(self.trigger, name) for name in _TRIGGER_FIELDS}
        value = {
            "format": _FORMAT,
            "trigger": trigger,
            "environ": dict(self.environ),
            "received_at": self.received_at,
            "error": self.error,
            "failure": self.failure,
            "tries": {key: attempts[name] for name, key in _ATTEMPTS_KEYS.items()},
        }
        return json.dumps(value).encode()


def has_environment(content: bytes) -> bool:
    """Return whether the job was written by a version that has a queue for each environment."""
    try:
        return bool(json.loads(content).get("format") == _FORMAT)
    except (ValueError, AttributeError, RecursionError):
        return True  # damaged: repaired where it is


def parse(content: bytes) -> Job | None:
    """Read what `to_bytes` of any version wrote; None for anything else."""
    try:
        value = json.loads(content)
        trigger, tries = value["trigger"], value.get("tries", {})
        job = Job(
            Trigger(**{name: trigger[name] for name in _TRIGGER_FIELDS if name in trigger}),
            value["environ"],
            value["received_at"],
            value.get("error"),
            value.get("failure") if value.get("failure") in FAILURES else None,
            Attempts(**{name: tries[key] for name, key in _ATTEMPTS_KEYS.items() if key in tries}),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return job if _is_valid(job) else None


def _is_valid(job: Job) -> bool:
    """Whether every value has its type: a bad disk may have changed the file."""
    environ: Any = job.environ
    attempts = asdict(job.attempts)
    since = attempts.pop("unclear_since")
    optional_texts = [getattr(job.trigger, name) for name in _TRIGGER_FIELDS[2:-1]]
    return (
        isinstance(environ, dict)
        and all(
            isinstance(text, str)
            for text in (job.trigger.agent, job.trigger.session_id, *environ.values())
        )
        and all(isinstance(text, str | None) for text in (job.error, *optional_texts))
        and all(type(number) is int for number in (job.received_at, *attempts.values()))
        and type(since) in (int, type(None))
        and type(job.trigger.is_begin) is bool
    )
