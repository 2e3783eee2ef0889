"""One message in a thousand that the server refuses for good."""

from __future__ import annotations

import json
import random
from pathlib import Path

from opensync_hooks.server.routes import Response
from tests.faults.clock import CLOCK
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.plan import Fault, Plan, Request

KINDS = {
    "400": (400, "Bad request"),
    "413": (413, "Payload too large"),
    "422": (422, "Unprocessable"),
    "validation": (500, "Error: ArgumentValidationError: Value does not match validator."),
    "size": (500, "Error: Value is too large (1.30 MiB > maximum size 1 MiB)"),
    "field name": (500, "Error: Field name $schema starts with '$', which is reserved."),
}
TURNS = 500
_BAD = 250


class _Refusing(Plan):
    def __init__(self, message: str, kind: str) -> None:
        self.message = message
        status, text = KINDS[kind]
        self.refusal = Fault(answer=Response(status, json.dumps({"error": text}).encode()))
        self.seen = 0

    def request(self, request: Request) -> Fault | None:
        return self.refusal if request.message_id == self.message else None


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Try `rounds` of the six kinds of refusal."""
    with CLOCK.running(1, skips=True):
        for kind in list(KINDS)[:rounds]:
            _kind(figure, folder / kind, kind)
            figure.rounds += 1
    figure.notes.append(f"{2 * TURNS - 1} of {2 * TURNS} delivered, 1 parked, {', '.join(KINDS)}")
    del dice


def _kind(figure: Figure, folder: Path, kind: str) -> None:
    plan = _Refusing(f"msg_s_{_BAD}", kind)
    with deployment(folder, plan) as server:
        machine = Machine(folder / "machine", server)
        with machine.used():
            for turn in range(TURNS):
                machine.turn("s", turn)
            for _ in range(2):  # the second time nothing is new, so nothing may be sent
                machine.hook("s")
                machine.work()
            _check(figure, machine, kind)
            sent = len(server.record().paths)
            machine.hook("s")
            machine.work()
            CLOCK.skip(100_000)
            machine.hook("s")
            machine.work()
            again = len(server.record().paths) - sent
        figure.check(again == 0, f"{kind}: {again} more requests after it was parked")


def _check(figure: Figure, machine: Machine, kind: str) -> None:
    audit = machine.audit()
    figure.check(
        audit.names == (f"s: answer {_BAD}",) and audit.lost == 1,
        f"{kind}: missing are {audit.lost}: {audit.names}",
    )
    figure.doubled += audit.doubled
    code, output = machine.command("status")
    figure.check("Quarantined" in output and code == 0, f"{kind}: status says nothing of it")
    figure.check(not machine.waiting(), f"{kind}: waiting {machine.waiting()}")
