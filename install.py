"""Sets opensync-hooks up for this user: python install.py. --help says what else it does.

This file only finds a Python that is new enough; opensync_hooks/setup does the work. Every
Python since 2.7 has to be able to read all of it, or it could not say which one is needed.
"""

from __future__ import print_function

import os
import subprocess
import sys

NEEDED = (3, 11)
NAMES = ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python")
ASK = "import sys; print(sys.executable if sys.version_info >= %r else '')" % (NEEDED,)


def main(argv):
    if sys.version_info >= NEEDED:
        return set_up(argv)
    found = newer_python(os.environ.get("PATH", os.defpath))
    if found is None:
        print(advice(), file=sys.stderr)
        return 1
    print("This is Python %s, which is too old; going on with %s." % (version(), found))
    sys.stdout.flush()
    command = [found, os.path.abspath(__file__)]
    command.extend(argv)
    return subprocess.call(command)


def set_up(argv):
    root = os.path.dirname(os.path.abspath(__file__))
    sys.dont_write_bytecode = True  # the clone stays as it was
    sys.path.insert(0, root)
    from opensync_hooks import setup  # noqa: PLC0415 - no old Python could read it

    return setup.from_clone(root, argv)


def newer_python(path):
    """The first Python on PATH that is new enough, by its own word: some names are mere shims."""
    for name in NAMES:
        for folder in path.split(os.pathsep):
            program = os.path.join(folder, name)
            if folder and os.access(program, os.X_OK) and not os.path.isdir(program):
                found = ask(program)
                if found:
                    return found
    return None


def ask(program):
    try:
        asked = subprocess.Popen(
            [program, "-c", ASK], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        said = asked.communicate()[0].decode("utf-8", "replace").strip()
    except OSError:
        return None
    return said if asked.returncode == 0 else None


def advice():
    needed = "%d.%d" % NEEDED
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
