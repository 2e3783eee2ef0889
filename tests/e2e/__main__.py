"""`python -m tests.e2e --newest`: play the end-to-end tests with the newest published agents.

Installs the agents into a temporary folder, with npm and pip, and prints each name that they write
and the package does not declare. Exits with 1 if a test fails, or if a needed name has gone.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.__main__ import PYTHON, ROOT, make_environment

NPM_PACKAGES = ("@anthropic-ai/claude-code@latest", "opencode-ai@latest")
SDK_TEXT = "@cursor/sdk/dist/bundled/index.js"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e", description=__doc__)
    parser.add_argument("--newest", action="store_true", required=True)
    parser.parse_args()
    if importlib.util.find_spec("pytest") is None:
        make_environment()
        os.execv(PYTHON, [str(PYTHON), "-m", "tests.e2e", *sys.argv[1:]])  # noqa: S606
    with tempfile.TemporaryDirectory(prefix="newest-agents-") as folder:
        return _play(Path(folder))


def _play(folder: Path) -> int:
    from tests.e2e import canary  # noqa: PLC0415 - needs the environment

    claude, opencode = _install_agents(folder / "npm")
    sdk_version, sdk_text = _install_sdk(folder / "sdk")
    played = folder / "played"
    has_passed = _run_tests(played, claude, opencode, folder / "sdk")
    comparisons = {
        f"Claude Code {_version(claude)}": canary.compare(
            canary.claude_code_names(played, claude),
            canary.CLAUDE_CODE_DECLARED,
            canary.CLAUDE_CODE_NEEDED,
        ),
        f"OpenCode {_version(opencode)}": canary.compare(
            canary.opencode_names(played), canary.OPENCODE_DECLARED, canary.OPENCODE_NEEDED
        ),
        f"Cursor SDK {sdk_version}": canary.compare(
            canary.cursor_names(sdk_text), canary.CURSOR_DECLARED, canary.CURSOR_NEEDED
        ),
    }
    for label, (new, gone) in comparisons.items():
        print(f"{label}: {len(new)} unknown, {len(gone)} gone")
        for name in new:
            print(f"  unknown: {name}")
        for name in gone:
            print(f"  gone:    {name}")
    has_gone = any(gone for _, gone in comparisons.values())
    return 0 if has_passed and not has_gone else 1


def _install_agents(folder: Path) -> tuple[Path, Path]:
    """Return the programs of Claude Code and OpenCode; each package has one for each processor."""
    folder.mkdir()
    install = ["npm", "install", "--loglevel=error", "--no-fund", "--no-audit", "--ignore-scripts"]
    subprocess.run([*install, *NPM_PACKAGES], cwd=folder, check=True)
    programs = (
        next(path for path in sorted(folder.glob(pattern)) if _starts(path))
        for pattern in (
            "node_modules/@anthropic-ai/claude-code-*/claude",
            "node_modules/opencode-*/bin/opencode",
        )
    )
    claude, opencode = programs
    return claude, opencode


def _starts(program: Path) -> bool:
    return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0


def _version(program: Path) -> str:
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return printed.stdout.split()[0]


def _install_sdk(folder: Path) -> tuple[str, str]:
    """Return the version of Cursor's SDK, and the text of its program."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "cursor-sdk"]
    subprocess.run([*command, "--target", str(folder)], check=True)
    (info,) = folder.glob("cursor_sdk-*.dist-info")
    (program,) = folder.rglob(SDK_TEXT)
    return info.name.removesuffix(".dist-info").partition("-")[2], program.read_text()


def _run_tests(played: Path, claude: Path, opencode: Path, cursor_sdk: Path) -> bool:
    """Play the tests with the real agents, and leave what these wrote below `played`."""
    environ = {
        **os.environ,
        "OPENSYNC_TEST_CLAUDE": str(claude),
        "OPENSYNC_TEST_OPENCODE": str(opencode),
        "OPENSYNC_TEST_CURSOR_SDK": str(cursor_sdk),
        "OPENSYNC_TEST_EVENTS": "1",
    }
    tests = [str(path) for path in sorted((ROOT / "tests/e2e").glob("test_real_*.py"))]
    command = [sys.executable, "-m", "pytest", "--quiet", "--basetemp", str(played), *tests]
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
