"""`doctor`: prints one line per check, with its fix."""

import argparse
import json
from dataclasses import asdict

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.doctor import bundle
from opensync_hooks.cli.doctor.checks import run_checks
from opensync_hooks.system.terminal import coloured, print_line

_COLOURS = {"ok": "32", "warning": "33", "failed": "31"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--full", action="store_true", help="read all of a large store")
    parser.add_argument(
        "--bundle",
        nargs="?",
        const="",
        metavar="FILE",
        help="write a bug report without contents, secrets or your name; - prints it",
    )


def _doctor(arguments: argparse.Namespace) -> int:
    findings = []
    for finding in run_checks(is_full=arguments.full):
        findings.append(finding)
        if not arguments.json and arguments.bundle is None:
            state = coloured(f"{finding.state:<8}", _COLOURS[finding.state])
            print_line(f"{finding.check + ':':<21}{finding.fact} {finding.cure}".rstrip(), state)
    failures = sum(finding.state == "failed" for finding in findings)
    if arguments.bundle is not None:
        bundle.write(bundle.report(findings), arguments.bundle)
    elif arguments.json:
        checks = [asdict(finding) for finding in findings]
        print(json.dumps({"failed": failures, "checks": checks}, indent=2))
    return 1 if failures else 0


DOCTOR = Command(
    "doctor",
    "check everything that can keep sessions from arriving",
    _doctor,
    "opensync-hooks doctor --bundle report.json",
    _add_arguments,
)
