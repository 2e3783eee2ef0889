"""Building blocks of the rules' patterns: character sets, quotes, and how tools break long words.

Matching time stays linear by three rules: a pattern begins with characters of its own; what it
repeats without limit it never gives back; and if it can fail after that, it starts only at a word's
boundary. Repeats that never give back are atomic groups, `(?>a+)`: CPython before 3.11.5 compiles
possessive quantifiers wrongly (python/cpython#106052), and secrets would go out without any error.
"""

from __future__ import annotations

ALNUM = "A-Za-z0-9"
UPPER = "A-Z0-9"
LOWER = "a-z0-9"
HEX = "a-f0-9"
URLSAFE = "-A-Za-z0-9_"
BASE64 = "-A-Za-z0-9+/=_"

QUOTE = r"(?:(?=[\"'`\\&])(?:(?>\\*)[\"'`]|(?>\\+)u002[27]|&quot;|&#3[49];))"
"""A quotation mark, escaped as often as texts are nested in texts."""
NEWLINE = r"(?:\\?\r?\n|(?>\\+)n|(?>\\+)r(?>\\+)n)"
"""The end of a line, also escaped as in JSON, also after a backslash."""
_INDENT = r"(?>(?:[ \t>|+#*]|(?>\\+)t){0,40})"
_JOINT = r"(?>[ \t]{0,4})[+.\\]?(?>[ \t]{0,4})"
FOLD = rf"{_JOINT}{NEWLINE}{_INDENT}"
BREAK = (
    rf"(?:(?>\\*)[\"']{_JOINT}{NEWLINE}{_INDENT}(?>\\*)[\"']"
    rf"|(?>[ \t]{{0,4}}){NEWLINE}{_INDENT})"
)
"""How tools break a long word: a new line, between quotes, quoted, indented."""
BREAK_REVERSED = (
    r"(?:[\"'](?>\\*))?(?>(?:[ \t>|+#*]|t(?>\\+)){0,40})(?:\n\r?\\?|n(?>\\+)(?:r(?>\\+))?)"
    rf"(?:{_JOINT}[\"'](?>\\*)|(?>[ \t]{{0,4}}))"
)
"""BREAK for a rule's `prefix_pattern`, which reads the text backwards."""
_WORD = r"(?>[A-Z]?[a-z]{1,40}|[A-Z]{1,40})(?![A-Za-z0-9])"
OWN_WORD = (
    rf"(?>{_WORD}(?:[-_./]{{1,4}}{_WORD}){{0,20}}[-_./]{{0,4}})"
    r"(?=[ \t]{1,8}[^\s]|[(\[{@]|[:=][ \t]?[^\s=]|[^\x00-\x7f])"
)
"""Words at the beginning of a line that goes on: a command, a name or a sentence of its own."""
CUT = r"(?=\s{0,2}(?:\Z|…|\.{3}|[\[(<]\s?(?:cut|trunc|…)))"
"""The end of a truncated text, after the first part of a word."""


def at_word(start: str, charset: str = ALNUM) -> str:
    """Match after `start` if a word began with it, also after an escape, a colour code or a %3D.

    `charset` holds the characters of the secret: with fewer, one long word is tried over and over.
    """
    plain = (rf"(?<![{charset}]{start})", rf"(?<=\\[nrt]{start})", rf"(?<=%..{start})")
    colours = (rf"(?<=[\[;]\dm{start})", rf"(?<=[\[;]\d\dm{start})")
    return f"(?:{'|'.join((*plain, *colours))})"


def body(charset: str, min_length: int, min_cut_length: int = 8) -> str:
    """Match `min_length` characters or more, also broken over lines, or the start of a cut word.

    Of a token in two lines the first half is enough where the next line begins with a word.
    """
    char, half = f"[{charset}]", (min_length + 1) // 2
    complete = f"(?>{char}{{{min_length},}}){rest(charset)}"
    more_lines = f"(?>(?:{BREAK}(?>{char}{{16,}})){{0,4}})" if min_length >= 60 else ""
    late = f"(?>{char}{{4,}}){BREAK}(?!{OWN_WORD})(?>{char}{{{half},}})"
    early = f"(?>{char}{{{half},}})(?={BREAK}{char}{{4}})(?:{BREAK}(?!{OWN_WORD})(?>{char}{{4,}}))?"
    cut = f"(?>{char}{{{min(min_cut_length, min_length)},}})(?:{BREAK}(?>{char}+))?{CUT}"
    return f"(?:{complete}|(?:{late}|{early}){more_lines}|{cut})"


def run(charset: str, min_length: int, max_length: int, line_break: str = BREAK) -> str:
    """Match so many characters of a set, broken over two lines at most."""
    char = f"[{charset}]"
    enough = f"(?=(?>(?:{char}|{line_break}){{{min_length}}}))"
    broken = f"{enough}{char}{{1,{max_length - 1}}}{line_break}{char}{{1,{max_length}}}"
    return f"(?:{broken}|{char}{{{min_length},{max_length}}})"


def part(charset: str, min_length: int, max_length: int) -> str:
    """Match as `body` does, also where a line ends near the beginning."""
    return f"(?:{body(charset, min_length)}|{run(charset, min_length, max_length)})"


def between(separator: str) -> str:
    """Match what separates two parts; a line may end on either side of it."""
    return f"(?:{BREAK})?{separator}(?:{BREAK})?"


def rest(charset: str) -> str:
    """Match the first word of the next line if it continues a value: it has a digit, is no name."""
    return (
        rf"(?>(?:{BREAK}(?=(?>[^\s0-9]{{0,60}})[0-9])(?![A-Za-z_][\w.-]{{0,60}}=[^\s=\"'\\])"
        rf"(?>[{charset}]{{6,}})"
        rf"(?![\w\[({{]|[ \t]?(?:[=:]|\\*[\"']\s?:)|[-./@!$~]\w))?)"
    )
