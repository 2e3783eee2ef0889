"""`doctor`: each check one line, with its cure."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from opensync_hooks.cli import doctor
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.doctor import bundle
from opensync_hooks.cli.doctor.finding import Finding
from opensync_hooks.system.terminal import coloured, print_line

_COLOURS = {"ok": "32", "warning": "33", "failed": "31"}
_NAME_WIDTH = 21


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one object for machines")
    parser.add_argument(
        "--bundle",
        nargs="?",
        const="",
        metavar="FILE",
        help="write a report for a bug, without content, secrets and your name; - prints it",
    )


def _doctor(arguments: argparse.Namespace) -> int:
    found = []
    for finding in doctor.examine():
        found.append(finding)
        if not arguments.json and arguments.bundle is None:
            print_line(_line(finding), coloured(f"{finding.state:<8}", _COLOURS[finding.state]))
    wrong = sum(finding.state == "failed" for finding in found)
    if arguments.bundle is not None:
        bundle.deliver(bundle.report(found), arguments.bundle)
    elif arguments.json:
        print(json.dumps({"failed": wrong, "checks": [asdict(one) for one in found]}, indent=2))
    return 1 if wrong else 0


def _line(finding: Finding) -> str:
    cure = f" {finding.cure}" if finding.cure else ""
    return f"{finding.check + ':':<{_NAME_WIDTH}}{finding.fact}{cure}"


DOCTOR = Command(
    "doctor",
    "look for what keeps sessions from arriving, and say what helps",
    _doctor,
    _arguments,
    "opensync-hooks doctor --bundle report.json",
)
