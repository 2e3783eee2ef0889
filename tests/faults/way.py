"""Faults between a client and its server that no server can produce.

Waiting in vain moves the clock: after a response that never comes, the clock has advanced by the
client's timeout.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.faults.clock import CLOCK
from tests.faults.network_faults import NetworkFault
from tests.faults.plan import Board

_LOOK_S = 0.005
"""How soon, in true seconds, it is noticed that the clock was moved on."""


@dataclass(frozen=True, slots=True)
class When:
    """From request `first` on, `count` times, until the trial heals everything."""

    first: int
    count: int
    board: Board

    def strikes(self, number: int) -> bool:
        in_time = self.first <= number < self.first + self.count
        if in_time and not self.board["healed"]:
            self.board["struck"] = 1
            return True
        return False


@contextmanager
def dead_ends() -> Iterator[tuple[int, int]]:
    """Return a port that nobody may reach, and one that never responds."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        with socket.socket() as hole:
            hole.bind(("127.0.0.1", 0))
            hole.listen(0)
            fillers = [_filler(hole.getsockname()) for _ in range(4)]
            yield trap.getsockname()[1], hole.getsockname()[1]
            for filler in fillers:
                filler.close()
        try:
            trap.accept()
        except BlockingIOError:
            return
        raise AssertionError("a redirect was followed")


def _filler(address: tuple[str, int]) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex(address)
    return connection


@contextmanager
def on_the_way(fault: NetworkFault, when: When, dead_end: int) -> Iterator[None]:
    """Apply the fault in this process and its forks meanwhile."""
    look_up, connect, receive = socket.getaddrinfo, socket.socket.connect, socket.socket.recv_into
    board = when.board

    def getaddrinfo(*arguments: Any, **named: Any) -> Any:
        if fault.name == "name unknown" and when.strikes(board["connects"]):
            board.count("connects")
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(*arguments, **named)

    def connecting(connection: socket.socket, address: Any) -> None:
        number = board.count("connects")
        if fault.name == "refused" and when.strikes(number):
            raise ConnectionRefusedError(111, "Connection refused")
        if fault.name == "connect timeout" and when.strikes(number):
            _into_nowhere(connection, connect, dead_end)
        connect(connection, address)

    def receiving(connection: socket.socket, *arguments: Any) -> int:
        while not select.select([connection], [], [], _LOOK_S)[0]:
            port = connection.getsockname()[1]
            if board.hangs(port):
                board.hang(port, hangs=False)
                CLOCK.skip(connection.gettimeout() or 0)
                raise TimeoutError("timed out")
        return receive(connection, *arguments)

    patched: Any = socket.socket
    socket.getaddrinfo, patched.connect, patched.recv_into = getaddrinfo, connecting, receiving
    try:
        yield
    finally:
        socket.getaddrinfo, patched.connect, patched.recv_into = look_up, connect, receive


def _into_nowhere(connection: socket.socket, connect: Any, dead_end: int) -> None:
    """Connect to a port that never responds, without waiting."""
    seconds = connection.gettimeout() or 0
    connection.settimeout(4 * _LOOK_S)
    try:
        connect(connection, ("127.0.0.1", dead_end))
    finally:
        CLOCK.skip(seconds)
