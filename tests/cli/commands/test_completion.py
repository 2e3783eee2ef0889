"""Completion knows every command and option, in scripts that the shells accept."""

import shutil
import subprocess

import pytest

from opensync_hooks.cli import main
from tests.commandline import run


def script(shell: str) -> str:
    ran = run("completion", shell)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def completed(*words: str) -> list[str]:
    """What bash offers for the last of these words."""
    line = " ".join(f"'{word}'" for word in words)
    source = f"{script('bash')}COMP_WORDS=(opensync-hooks {line}); COMP_CWORD={len(words)}\n"
    ran = subprocess.run(
        ["bash", "-c", source + '_opensync_hooks; printf "%s\n" "${COMPREPLY[@]}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sta"], ["status"]),
        (["un"], ["uninstall"]),
        (["sync", "--li"], ["--limit"]),
        (["sync", "--json", "--a"], ["--agent", "--all"]),
        (["verify", "--agent", "o"], ["opencode"]),
        (["queue", ""], ["-h", "--help", "list", "retry", "drop", "--destination"]),
        (["status", "--nothing"], []),
    ],
)
def test_bash_offers_commands_options_and_values(words: list[str], offered: list[str]) -> None:
    assert completed(*words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_names_every_command_and_option(shell: str) -> None:
    text = script(shell)
    for name in main.COMMANDS:
        assert name in text
        for line in run(name, "--help").stdout.splitlines():
            option = line.strip().partition(" ")[0].strip(",]")  # Python 3.13 breaks the usage
            if option.startswith("--"):
                assert option.removeprefix("--") in text, f"{name} {option}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_accepts_its_script(shell: str) -> None:
    program = shutil.which(shell)
    if program:  # a machine has only some of them
        subprocess.run([program, "-n"], input=script(shell), text=True, check=True, timeout=300)
