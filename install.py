"""Installs opensync-hooks for this user: python install.py. --help lists the options.

This file only finds a Python that is new enough; opensync_hooks/setup does the work. Every Python
since 2.7 has to be able to parse all of it, or it could not say which version is needed.
"""

from __future__ import print_function

import os
import subprocess
import sys

MIN_VERSION = (3, 11)
NAMES = ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python", "py")
SUFFIX = ".exe" if os.name == "nt" else ""  # `py` is Windows' launcher, which starts the newest one
INCOMPLETE = (
    "install.py needs the rest of its repository beside it. Nothing was changed.\n"
    "hint: clone the repository, or unpack it, and run install.py there"
)
PROBE = "import sys; print(sys.executable if sys.version_info >= %r else '')" % (MIN_VERSION,)


def main(argv):
    script = os.path.abspath(globals().get("__file__", "install.py"))  # none if it comes by a pipe
    if not os.path.isfile(os.path.join(os.path.dirname(script), "opensync_hooks", "__init__.py")):
        print(INCOMPLETE, file=sys.stderr)
        return 1
    if sys.version_info >= MIN_VERSION:
        return set_up(os.path.dirname(script), argv)
    python = find_newer_python(os.environ.get("PATH", os.defpath))
    if python is None:
        print(advice(), file=sys.stderr)
        return 1
    print("This is Python %s, which is too old; continuing with %s." % (version(), python))
    sys.stdout.flush()
    command = [python, script]
    command.extend(argv)
    return subprocess.call(command)


def set_up(root, argv):
    sys.dont_write_bytecode = True  # the clone stays as it was
    sys.path.insert(0, root)
    from opensync_hooks.setup import from_clone  # noqa: PLC0415 - no old Python could parse it

    return from_clone.main(root, argv)


def find_newer_python(path):
    """Return the first Python on PATH that says it is new enough; some names are mere shims."""
    for name in NAMES:
        for folder in path.split(os.pathsep):
            program = os.path.join(folder, name + SUFFIX)
            if folder and os.access(program, os.X_OK) and not os.path.isdir(program):
                python = probe(program)
                if python:
                    return python
    return None


def probe(program):
    """Return the path of the interpreter; empty or None if it is too old or does not run."""
    try:
        process = subprocess.Popen(
            [program, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output = process.communicate()[0].decode("utf-8", "replace").strip()
    except OSError:
        return None
    return output if process.returncode == 0 else None


def advice():
    needed = "%d.%d" % MIN_VERSION
    return (
        "opensync-hooks needs Python %s or newer; this is Python %s (%s). Nothing was changed.\n"
        "hint: get one from https://www.python.org/downloads/, with `uv python install 3.12`, "
        "or from your system's package manager, and run install.py with it"
        % (needed, version(), sys.executable)
    )


def version():
    return ".".join(str(number) for number in sys.version_info[:3])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
