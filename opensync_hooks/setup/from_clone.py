"""Build the private environment from a clone, then let it install itself; install.py runs this.

The rest is `opensync-hooks install` in that environment. Only the standard library is imported
here, as by all of the setup: the Python that runs install.py may have nothing else.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from opensync_hooks.errors import OpenSyncError, as_opensync_error
from opensync_hooks.setup import environment, options, plugin_worker, uninstall, user_data
from opensync_hooks.setup.install import check_settings_files, preview
from opensync_hooks.setup.installation import Installation
from opensync_hooks.system.terminal import (
    INTERRUPTED,
    print_error,
    print_line,
    print_row,
    short_path,
    survive_missing_characters,
    surviving_closed_output,
)


def main(root: str, argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Install, preview or uninstall from the clone at `root`; returns the exit code."""
    survive_missing_characters()
    with surviving_closed_output():
        try:
            if argv == [plugin_worker.OPTION]:
                plugin_worker.build_and_start(Path(root), environ)
            arguments = options.parse(argv)
            if arguments.uninstall:
                return uninstall.uninstall(arguments, environ)
            return _install(Path(root), argv, arguments, environ)
        except (OpenSyncError, OSError) as error:
            return print_error(as_opensync_error(error))
        except (KeyboardInterrupt, EOFError):
            sys.stderr.write("\nInterrupted. Run the same command again to continue.\n")
            return INTERRUPTED


def _install(
    root: Path, argv: Sequence[str], arguments: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    if arguments.dry_run:
        return _preview(root, arguments, environ)
    planned = _planned(environment.current(root, environ), environ)
    check_settings_files(planned, arguments, environ)
    with environment.only_installation(environ):
        existing = environment.current(root, environ)
        if existing is None:
            text = "Building a private Python environment. The first time, this takes a minute."
            print_line(text)
            existing = environment.build(root, environ)
        python = str(environment.python(existing))
        code = _run([python, "-I", "-m", "opensync_hooks", "install", *argv], environ)
        if code == 0:
            user_data.remove_other_environments(existing, environ, environ)
        return code


def _planned(existing: Path | None, environ: Mapping[str, str]) -> Installation:
    """Return the installation as it is, or as it will be once it is built."""
    link = existing or environment.link(environ)
    package = environment.package(link, exists=existing is not None)
    return Installation(environment.python(link), package)


def _preview(root: Path, arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    existing = environment.current(root, environ)
    version = f"Python {platform.python_version()} ({sys.executable})"
    state = "is up to date" if existing else f"would be built with {version}"
    print_row("Environment", f"{short_path(existing or environment.link(environ))} {state}")
    return preview(_planned(existing, environ), arguments, environ)


def _run(command: list[str], environ: Mapping[str, str]) -> int:
    """Run a command that Ctrl-C reaches as well: it finishes its step and reports by itself."""
    with subprocess.Popen(command, env=dict(environ)) as process:
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGINT, previous)
