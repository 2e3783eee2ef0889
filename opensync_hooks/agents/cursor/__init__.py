"""Cursor: its databases, transcripts and chats, and the hooks in its hooks.json."""

from opensync_hooks.agents.description import Description

DESCRIPTION = Description(
    name="cursor",
    label="Cursor",
    variables=(
        *("CURSOR_STATE_DB", "CURSOR_IDE_DIR", "CURSOR_PROJECTS_DIR", "CURSOR_CONFIG_DIR"),
        *("CURSOR_DATA_DIR", "CURSOR_CODE_REMOTE", "XDG_CONFIG_HOME", "APPDATA"),
    ),
    oldest_version=(1, 7),  # the first with hooks
    hook_answer=b"{}\n",  # Cursor parses what a hook prints as JSON
    payload_fields=frozenset({"cursor_version", "conversation_id"}),
    opensync_name="cursor-sync",
    resume_command="cursor-agent --resume {id}",
)
