"""Our `dataclass` does what that of the standard library does."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, astuple, field, fields, replace
from typing import Any

import pytest

from opensync_hooks.dataclass import dataclass


def classes(decorator: Callable[..., Any]) -> dict[str, Any]:
    """Return the same classes, made by one decorator or the other."""

    @decorator(frozen=True, slots=True)
    class Tag:
        word: str

    @decorator(frozen=True, slots=True)
    class Value:
        """Has every kind of field."""

        name: str
        tag: Tag | None = None
        counts: dict[str, int] = field(default_factory=dict)
        secret: str = field(default="", repr=False)
        cache: int = field(default=0, compare=False)

        @property
        def shout(self) -> str:
            return self.name.upper()

    @decorator(slots=True)
    class Changeable:
        size: int
        doubled: int = 0

        def __post_init__(self) -> None:
            self.doubled = self.size * 2

    @decorator(frozen=True)
    class Base:
        first: int = 1

    @decorator(frozen=True)
    class Derived(Base):
        second: int = 2

    @decorator(frozen=True, eq=False)
    class Unique:
        number: int

    @decorator(frozen=True, slots=True)
    class Special:
        text: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Special) and self.text.lower() == other.text.lower()

        def __hash__(self) -> int:
            return hash(self.text.lower())

        def __repr__(self) -> str:
            return f"<{self.text}>"

    @decorator(slots=True)
    class Empty:
        pass

    return {name: value for name, value in locals().items() if isinstance(value, type)}


OURS, STANDARD = classes(dataclass), classes(dataclasses.dataclass)


def outcome(use: Callable[[Any], object], classes: dict[str, Any]) -> object:
    """Return what a use gives, by its repr, or the type of the error that it raises."""
    try:
        return repr(use(type("Classes", (), classes)))
    except Exception as error:  # noqa: BLE001 - the point is which
        return type(error)


USES: dict[str, Callable[[Any], object]] = {
    "positional": lambda c: c.Value("a", c.Tag("b"), {"c": 1}, "hidden", 3),
    "keywords": lambda c: c.Value(counts={"c": 1}, name="a"),
    "defaults": lambda c: astuple(c.Value("a")),
    "own default for each object": lambda c: c.Value("a").counts is c.Value("b").counts,
    "missing argument": lambda c: c.Value(),
    "unknown argument": lambda c: c.Value("a", size=1),
    "too many arguments": lambda c: c.Tag("a", "b"),
    "same argument twice": lambda c: c.Tag("a", word="b"),
    "equal": lambda c: c.Value("a") == c.Value("a"),
    "different": lambda c: c.Value("a") == c.Value("a", counts={"b": 1}),
    "ignored in comparisons": lambda c: c.Value("a", cache=1) == c.Value("a", cache=2),
    "other class": lambda c: c.Tag("a") == ("a",),
    "base and derived": lambda c: c.Base(1) == c.Derived(1),
    "in a set": lambda c: len({c.Tag("a"), c.Tag("a"), c.Tag("b")}),
    "unhashable field": lambda c: hash(c.Value("a")),
    "changeable has no hash": lambda c: hash(c.Changeable(1)),
    "identity": lambda c: c.Unique(1) == c.Unique(1),
    "identity in a set": lambda c: len({c.Unique(1), c.Unique(1)}),
    "methods of its own": lambda c: (c.Special("A") == c.Special("a"), {c.Special("A")}),
    "assigned": lambda c: setattr(c.Tag("a"), "word", "b"),
    "assigned, not a field": lambda c: setattr(c.Base(), "other", "b"),
    "deleted": lambda c: delattr(c.Tag("a"), "word"),
    "assigned, not frozen": lambda c: setattr(c.Changeable(1), "size", 2),
    "no other attributes": lambda c: setattr(c.Changeable(1), "other", 2),
    "computed after": lambda c: c.Changeable(4),
    "inherited fields": lambda c: c.Derived(second=3),
    "empty": lambda c: (c.Empty(), c.Empty() == c.Empty()),
    "property": lambda c: c.Value("a").shout,
    "replace": lambda c: replace(c.Value("a"), name="b", cache=2),
    "replace what is not there": lambda c: replace(c.Tag("a"), size=1),
    "as a dictionary": lambda c: asdict(c.Value("a", counts={"b": 2})),
    "names": lambda c: [each.name for each in fields(c.Derived)],
    "matched": lambda c: c.Value.__match_args__,
    "slots": lambda c: (c.Value.__slots__, hasattr(c.Value("a"), "__dict__")),
    "documentation": lambda c: c.Value.__doc__,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_it_does_what_the_standard_one_does(use: Callable[[Any], object]) -> None:
    assert outcome(use, OURS) == outcome(use, STANDARD)


def test_no_frozen_object_can_be_changed() -> None:
    tag = OURS["Tag"]("a")
    with pytest.raises(FrozenInstanceError, match="word"):
        tag.word = "b"
    assert tag == OURS["Tag"]("a")


def test_no_method_is_compiled_while_a_module_is_imported() -> None:
    code = (
        "import dataclasses; from opensync_hooks.dataclass import dataclass\n"
        "dataclasses.exec = lambda *_: print('compiled')\n"
        "@dataclass(frozen=True, slots=True)\n"
        "class Value:\n    name: str\n"
        "print(Value('a').name)\n"
    )
    command = [sys.executable, "-c", code]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert completed.stdout == "a\n"
