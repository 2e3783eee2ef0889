"""Claude Code's hook, for three events; or: claude_code.py SESSION [--wait] [--dry-run]."""

import sys

here = __file__.replace("\\", "/").rsplit("/", 2)[0]  # the clone, or the installed package itself
root = here.removesuffix("/opensync_hooks") if "-packages/" in here else here
sys.path.insert(0, root)

from opensync_hooks.hook import entry  # noqa: E402

VARIABLES = (
    "CLAUDE_CONFIG_DIR",
    *("CURSOR_STATE_DB", "CURSOR_IDE_DIR", "CURSOR_PROJECTS_DIR", "CURSOR_CONFIG_DIR"),
    *("CURSOR_DATA_DIR", "CURSOR_CODE_REMOTE", "XDG_CONFIG_HOME", "APPDATA"),
)

if __name__ == "__main__":
    raise SystemExit(entry.run("claude-code", root, VARIABLES))
