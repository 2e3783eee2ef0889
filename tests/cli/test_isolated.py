"""The command runs its own modules, whatever Python's variables lead to."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from opensync_hooks import __version__
from opensync_hooks.setup import environment

ROOT = Path(__file__).parents[2]
BODY = "import sys\nfrom opensync_hooks.cli.isolated import main\nsys.exit(main())\n"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with modules that end the program with 99 as soon as they are imported."""
    folder = tmp_path / "foreign"
    (folder / "opensync_hooks").mkdir(parents=True)
    names = ("argparse", "json", "requests", "filelock", "tomli_w", "opensync_hooks/cli")
    for name in names:
        (folder / f"{name}.py").write_text("import os; os._exit(99)\n")
    return folder


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """An environment into which the package was installed."""
    folder = tmp_path / "with blank" / "env"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", folder], check=True)
    packages = environment.package(folder, exists=False).parent
    (packages / "opensync_hooks").symlink_to(ROOT / "opensync_hooks")
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def run(command: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )


def script(installed: Path, shebang: str) -> Path:
    path = installed / "bin" / "opensync-hooks"
    path.write_text(shebang + BODY)
    path.chmod(0o700)
    return path


@pytest.mark.parametrize("is_long", [False, True])
def test_command_of_our_environment_ignores_every_variable(
    installed: Path, foreign: Path, *, is_long: bool
) -> None:
    python = installed / "bin" / "python"
    if is_long:
        path = script(installed, f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n")
    else:
        (installed.parent.parent / "e").symlink_to(installed)  # a shebang has no blanks
        path = script(installed, f"#!{installed.parent.parent}/e/bin/python\n")
    environment.isolate(path)
    environment.isolate(installed / "bin" / "gone")
    ran = run([str(path), "version"], PYTHONPATH=str(foreign), PYTHONHOME=str(foreign))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert __version__ in ran.stdout


def test_command_that_others_installed_starts_itself_again(installed: Path, foreign: Path) -> None:
    packages = environment.package(installed, exists=True).parent
    start = (  # as where only modules that the command itself imports are foreign
        f"import sys; sys.path.insert(0, {str(packages)!r}); sys.argv[1:] = ['version']; "
        "from opensync_hooks.cli import isolated; isolated.main()"
    )
    ran = run([str(installed / "bin" / "python"), "-c", start], PYTHONPATH=str(foreign))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert __version__ in ran.stdout


def test_clone_is_not_isolated(foreign: Path) -> None:
    code = "from opensync_hooks.cli.isolated import is_exposed; print(is_exposed())"
    ran = run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        PYTHONPATH=str(foreign),
    )
    assert ran.stdout == "False\n", ran.stderr
