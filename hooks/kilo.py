"""The hook of our Kilo Code plugin; or: kilo.py SESSION [--wait] [--dry-run]."""

import sys

here = __file__.replace("\\", "/").rsplit("/", 2)[0]  # the clone, or the installed package itself
root = here.removesuffix("/opensync_hooks") if "-packages/" in here else here
sys.path.insert(0, root)

from opensync_hooks.hook import entry  # noqa: E402

VARIABLES = ("KILO_DB", "KILO_DISABLE_CHANNEL_DB", "XDG_DATA_HOME")

if __name__ == "__main__":
    raise SystemExit(entry.run("kilo", root, VARIABLES))
