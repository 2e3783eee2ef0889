"""How long one run over a session may take, so that other sessions have their turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field

from opensync_hooks.dataclass import dataclass


@dataclass(slots=True)
class SendingTime:
    """The seconds that one run may spend on requests.

    Comparing the session with what was confirmed is free: the next attempt would begin it anew. A
    session that takes longer to compare than a run may take would cost a whole comparison for each
    new message.
    """

    seconds: float = math.inf
    spent: float = 0.0

    @contextmanager
    def spend(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.spent += time.monotonic() - began

    @property
    def is_over(self) -> bool:
        return self.spent > self.seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a sync may wait and take."""

    lock_timeout: float = 30
    """Seconds to wait for another run on the same session."""
    sending_time: SendingTime = field(default_factory=SendingTime)
    deadline: float | None = None
    """When somebody stops waiting, by the monotonic clock; what is confirmed by then stays so."""
    is_preempted: Callable[[], bool] = lambda: False
    """Whether to stop at once, even before anything was sent, as another session goes first."""
    pause: Callable[[], None] = lambda: None  # before each message that is sent
    is_last_attempt: bool = False
    """Quarantine what the server still fails on without saying why."""
    asks_always: bool = False
    """Ask whether the session is still there even if there is nothing to send."""
    resumes: bool = False
    """Read only what is new since all was confirmed, where the source can do so."""
