"""What is registered with each agent: how it is found, put, and taken away again.

Never writes a settings file that it could not parse, and touches no entry but its own.
"""

from __future__ import annotations

from opensync_hooks.agents.claude_code.registration import ClaudeCode
from opensync_hooks.agents.cursor.registration import Cursor
from opensync_hooks.agents.opencode.registration import OpenCode
from opensync_hooks.agents.settings_files.registration import (
    Agent,
    Registration,
    hook_command,
    is_ours,
)

__all__ = [
    "ALL",
    "Agent",
    "ClaudeCode",
    "Cursor",
    "OpenCode",
    "Registration",
    "hook_command",
    "is_ours",
]

ALL: tuple[Agent, ...] = (ClaudeCode(), OpenCode(), Cursor())
