"""Measure recall: `python -m tests.privacy.corpus [--misses] [KIND ...]`."""

from __future__ import annotations

import sys
from collections import Counter

from tests.privacy.corpus import cases
from tests.privacy.corpus.cleaning import clean


def main(arguments: list[str]) -> None:
    shows_misses = "--misses" in arguments
    kinds = {argument for argument in arguments if not argument.startswith("-")}
    totals, masked = Counter[str](), Counter[str]()
    for case in cases():
        if kinds and case.kind not in kinds:
            continue
        totals[case.kind] += 1
        output = clean(case)
        if not case.leaks(output):
            masked[case.kind] += 1
        elif shows_misses:
            print(f"{case.kind}\t{case.name}\t{case.text!r}\t{output!r}")
    for kind, total in totals.items():
        print(f"{kind}: {masked[kind]} of {total}, {100 * masked[kind] / total:.2f} %")


if __name__ == "__main__":
    main(sys.argv[1:])
