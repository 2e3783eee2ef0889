"""The registration of every agent: how our hook is found, added and removed.

A settings file that cannot be parsed is never written, and no entry but ours is changed.
"""

from __future__ import annotations

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.cursor.registration import CursorRegistration
from opensync_hooks.agents.opencode.registration import OpenCodeRegistration
from opensync_hooks.agents.settings_files.hook_command import hook_command, is_ours
from opensync_hooks.agents.settings_files.registration import Registration

__all__ = [
    "ALL",
    "ClaudeCodeRegistration",
    "CursorRegistration",
    "OpenCodeRegistration",
    "Registration",
    "hook_command",
    "is_ours",
]

ALL: tuple[Registration, ...] = (
    ClaudeCodeRegistration(),
    OpenCodeRegistration(),
    CursorRegistration(),
)
