"""Starts a Python process that outlives this one, and has this one ended if it hangs."""

import signal
import sys
from collections.abc import Mapping

from opensync_hooks.system import windows


def start_detached(code: str, argument: str, environ: Mapping[str, str]) -> None:
    """Run Python code that no signal to this process or its terminal reaches. Raises OSError."""
    command = [sys.executable, "-I", "-c", code, argument]
    if windows.IS_WINDOWS:
        windows.start_detached(command, environ)
        return
    import subprocess  # noqa: PLC0415 - 3 ms, and most processes start no other

    null = subprocess.DEVNULL
    process = subprocess.Popen(
        command, stdin=null, stdout=null, stderr=null, env=environ, start_new_session=True
    )
    process.returncode = 0  # else Python warns that nobody waits for it


def end_if_it_hangs(seconds: float) -> None:
    """Have the system end this process, unless it calls `heartbeat` at least so often.

    For a process that hangs where it cannot look at the time: in one long search, say. On Windows,
    nothing does this.
    """
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)


def heartbeat() -> None:
    """Tell that this process is at work; without `end_if_it_hangs`, nothing happens."""
    if sys.platform != "win32":
        _, seconds = signal.getitimer(signal.ITIMER_REAL)
        if seconds:
            signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
