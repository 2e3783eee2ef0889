"""Starts a Python process that outlives this one."""

import subprocess
import sys
from collections.abc import Mapping

_DETACHED = 0x00000008 | 0x00000200 | 0x01000000  # no console, own group, outside of the job object


def start_detached(code: str, argument: str, environ: Mapping[str, str]) -> None:
    """Run Python code that no signal to this process or its terminal reaches. Raises OSError."""
    null = subprocess.DEVNULL
    is_windows = sys.platform == "win32"
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", code, argument],
        stdin=null,
        stdout=null,
        stderr=null,
        env=dict(environ),
        start_new_session=not is_windows,
        creationflags=_DETACHED if is_windows else 0,
    )
    process.returncode = 0  # else Python warns that nobody waits for it
