"""Kilo Code's CLI: a fork of OpenCode, with the same database and plugins under its own names."""

from opensync_hooks.agents.description import Description
from opensync_hooks.agents.opencode.product import Product

DESCRIPTION = Description(
    name="kilo",
    label="Kilo Code",
    variables=("KILO_DB", "KILO_DISABLE_CHANNEL_DB", "XDG_DATA_HOME"),
    oldest_version=(7,),
    tested_major=7,
    opensync_name="kilo-code",
    resume_command="kilo --session {id}",
)
KILO = Product(
    DESCRIPTION,
    folder="kilo",
    variables="KILO",
    programs=("kilo", "kilocode"),
    home_folders=(".kilo", ".kilocode"),
    settings_files=("config.json", "kilo.json", "kilo.jsonc", "opencode.json", "opencode.jsonc"),
    npm_package="@kilocode/plugin",
    older_databases=("opencode-*.db",),
    adds_subagent_costs=True,
)
