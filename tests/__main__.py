"""`python -m tests`: everything that has to hold, in an environment of its own under .venv."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CHECKS: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "--quiet", "."),
    ("ruff", "format", "--check", "--quiet", "."),
    ("mypy",),
    ("pytest", "--quiet", "--numprocesses", "2"),
)


def main() -> int:
    """The exit code is 0 only when every check passed; arguments go to pytest alone."""
    make_environment()
    arguments = sys.argv[1:]
    checks = [("pytest", *arguments)] if arguments else CHECKS
    failed = [check for check in checks if not passes(check)]
    for check in failed:
        print("failed:", *check)
    return 1 if failed else 0


def passes(check: tuple[str, ...]) -> bool:
    return subprocess.run([str(PYTHON), "-m", *check], cwd=ROOT, check=False).returncode == 0


def make_environment() -> None:
    """Made once, and again whenever what it must hold has changed."""
    described = (ROOT / "pyproject.toml").read_bytes()
    mark = VENV / "made-from"
    digest = hashlib.sha256(described).hexdigest()
    if PYTHON.exists() and mark.exists() and mark.read_text() == digest:
        return
    print(f"Making {VENV} with what the tests need …", flush=True)
    project = tomllib.loads(described.decode())
    groups = project["dependency-groups"]
    names = [group["include-group"] for group in groups["dev"]]
    needed = [
        *project["project"]["dependencies"],
        *(need for name in names for need in groups[name]),
    ]
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except subprocess.CalledProcessError:
        raise SystemExit(
            "This Python cannot make environments (no ensurepip).\n"
            "hint: apt-get install python3-venv, or use a Python from python.org or uv."
        ) from None
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, *needed], check=True)
    mark.write_text(digest)


if __name__ == "__main__":
    raise SystemExit(main())
