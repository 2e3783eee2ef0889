"""`python -m tests.faults`: creates the tests' environment if needed, then runs the trials."""

from __future__ import annotations

import importlib.util
import os
import sys

from tests.__main__ import PYTHON, make_environment


def main() -> int:
    if importlib.util.find_spec("filelock") is None:
        make_environment()
        os.execv(PYTHON, [str(PYTHON), "-m", "tests.faults", *sys.argv[1:]])  # noqa: S606
    from tests.faults.clock import CLOCK  # noqa: PLC0415 - before anything that asks for the time

    CLOCK.install()
    from tests.faults import program  # noqa: PLC0415

    return program.main()


if __name__ == "__main__":
    raise SystemExit(main())
