"""A socket's incoming bytes, limited in number and in time."""

import io
import socket
import time
from typing import Any


class TooLongError(Exception):
    """More bytes arrived than were allowed."""


class LimitedReader(io.RawIOBase):
    """Reads from a socket until the byte count or the deadline set by `allow` is reached.

    The socket's own timeout restarts with every byte, so a client that sends one byte a second
    could hold a connection forever.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline = 0.0
        self._remaining = 0

    def allow(self, count: int, seconds: float) -> None:
        """Set the limits for what is read next; TooLongError and TimeoutError end it."""
        self._remaining = count
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        if self._remaining <= 0:
            raise TooLongError
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(memoryview(buffer)[: self._remaining])
        self._remaining -= count
        return count
