"""The folders of this package, by the conventions of the platform.

    config   config.toml
    data     store.db, the private environment
    state    spool/, locks/, ledger.db, the log

Imports nothing, because every hook call would pay for it.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str], str | None]
    """Reads one environment variable."""

NAME = "opensync-hooks"


def config(env: "Lookup") -> str:
    return _folder(env, "XDG_CONFIG_HOME", ".config")


def data(env: "Lookup") -> str:
    return _folder(env, "XDG_DATA_HOME", ".local/share")


def state(env: "Lookup") -> str:
    return _folder(env, "XDG_STATE_HOME", ".local/state")


def spool(env: "Lookup") -> str:
    return state(env) + "/spool"


def home(env: "Lookup") -> str:
    folder = env("HOME") or env("USERPROFILE")
    if folder:
        return folder
    import posix  # noqa: PLC0415 - few processes have no HOME
    import pwd  # noqa: PLC0415

    return pwd.getpwuid(posix.getuid()).pw_dir


def _folder(env: "Lookup", variable: str, default: str) -> str:
    ours = env("OPENSYNC_HOOKS_HOME")
    if ours:
        return ours
    if sys.platform == "win32":
        return (env("LOCALAPPDATA") or home(env) + "/AppData/Local") + "/" + NAME
    if sys.platform == "darwin":
        return home(env) + "/Library/Application Support/" + NAME
    base = env(variable)
    if not base or not base.startswith("/"):  # the specification: ignore relative paths
        base = home(env) + "/" + default
    return base + "/" + NAME
