"""The documents name what exists: commands, messages, files and links."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from opensync_hooks.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "opensync_hooks"
_TRACKED = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()
DOCUMENTS = [ROOT / name for name in _TRACKED]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MAX_README_LINES = 110


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    files = [link for link in links if "://" not in link]
    assert [link for link in files if not (document.parent / link).exists()] == []


def test_readme_fits_on_a_screen_and_a_half() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES


def test_commands_in_the_documents_exist() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    names = set(re.findall(r"opensync-hooks ([a-z]+)", text))
    assert names <= {*COMMANDS}


def test_messages_in_troubleshooting_are_ours() -> None:
    """A message that was reworded would no longer be found by its words."""
    literals = [
        node.value
        for path in (ROOT / "install.py", *PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    source = "\n".join(literals)
    guide = (ROOT / ".github/TROUBLESHOOTING.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `")]
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    fragments = [re.sub(r"\b[A-Z]{3,}\b.*", "", message).strip() for message in messages]
    assert len(messages) > 20
    assert [fragment for fragment in fragments if fragment not in source] == []
