"""Who may read the pages: whoever opened the address that only the user's terminal shows.

A browser sends the cookies of 127.0.0.1 to all its ports, also to one on which another user of the
machine listens. Ours belongs to a path that nobody can guess, and so is sent to nobody else.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from hmac import compare_digest
from math import inf

_REPEAT_S = 10.0
"""Browsers fetch an address ahead of time, or twice; a list of processes shows it much longer."""


class Access:
    """All of it dies with the process. Safe for several threads."""

    def __init__(self, port: int) -> None:
        self.on_login: Callable[[], None] = lambda: None
        """Called when somebody came in: from then on there is another entrance."""
        self.home = f"/{secrets.token_urlsafe(16)}/"
        self._cookie = f"opensync_hooks_{port}"
        self._pass = secrets.token_urlsafe(32)
        self._key = secrets.token_urlsafe(32)
        self._spent = ""
        self._spent_at = -inf
        self._lock = threading.Lock()

    @property
    def login_path(self) -> str:
        """The path that lets one browser in, once."""
        return f"/?key={self._key}"

    def enter(self, key: str) -> str | None:
        """The cookie for who has the key; None for anybody else."""
        with self._lock:
            is_first = _same(key, self._key)
            if is_first:
                self._spent, self._key = self._key, secrets.token_urlsafe(32)
                self._spent_at = time.monotonic()
            is_soon = time.monotonic() - self._spent_at < _REPEAT_S
            is_again = _same(key, self._spent) and is_soon
        if is_first:
            self.on_login()
        cookie = f"{self._cookie}={self._pass}; Path={self.home}; HttpOnly; SameSite=Strict"
        return cookie if is_first or is_again else None

    def is_home(self, path: str) -> bool:
        return _same(path[: len(self.home)], self.home)

    def is_reader(self, cookies: str) -> bool:
        """`cookies`: the header, in which others may have put a cookie of the same name."""
        given = (one.strip().partition("=") for one in cookies.split(";"))
        return any(_same(value, self._pass) for name, _, value in given if name == self._cookie)


def _same(one: str, other: str) -> bool:
    return compare_digest(one.encode(errors="replace"), other.encode())
