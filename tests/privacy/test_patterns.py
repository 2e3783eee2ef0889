"""Every pattern means the same to every Python that the package can be installed into."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.privacy.redaction.table import RULES

ROOT = Path(__file__).parents[2]
SOURCES = [*ROOT.glob("opensync_hooks/**/*.py"), *ROOT.glob("hooks/*.py"), ROOT / "install.py"]


def possessive_quantifiers(pattern: str) -> list[str]:
    """The quantifiers of a pattern that never give back: `*+`, `++`, `?+`, `{m,n}+`."""
    without_escapes = re.sub(r"(?s)\\.", "a", pattern)
    without_classes = re.sub(r"\[\^?\]?[^\]]*\]", "a", without_escapes)
    return re.findall(r"(?:[*+?]|\{[\d,]+\})\+", without_classes)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a*+", ["*+"]), ("a++", ["++"]), ("a?+", ["?+"]), ("a{2}+", ["{2}+"]),
        ("a{,3}+", ["{,3}+"]), ("a{2,}+", ["{2,}+"]), ("(?:ab)?+c", ["?+"]), ("[a+]++", ["++"]),
        ("[]+]*+", ["*+"]), (r"\\++", ["++"]), (r"[^\]]?+", ["?+"]), (r"\]++[", ["++"]),
        ("a+", []), (r"\++", []), (r"\*+", []), (r"a\{2}+", []), ("[*+]", []), ("[^*++]+", []),
        (r"[\]*+]", []), ("[]*+]", []), ("(?>a+)+", []), ("a+?", []),
    ],
)  # fmt: skip
def test_possessive_quantifier_is_detected(pattern: str, expected: list[str]) -> None:
    assert possessive_quantifiers(pattern) == expected


def test_no_rule_has_a_possessive_quantifier() -> None:
    """CPython before 3.11.5 compiles them wrongly (python/cpython#106052, #100061).

    A secret then goes out unmasked, without any error.
    """
    for one in RULES:
        for pattern in (one.pattern, one.prefix_pattern):
            assert not possessive_quantifiers(pattern), (one.kind, pattern)


def strings(tree: ast.AST) -> Iterator[str]:
    """Every string in the source, with a 0 in place of what an f-string inserts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "0" for part in node.values)
            yield "".join(map(str, parts))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_string_in_the_sources_has_a_possessive_quantifier(path: Path) -> None:
    for text in strings(ast.parse(path.read_text("utf-8"))):
        assert not possessive_quantifiers(text), text
