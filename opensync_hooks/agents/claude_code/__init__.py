"""Claude Code: its transcripts, and the hooks in its settings."""

from opensync_hooks.agents.description import Description

DESCRIPTION = Description(
    name="claude-code",
    label="Claude Code",
    variables=(
        "CLAUDE_CONFIG_DIR",
        # Cursor runs the hooks of Claude Code as well, and this is how its sessions are found.
        *("CURSOR_STATE_DB", "CURSOR_IDE_DIR", "CURSOR_PROJECTS_DIR", "CURSOR_CONFIG_DIR"),
        *("CURSOR_DATA_DIR", "CURSOR_CODE_REMOTE", "XDG_CONFIG_HOME", "APPDATA"),
    ),
    oldest_version=(1, 0, 85),  # the first with SessionEnd
    tested_major=2,
    resume_command="claude --resume {id}",
)
