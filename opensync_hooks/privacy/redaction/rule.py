"""What a row of the table is: one format of secrets, how it is found, and examples that prove it.

Time stays linear by three rules: a pattern begins with letters of its own, what it repeats without
limit it never gives back, and where it can fail after that, it starts at a boundary only. Repeats
that never give back are atomic groups, `(?>a+)`: CPython before 3.11.5 compiles possessive
quantifiers wrongly (python/cpython#106052), and secrets would go out without any error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

ALNUM = "A-Za-z0-9"
UPPER = "A-Z0-9"
LOWER = "a-z0-9"
HEX = "a-f0-9"
URLSAFE = "-A-Za-z0-9_"
BASE64 = "-A-Za-z0-9+/=_"

QUOTE = r"(?:(?=[\"'`\\&])(?:(?>\\*)[\"'`]|(?>\\+)u002[27]|&quot;|&#3[49];))"
"""A quote, escaped as often as texts lie within texts."""
NEWLINE = r"(?:\\?\r?\n|(?>\\+)n|(?>\\+)r(?>\\+)n)"
"""The end of a line, also as JSON writes it, also behind a backslash."""
_INDENT = r"(?>(?:[ \t>|+#*]|(?>\\+)t){0,40})"
_JOINT = r"(?>[ \t]{0,4})[+.\\]?(?>[ \t]{0,4})"
FOLD = rf"{_JOINT}{NEWLINE}{_INDENT}"
BREAK = (
    rf"(?:(?>\\*)[\"']{_JOINT}{NEWLINE}{_INDENT}(?>\\*)[\"']|(?>[ \t]{{0,4}}){NEWLINE}{_INDENT})"
)
"""How tools fold a long word: a new line, between quotes, quoted, indented."""
BREAK_BACKWARDS = (
    r"(?:[\"'](?>\\*))?(?>(?:[ \t>|+#*]|t(?>\\+)){0,40})(?:\n\r?\\?|n(?>\\+)(?:r(?>\\+))?)"
    rf"(?:{_JOINT}[\"'](?>\\*)|(?>[ \t]{{0,4}}))"
)
"""The same for a pattern of what stands before a find: there the text is read backwards."""
CUT = r"(?=\s{0,2}(?:\Z|…|\.{3}|[\[(<]\s?(?:cut|trunc|…)))"
"""What follows a word that was cut short."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text with a secret in it. Made from pieces, or those who look for secrets here find one."""

    secret: str
    before: str = ""
    after: str = ""

    @property
    def text(self) -> str:
        return self.before + self.secret + self.after


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` finds the secret; of a longer find, its last named group is the secret."""

    kind: str
    keywords: tuple[str, ...]
    """A text without any of them is not searched; the gate says how they are written."""
    pattern: str
    examples: tuple[Example, ...]
    allowlist: tuple[str, ...]
    """Texts that look alike and stay as they are."""
    casefold: bool = False
    """Clues and pattern are compared with the text in lower case."""
    prefix_pattern: str = ""
    """What stands before a find and belongs to it; a pattern for the text read backwards."""
    prefix_max: int = 64
    """How far back that can be."""


def token(  # noqa: PLR0913 - a row of the table has as many columns
    kind: str, prefixes: str, size: int, letters: str, allowlist: str, *, word: bool = False
) -> Iterator[Rule]:
    """Fixed letters, then at least `size` letters out of a set; of one cut short, at least eight.

    `word`: the fixed letters are so plain that they count only where a word begins.
    """
    for _, alike in groupby(prefixes.split(), key=lambda prefix: prefix[:2]):
        group = list(alike)  # with letters in common, a pattern is looked for much faster
        begins = [re.escape(prefix) for prefix in group]
        begin = "|".join(begin + (at_word(begin) if word else "") for begin in begins)
        yield Rule(
            kind,
            tuple(clue(prefix) for prefix in group),
            f"(?:{begin}){body(letters, size, 16 if word else 8)}",
            tuple(Example(prefix + fill(letters, size)) for prefix in group),
            (allowlist,),
        )


def clue(prefix: str) -> str:
    """The first word of a prefix; it is the beginning of one where letters follow at once."""
    first = re.match(r"[A-Za-z0-9]+", prefix)
    word = first[0] if first else prefix
    return word + "*" if word == prefix else word


def at_word(start: str, letters: str = ALNUM) -> str:
    """Behind `start`: it began a word, perhaps after an escape, a colour of the terminal, a %3D.

    `letters` are those that a find may hold: with fewer, one long find is begun over and over.
    """
    before = (rf"(?<![{letters}]{start})", rf"(?<=\\[nrt]{start})", rf"(?<=%..{start})")
    colours = (rf"(?<=[\[;]\dm{start})", rf"(?<=[\[;]\d\dm{start})")
    return f"(?:{'|'.join((*before, *colours))})"


def body(letters: str, size: int, cut: int = 8) -> str:
    """At least `size` letters of a set; or as many, folded; or at least `cut`, and there an end."""
    one, half = f"[{letters}]", (size + 1) // 2
    whole = f"(?>{one}{{{size},}}){rest(letters)}"
    more = f"(?>(?:{BREAK}(?>{one}{{16,}})){{0,4}})" if size >= 60 else ""
    late = f"(?>{one}{{4,}}){BREAK}(?>{one}{{{half},}})"
    early = f"(?>{one}{{{half},}}){BREAK}(?>{one}{{4,}})"
    torn = f"(?>{one}{{{min(cut, size)},}})(?:{BREAK}(?>{one}+))?{CUT}"
    return f"(?:{whole}|(?:{late}|{early}){more}|{torn})"


def run(letters: str, least: int, most: int, fold: str = BREAK) -> str:
    """So many letters of a set, perhaps folded once."""
    one = f"[{letters}]"
    return f"(?:{one}{{1,{most - 1}}}{fold}{one}{{1,{most}}}|{one}{{{least},{most}}})"


def part(letters: str, least: int, most: int) -> str:
    """As `body`, but a line may end near its beginning as well."""
    return f"(?:{body(letters, least)}|{run(letters, least, most)})"


def between(sign: str) -> str:
    """A sign between two parts; on either side of it a line may end."""
    return f"(?:{BREAK})?{sign}(?:{BREAK})?"


def rest(letters: str) -> str:
    """The next line's word, where it goes on with a value: it has a digit and is no name."""
    return (
        rf"(?>(?:{BREAK}(?=(?>[^\s0-9]{{0,60}})[0-9])(?>[{letters}]{{6,}})"
        rf"(?![\w\[({{]|[ \t]?(?:[=:]|\\*[\"']\s?:)|[-./@!$~]\w))?)"
    )


_FILLING = "4kQ7xB2mZ9"


def fill(letters: str, size: int) -> str:
    """So many letters of the set, the same every time."""
    allowed = "".join(re.findall(f"[{letters}]", _FILLING)) or "0"
    return (allowed * size)[:size]
