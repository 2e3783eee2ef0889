"""A process imports the modules of the agents that it works for, and no others."""

import sys

from tests.commandline import run_python

SCRIPT = """
import sys
from pathlib import Path
from opensync_hooks.agents import registry
from opensync_hooks.queue import drain
loaded = {name for name in sys.modules if name.startswith("opensync_hooks.agents.")}
print(*sorted(name for name in loaded if name.count(".") > 2 and ".settings_files." not in name))
registry.parse_event("claude-code", {}, b'{"session_id": "s1"}')
read = {name for name in set(sys.modules) - loaded if ".agents." in name}
print(*sorted({name.split(".")[2] for name in read if name.count(".") > 2}))
"""


def test_worker_imports_only_the_reader_of_its_session() -> None:
    ran = run_python("-c", SCRIPT, python=sys.executable)
    assert ran.stdout.splitlines() == ["", "claude_code"]
