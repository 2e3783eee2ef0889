"""A process imports the modules of the agents that it works for, and no others."""

from tests.commandline import run_python

SCRIPT = r"""
import re, sys
from opensync_hooks.agents import registry
from opensync_hooks.queue import drain


def loaded():
    modules = re.compile(r"opensync_hooks.agents.(\w+[.](source|census|registration))")
    matches = [match[1] for match in map(modules.fullmatch, sys.modules) if match]
    print(*(name for name in matches if not name.startswith("settings_files")))


loaded()
registry.parse_event("claude-code", {}, b'{"session_id": "s1"}')
loaded()
"""


def test_worker_imports_only_the_reader_of_its_session() -> None:
    assert run_python("-c", SCRIPT).stdout.splitlines() == ["", "claude_code.source"]
