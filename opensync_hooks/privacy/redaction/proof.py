"""Prove that a pattern works in this process before anything relies on it.

An interpreter has compiled patterns wrongly before, without any error (python/cpython#106052).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from opensync_hooks.errors import RedactionError
from opensync_hooks.privacy.redaction.patterns import ALNUM, HEX
from opensync_hooks.privacy.redaction.rule import Rule, Span, fill

_TOKEN = "ghp_" + fill(ALNUM, 36)
_VALUE = fill(ALNUM, 16)
_HASH = fill(HEX, 32) + "-us12"


class PlantedSecret(NamedTuple):
    """A text that redaction has to change, and the part of it that must not survive."""

    mechanism: str
    secret: str
    text: str


PLANTED = (
    PlantedSecret("token prefix", _TOKEN, f"see {_TOKEN} there"),
    PlantedSecret("broken line", _TOKEN[-16:], f"see {_TOKEN[:-16]}\n    {_TOKEN[-16:]} there"),
    PlantedSecret("cut line", _TOKEN[:24], f"see {_TOKEN[:24]}…"),
    PlantedSecret("structure", _HASH, f"see {_HASH} there"),
)
"""Secrets of which every process masks one of each before it sends anything."""
# One kind of name only: each further one takes several milliseconds to compile.
PLANTED_NAMED = (
    PlantedSecret("name", _VALUE, f"export ACCESSKEY={_VALUE}"),
    PlantedSecret("quoted name", _VALUE, f"config['accessKey'] = '{_VALUE}'"),
    PlantedSecret("qualified name", _VALUE, f"ACCESSKEY_PROD={_VALUE}"),
    PlantedSecret("setter", _VALUE, f'setx ACCESSKEY "{_VALUE}"'),
    PlantedSecret("property", _VALUE, f'string AccessKey {{ get; set; }} = "{_VALUE}";'),
    PlantedSecret("name, broken line", _VALUE[8:], f"ACCESSKEY={_VALUE[:8]}\n    {_VALUE[8:]}"),
    PlantedSecret("quotes, broken line", _VALUE[8:], f'accessKey = "{_VALUE[:8]}\n  {_VALUE[8:]}"'),
    PlantedSecret("URL query", _VALUE, f"https://example.org/?access_key={_VALUE}&x=1"),
    PlantedSecret("HTML attribute", _VALUE, f"{{&quot;accessKey&quot;: &quot;{_VALUE}&quot;}}"),
    PlantedSecret("table", _VALUE, f"id,accessKey\n1,{_VALUE}\n"),
    PlantedSecret("JSON within JSON", _VALUE, json.dumps(json.dumps({"accessKey": _VALUE}))),
)
"""Secrets that a process masks before it relies on names."""


def require(planted: Iterable[PlantedSecret], redact: Callable[[str], str]) -> None:
    """Raise RedactionError if a planted secret survives."""
    survivors = [
        secret.mechanism
        for secret in planted
        if (masked := redact(secret.text)) == secret.text or secret.secret in masked
    ]
    if survivors:
        raise _unreliable(", ".join(survivors))


def require_rule(rule: Rule, find_spans: Callable[[Rule, str], Iterable[Span]]) -> None:
    """Raise RedactionError unless the rule finds the secret in each of its own examples."""
    for example in rule.examples:
        text = example.text.lower() if rule.casefold else example.text
        start = len(example.before)
        end = start + len(example.secret)
        if not any(first <= start and end <= last for first, last, _ in find_spans(rule, text)):
            raise _unreliable(rule.kind)


def _unreliable(mechanisms: str) -> RedactionError:
    python = ".".join(map(str, sys.version_info[:3]))
    return RedactionError(
        f"Secrets are not masked reliably under Python {python} ({mechanisms}), "
        "so nothing is sent.",
        "Install with another Python, such as `uv python install 3.13`, and report this.",
    )
