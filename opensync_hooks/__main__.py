"""`python -m opensync_hooks` is the command `opensync-hooks`."""

from __future__ import annotations

import sys

from opensync_hooks.cli.main import main

_PACKAGES = ("filelock", "requests", "tomli_w")

try:
    code = main()
except ModuleNotFoundError as error:  # in a clone, before install.py has run
    if error.name not in _PACKAGES:
        raise
    sys.stderr.write(
        f"{sys.executable}: the package {error.name} is not installed for this Python.\n"
        "hint: run `python install.py` in the clone, and use the command that it makes.\n"
    )
    code = 1
raise SystemExit(code)
