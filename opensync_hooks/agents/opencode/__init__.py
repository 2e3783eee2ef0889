"""OpenCode: its database and JSON files, and the plugin that we put into its folder."""

from opensync_hooks.agents.description import Description
from opensync_hooks.agents.opencode.product import Product

DESCRIPTION = Description(
    name="opencode",
    label="OpenCode",
    variables=("OPENCODE_DB", "OPENCODE_DISABLE_CHANNEL_DB", "XDG_DATA_HOME"),
    oldest_version=(0, 5),  # the first with a plugin's events
    tested_major=2,
    resume_command="opencode --session {id}",
)
OPENCODE = Product(
    DESCRIPTION,
    folder="opencode",
    variables="OPENCODE",
    programs=("opencode", "opencode2"),
    home_folders=(".opencode",),
    settings_files=("config.json", "opencode.json", "opencode.jsonc"),
    npm_package="@opencode-ai/plugin",
    first_with_default_export=(1, 2, 11),
    first_without_functions=(2,),
)
