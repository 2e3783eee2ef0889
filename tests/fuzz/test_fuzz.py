"""Every target withstands its seeds, some changes of them, and all that was ever found."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import cursor_home
from tests.fuzz import __main__ as program
from tests.fuzz import targets
from tests.fuzz.mutation import mutate
from tests.fuzz.reading import staying_inside

CHANGES = int(os.environ.get("OPENSYNC_TEST_FUZZ", "60"))
"""Of each target's seeds; `python -m tests.fuzz` makes millions."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that is the target's alone; readers that wait for a writer do not wait here."""
    own = tmp_path / "fuzzed"
    own.mkdir()
    monkeypatch.setenv("HOME", str(own))
    monkeypatch.setenv("OPENSYNC_HOOKS_HOME", str(own))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return own


@pytest.mark.parametrize("name", targets.ALL)
def test_target_withstands_its_seeds_and_changes_of_them(name: str, folder: Path) -> None:
    target = targets.ALL[name](folder)
    seeds = list(targets.ALL[name].seeds())
    for seed in seeds:
        target(seed)
    rng = random.Random(name)  # noqa: S311
    for _ in range(CHANGES):
        target(mutate(rng.choice(seeds), rng, seeds))


def _compute(data: bytes) -> None:
    end = time.process_time() + len(data)
    while time.process_time() < end:
        with suppress(OSError):  # as a reader does, for a file that has gone
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="atheris is not for Windows")
@pytest.mark.parametrize(
    ("target", "findings"), [(_compute, 1), (lambda _: threading.Event().wait(0.5), 0)]
)
def test_input_is_slow_by_what_it_computes_and_not_by_what_it_waits(
    target: Any, findings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "SECONDS_FOR_ONE", 0.2)
    monkeypatch.setattr(time, "sleep", time.sleep)  # which a run replaces
    before = signal.getsignal(signal.SIGPROF)
    arguments = Namespace(target="any", minutes=9, findings=tmp_path / "findings")
    try:
        run = program._Run(arguments, target, tmp_path)
        run.run_input(b"1234")
    finally:
        signal.signal(signal.SIGPROF, before)
    assert len(run.found) == findings
    assert run.slowest < 4


def _file(path: str, value: Any) -> str:
    return f"{path}\t{json.dumps(value)}"


def _row(table: str, **columns: Any) -> str:
    return f"{table}\t{json.dumps(columns)}"


def _composer(**document: Any) -> str:
    composer = {"_v": 18, "composerId": "s1", "fullConversationHeadersOnly": [], "createdAt": 1}
    return f"composerData:s1\t{json.dumps({**composer, **document})}"


def _answer(**info: Any) -> str:
    value = {"role": "assistant", "sessionID": "ses_1", "time": {"created": 1}, **info}
    return _file("storage/message/ses_1/msg_1.json", value)


def _chat(message: dict[str, Any]) -> str:
    lines = targets._blob_lines(cursor_home.graph((*cursor_home.PREAMBLE, message)))
    return lines.decode()


_HEAD = _file("storage/session/p/ses_1.json", {"id": "ses_1", "title": "T"})
_SESSION = _row("session", id="ses_1", time_created=1, time_updated=2)
_MESSAGE = _row("message", id="msg_1", session_id="ses_1", time_created=1, data={"role": "user"})
_PART = {"session_id": "ses_1", "message_id": "msg_1", "data": {"type": "text", "text": "x"}}
FOUND = {
    "a number beyond every float": ("opencode-json", f"{_HEAD}\n{_answer(cost=10**400)}"),
    "a time beyond every float": (
        "cursor-rows", _composer(createdAt=10**400),
    ),
    "a child whose id is half a letter": (
        "cursor-rows", _composer(subComposerIds=["\ud83d"]),
    ),
    "a part without an id": (
        "opencode-rows",
        "\n".join(
            (_SESSION, _MESSAGE, _row("part", id=None, **_PART), _row("part", id="p", **_PART))
        ),
    ),
    "a message without an id": (
        "opencode-rows",
        f"{_SESSION}\n" + _row("message", id=None, session_id="ses_1", data={"role": "user"}),
    ),
    "a title that is a number": (
        "opencode-rows", "\n".join((_row("session", id="ses_1", title=5, directory=7), _MESSAGE)),
    ),
    "one session in many rows": ("opencode-rows", "\n".join([_SESSION] * 60 + [_MESSAGE])),
    "a parent whose id means something in a pattern": (
        "opencode-json",
        _file("export/x.json", {
            "info": {"id": "x", "title": "T (@a subagent)", "parentID": "\\9"},
            "messages": [{"info": {"role": "user"}, "parts": [{"type": "text", "text": "t"}]}],
        }),
    ),
    "an id that no file can be called by": (
        "opencode-json",
        _file("export/x.json", {"info": {"id": "ses_" + "é" * 250}, "messages": []}),
    ),
    "a root whose name is half a letter": (
        "cursor-chats", "meta\t" + json.dumps({"latestRootBlobId": "\ud83d"}),
    ),
    "a last block whose type is an object": (
        "cursor-chats", _chat({"role": "assistant", "content": [{"type": {}}]}),
    ),
    "a message whose id is half a letter": (
        "claude-code",
        json.dumps({"type": "user", "uuid": "\ud83d", "message": {"content": "x"}}) + "\n",
    ),
    "a name in the next line that looks like the rest of a value": (
        "redaction", "GPG_PASSPHRASE=k7CbM#fLp+I^rcu*t3Tx\r\n" * 9,
    ),
    "one token in many lines, behind a slash": (
        "redaction", ("/home/u/work/ATBB" + "OkNzwhf2MlBU2DXL46exCUvZAZwB9XDn\n") * 9,
    ),
}  # fmt: skip
"""What the fuzzers found, each as small as it goes."""


@pytest.mark.parametrize(("name", "data"), FOUND.values(), ids=FOUND)
def test_what_was_found_is_not_found_again(name: str, data: str, folder: Path) -> None:
    targets.ALL[name](folder)(data.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", sorted({*targets.ALL} - {"payloads", "server", "redaction"}))
def test_seeds_of_a_source_hold_sessions(name: str, folder: Path) -> None:
    target = targets.ALL[name](folder)
    for seed in target.seeds():
        target(seed)
        assert target.count > 0, seed[:300]


def test_seeds_of_the_server_reach_every_route(folder: Path) -> None:
    """A seed that is turned away at the door would leave all behind it untried."""
    target = targets.ServerRoutes(folder)
    codes = []
    for seed in target.seeds():
        target(seed)
        codes.append(target.answered[9:12])
    assert codes == [b"200"] * 17 + [b"403", b"404"]


def test_a_reader_that_leaves_its_folder_is_noticed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")

    def read() -> Iterator[str]:
        with staying_inside(folder):
            yield outside.read_text()

    with pytest.raises(AssertionError, match="outside"):
        list(read())
    with staying_inside(tmp_path):
        outside.read_text()
