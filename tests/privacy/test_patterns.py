"""Every pattern means the same to every Python that the package can be installed into."""

from __future__ import annotations

import ast
import json
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.config.privacy_settings import possessive_quantifiers
from opensync_hooks.privacy.redaction.redactor import Redactor
from opensync_hooks.privacy.redaction.rule import Rule
from opensync_hooks.privacy.redaction.table import RULES
from tests.pythons import find_pythons

ROOT = Path(__file__).parents[2]
SOURCES = [*ROOT.glob("opensync_hooks/**/*.py"), *ROOT.glob("hooks/*.py"), ROOT / "install.py"]


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
    for rule in RULES:
        if isinstance(rule, Rule):
            for pattern in (rule.pattern, rule.prefix_pattern):
                assert not possessive_quantifiers(pattern), (rule.kind, pattern)


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


REDACT = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from opensync_hooks.privacy import self_test
from opensync_hooks.privacy.redaction.redactor import Redactor
from opensync_hooks.privacy.redaction.rule import Rule
self_test.check()
json.dump([Redactor().redact(text) for text in json.load(sys.stdin)], sys.stdout)
"""


def test_every_python_on_this_machine_masks_the_same() -> None:
    """An interpreter that compiles a pattern wrongly would send secrets without any error."""
    texts = [text for rule in RULES for text in rule.allowlist]
    for example in (example for rule in RULES for example in rule.examples):
        middle = len(example.before) + len(example.secret) // 2
        broken = example.text[:middle] + "\n    " + example.text[middle:]
        cut = example.text[: middle + 8] + "…"
        texts += [example.text, f"see {broken} there", cut, json.dumps({"a": json.dumps(broken)})]
    expected = [Redactor().redact(text) for text in texts]
    versions = find_pythons()
    assert platform.python_version() in versions
    for version, python in versions.items():
        process = subprocess.run(
            [python, "-I", "-c", REDACT],
            input=json.dumps(texts), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.stderr == "", version
        assert json.loads(process.stdout) == expected, version
