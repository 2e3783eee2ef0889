"""Secrets as documentation shows them: formats x locations, names x locations, structured texts.

The files beside this one are the material; they were written from issuers' documentation, not from
the rules. Values are random, so that no complete secret is in the repository.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
_CHARSETS = {
    "a": string.ascii_letters + string.digits,
    "l": string.ascii_lowercase + string.digits,
    "u": string.ascii_uppercase + string.digits,
    "L": string.ascii_lowercase,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "d": string.digits,
    "w": string.ascii_letters + string.digits + "_-",
    "b": string.ascii_letters + string.digits + "+/",
}
_SIGNS = "!@#%^*_-+.?"
_WORDS = [
    "abandon",
    "ability",
    "able",
    "about",
    "above",
    "absent",
    "absorb",
    "abstract",
    "absurd",
    "abuse",
    "access",
    "accident",
    "account",
    "accuse",
    "achieve",
    "acid",
    "acoustic",
    "acquire",
    "across",
    "act",
    "action",
    "actor",
    "actress",
    "actual",
]
"""The first words of BIP-39's English list."""
_WORDS_TO_REPLACE = (
    r"SECRET|B64|(?<![A-Z])NAME(?![A-Z])"
    r"|\bname\b(?=\W{1,6}(?:SECRET|B64|\{)|>|\" value=|\" \{)"
)
NEUTRAL, TELLING = "ORDERS_VALUE", "ORDERS_API_KEY"


class Case(NamedTuple):
    kind: str
    """marked: a format under a neutral name; named: under a telling one; name-only; structured."""
    name: str
    field: str
    """Where the text is: text, command, output, arguments, title, path or model."""
    command: str
    """The command that printed an output."""
    text: str
    pieces: tuple[str, ...]
    """The random parts of the secret, none of which may leave."""

    @property
    def arguments(self) -> Any:
        return json.loads(self.text)

    def leaks(self, masked: str) -> bool:
        """Whether half of a piece, and at least ten characters in a row, are still there."""
        for piece in self.pieces:
            size = min(len(piece), max(10, (len(piece) + 1) // 2))
            if any(piece[at : at + size] in masked for at in range(len(piece) - size + 1)):
                return True
        return False


class _Filler:
    """Fills templates at random, and remembers the pieces of the last one."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self.pieces: list[str] = []

    def fill(self, template: str) -> str:
        self.pieces = []
        return re.sub(r"\{([aluLhHdwbpSU])(\d*)\}", self._piece, template)

    def _piece(self, match: re.Match[str]) -> str:
        kind, size = match[1], int(match[2] or 0)
        if kind == "U":
            piece = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        elif kind == "S":
            piece = " ".join(self._random.sample(_WORDS, min(size, len(_WORDS))))
        elif kind == "p":
            letters = self._random.choices(_CHARSETS["a"] + _SIGNS, k=size - 2)
            piece = "k7" + "".join(letters)
        else:
            piece = "".join(self._random.choices(_CHARSETS[kind], k=size))
        self.pieces.append(piece)
        return piece

    def longest(self) -> tuple[str, ...]:
        """Return the pieces that are about as long as the longest one."""
        most = max(map(len, self.pieces))
        return tuple(piece for piece in self.pieces if len(piece) > 0.6 * most)


def cases(seed: int = 1) -> Iterator[Case]:
    filler = _Filler(seed)
    formats = [line.split(" ", 1) for line in _lines("formats.txt")]
    names = [line.split(" ") for line in _lines("names.txt")]
    for location in _lines("locations.txt"):
        is_telling = location.startswith("+")
        for name, rest in formats:
            template = re.sub(r" [\w./-]+(?:: .*)?$", "", rest)
            yield _locate("marked", name, template, NEUTRAL, location, filler)
            if is_telling:
                yield _locate("named", name, template, TELLING, location, filler)
        for variable, template, *_ in names:
            if is_telling:
                yield _locate("name-only", variable, template, variable, location, filler)
    for line in _lines("structured.txt"):
        field, around = line.split(" ", 1)
        command, _, output = around.rpartition(" :: ")
        text = filler.fill(_unescape(output) if field != "arguments" else output)
        yield Case("structured", line, field, command, text, filler.longest())


def _lines(name: str) -> list[str]:
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _unescape(text: str) -> str:
    for escape, character in (("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t"), ("\\x1b", "\x1b")):
        text = re.sub(rf"(?<!\\){re.escape(escape)}", character, text)
    return text.replace("\\\\", "\\")


def _locate(  # noqa: PLR0917 - what a case is made of
    kind: str, name: str, template: str, variable: str, location: str, filler: _Filler
) -> Case:
    field, around = location[2:].split(" ", 1)
    secret = filler.fill(template)
    pieces = filler.longest()
    if "B64" in around:
        pieces = (base64.b64encode(secret.encode()).decode(),)

    def insert(text: str) -> str:
        words = {"SECRET": secret, "B64": base64.b64encode(secret.encode()).decode()}
        words |= {"NAME": variable, "name": variable.lower()}
        return re.sub(_WORDS_TO_REPLACE, lambda match: words[match[0]], text)

    if field == "arguments":
        text = json.dumps(_map_texts(json.loads(around), insert))
    else:
        text = insert(_unescape(around))
    return Case(kind, f"{name}: {around}", field, "", text, pieces)


def _map_texts(value: Any, function: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return function(value)
    if isinstance(value, list):
        return [_map_texts(element, function) for element in value]
    return {
        (function(f"{key}: SECRET").partition(":")[0] if key in ("name", "NAME") else key):
        _map_texts(member, function)
        for key, member in value.items()
    }  # fmt: skip
