"""`python -m tests`: everything that has to hold, in environments of its own below .venv."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from tests.pythons import find_pythons

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv"
BIN = Path("Scripts/python.exe" if os.name == "nt" else "bin/python")
PYTHON = VENV / BIN
CHECKS: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "--quiet", "."),
    ("ruff", "format", "--check", "--quiet", "."),
    ("mypy",),
    ("pytest", "--quiet", "--numprocesses", "3", "--dist", "worksteal"),
)
ON_EVERY_PYTHON = (
    "tests/privacy",
    "tests/destinations/opensync",
    "tests/setup",
    "tests/hook",
    "tests/test_hostile_paths.py",
)
"""What has differed between versions: regular expressions, TLS, virtual environments, paths."""


def main() -> int:
    """The exit code is 0 only when every check passed; arguments go to pytest alone."""
    make_environment()
    if sys.argv[1:]:
        return 0 if passes(VENV, "pytest", *sys.argv[1:]) else 1
    failed = [" ".join(check) for check in CHECKS if not passes(VENV, *check)]
    for version, python in find_pythons().items():
        if version != platform.python_version():
            print(f"With Python {version}:", flush=True)
            if not passes(make_other_environment(version, python), *CHECKS[-1], *ON_EVERY_PYTHON):
                failed.append(f"tests with Python {version}")
    for check in failed:
        print("failed:", check)
    return 1 if failed else 0


def passes(environment: Path, *check: str) -> bool:
    command = [str(environment / BIN), "-m", *check]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def make_environment() -> None:
    """Make the environment of this Python, and again whenever what it holds has changed."""
    if is_up_to_date(VENV):
        return
    print(f"Making {VENV} with what the tests need …", flush=True)
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except subprocess.CalledProcessError:
        raise SystemExit(
            "This Python cannot make environments (no ensurepip).\n"
            "hint: apt-get install python3-venv, or use a Python from python.org or uv."
        ) from None
    install(VENV, "test", "type", "lint", "prices")


def make_other_environment(version: str, python: str) -> Path:
    """Return an environment of another Python; it takes pip from ours, as Debian's has none."""
    folder = VENV / "others" / version
    if not is_up_to_date(folder):
        subprocess.run([python, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
        install(folder, "test")
    return folder


def is_up_to_date(environment: Path) -> bool:
    stamp = environment / "made-from"
    is_made = (environment / BIN).exists() and stamp.exists()
    return is_made and stamp.read_text() == project_digest()


def install(environment: Path, *names: str) -> None:
    """Install the run-time packages and these dependency groups."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    requirements = [*project["project"]["dependencies"], *(r for n in names for r in groups[n])]
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    command = [*pip, "--python", str(environment / BIN), "install", "--quiet", *requirements]
    subprocess.run(command, check=True)
    (environment / "made-from").write_text(project_digest())


def project_digest() -> str:
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
