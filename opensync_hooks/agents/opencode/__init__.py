"""OpenCode: its database and JSON files, and the plugin that we put into its folder."""

from opensync_hooks.agents.description import Description

DESCRIPTION = Description(
    name="opencode",
    label="OpenCode",
    variables=("OPENCODE_DB", "OPENCODE_DISABLE_CHANNEL_DB", "XDG_DATA_HOME"),
    oldest_version=(0, 5),  # the first with a plugin's events
    tested_major=2,
)
