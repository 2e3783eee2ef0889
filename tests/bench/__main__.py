"""What the package costs, as ratios: `python -m tests.bench [--only NAME ...] [--quick]`.

Each figure is divided by another of the same run, because machines differ and may be busy. Nothing
here fails because something was slow; the tests of costs are beside what they test.
"""

from __future__ import annotations

import argparse
import importlib
import sys

NAMES = (
    "hooks",
    "turns",
    "long_sessions",
    "bulk",
    "databases",
    "rows",
    "redaction",
    "store",
    "starts",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME",
                        help="of: " + ", ".join(NAMES))  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="smaller inputs, fewer repetitions")
    options = parser.parse_args()
    for name in options.only:
        print(f"\n{name}", flush=True)
        family = importlib.import_module(f"tests.bench.{name}")
        for row in family.measure(quick=options.quick):
            print(f"  {row}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
