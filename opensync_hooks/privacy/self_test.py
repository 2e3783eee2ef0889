"""Prove in each process that redaction works, before anything leaves the machine.

An interpreter has compiled patterns wrongly before, without any error (python/cpython#106052).
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import NamedTuple

from opensync_hooks.errors import RedactionError
from opensync_hooks.privacy.redaction.patterns import ALNUM, HEX
from opensync_hooks.privacy.redaction.redactor import Redactor
from opensync_hooks.privacy.redaction.rule import fill

_TOKEN = "ghp_" + fill(ALNUM, 36)
_VALUE = fill(ALNUM, 16)
_HASH = fill(HEX, 32) + "-us12"
_KEY_LINE = fill(ALNUM, 64)
_KEY_TITLE = "RSA PRIVATE " + "KEY-----"


class PlantedSecret(NamedTuple):
    """A text that redaction has to change, and the part of it that must not survive."""

    mechanism: str
    secret: str
    text: str
    field: str = ""
    """The field that holds the text; its name may be what tells the secret."""


# One kind of name only: each further one takes several milliseconds to compile.
PLANTED = (
    PlantedSecret("token prefix", _TOKEN, f"see {_TOKEN} there"),
    PlantedSecret("broken line", _TOKEN[-16:], f"see {_TOKEN[:-16]}\n    {_TOKEN[-16:]} there"),
    PlantedSecret("cut line", _TOKEN[:24], f"see {_TOKEN[:24]}…"),
    PlantedSecret("structure", _HASH, f"see {_HASH} there"),
    PlantedSecret("name", _VALUE, f"export ACCESSKEY={_VALUE}"),
    PlantedSecret("quoted name", _VALUE, f"config['accessKey'] = '{_VALUE}'"),
    PlantedSecret("JSON within JSON", _VALUE, json.dumps(json.dumps({"accessKey": _VALUE}))),
    PlantedSecret("field name", _VALUE, _VALUE, field="accessKey"),
    PlantedSecret("HTTP header", _VALUE, f"Authorization: Basic {_VALUE}"),
    PlantedSecret("URL", _VALUE, f"postgres://me:{_VALUE}@db.example.org/orders"),
    PlantedSecret(
        "private key", _KEY_LINE, f"-----BEGIN {_KEY_TITLE}\n{_KEY_LINE}\n-----END {_KEY_TITLE}"
    ),
)


@cache  # successes only: an error is raised again by each call
def check() -> None:
    """Raise RedactionError if a planted secret survives redaction; once per process otherwise."""
    survivors = [planted.mechanism for planted in PLANTED if _survives(planted)]
    if survivors:
        python = ".".join(map(str, sys.version_info[:3]))
        raise RedactionError(
            f"Secrets are not masked reliably under Python {python} ({', '.join(survivors)}), "
            "so nothing is sent.",
            "Install with another Python, such as `uv python install 3.13`, and report this.",
        )


def _survives(planted: PlantedSecret) -> bool:
    redactor = Redactor()
    masked = redactor.redact_field(planted.field, planted.text)
    return planted.secret in masked or not redactor.counts
