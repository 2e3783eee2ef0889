"""Lets a browser in that opened the login link, which only the user's terminal shows.

A browser sends the cookies of 127.0.0.1 to all its ports, even one where another user of the
machine listens. Ours is limited to a path that nobody can guess, so it is sent to our pages only.
"""

import secrets
import threading
import time
from collections.abc import Callable
from hmac import compare_digest
from math import inf

_REPEAT_S = 10.0
"""A used login key works for so long: browsers prefetch a link, or open it twice."""


class Access:
    """The secrets of one run of the server; none outlives the process. Thread-safe."""

    def __init__(self, port: int) -> None:
        self.on_login: Callable[[], None] = lambda: None
        """Called in a thread of the server after a login, when `login_path` is a new one."""
        self.pages_path = f"/{secrets.token_urlsafe(16)}/"
        self._cookie_name = f"opensync_hooks_{port}"
        self._cookie_value = secrets.token_urlsafe(32)
        self._login_key = secrets.token_urlsafe(32)
        self._used_key = ""
        self._used_at = -inf
        self._lock = threading.Lock()

    @property
    def login_path(self) -> str:
        """The path that logs one browser in, once."""
        return f"/?key={self._login_key}"

    def log_in(self, key: str) -> str | None:
        """Return the Set-Cookie header for a valid login key, else None."""
        with self._lock:
            is_first = _is_equal(key, self._login_key)
            if is_first:
                self._used_key, self._login_key = self._login_key, secrets.token_urlsafe(32)
                self._used_at = time.monotonic()
            is_recent = time.monotonic() - self._used_at < _REPEAT_S
            is_repeated = _is_equal(key, self._used_key) and is_recent
        if is_first:
            self.on_login()
        if not is_first and not is_repeated:
            return None
        cookie = f"{self._cookie_name}={self._cookie_value}"
        return f"{cookie}; Path={self.pages_path}; HttpOnly; SameSite=Strict"

    def is_page(self, path: str) -> bool:
        return _is_equal(path[: len(self.pages_path)], self.pages_path)

    def is_logged_in(self, cookies: str) -> bool:
        """Check a Cookie header, where other servers may have set a cookie of the same name."""
        pairs = (cookie.strip().partition("=") for cookie in cookies.split(";"))
        values = [value for name, _, value in pairs if name == self._cookie_name]
        return any(_is_equal(value, self._cookie_value) for value in values)


def _is_equal(text: str, secret: str) -> bool:
    return compare_digest(text.encode(errors="replace"), secret.encode())
