"""The command as it is installed: it runs with this package's own modules, whatever is set.

A module of the user's that is called like one of ours or of the standard library would be imported
instead, if PYTHONPATH leads to it. Hence only `sys` and `os`, which every interpreter has loaded,
are imported before the command is isolated. In install.py's environment it is from the start.
"""

import os
import sys


def main() -> int:
    """Run the command line, in an isolated interpreter where the present one is not."""
    if is_exposed():
        arguments = [sys.executable, "-I", "-m", "opensync_hooks", *sys.argv[1:]]
        if sys.platform != "win32":
            os.execv(sys.executable, arguments)  # noqa: S606 - our own Python
        return os.spawnv(os.P_WAIT, sys.executable, arguments)  # noqa: S606 - exec would detach it
    from opensync_hooks.cli.main import main as run  # noqa: PLC0415 - only when it is isolated
    from opensync_hooks.system.terminal import end_process  # noqa: PLC0415

    return end_process(run())


def is_exposed() -> bool:
    """Whether foreign modules may come first.

    Not where an isolated interpreter would not find this package either: in a clone, and among the
    user's own packages.
    """
    is_installed = __file__.startswith(sys.prefix) and "-packages" in __file__
    return bool(os.environ.get("PYTHONPATH")) and is_installed and not sys.flags.isolated
