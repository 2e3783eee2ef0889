"""The folders of this package, by the conventions of the platform.

    config   config.toml
    data     store.db, the private environment
    state    spool/, spool-*/, locks/, ledger.db, the log

Imports nothing, because every hook call would pay for it.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str], str | None]
    """Reads one environment variable."""

NAME = "opensync-hooks"
LEAVE = "leave"
"""A file in a queue that asks the worker to end as soon as it would only wait."""
PYTHONS = ("bin/python", "Scripts/python.exe")
"""Where an environment has its interpreter; the second is that of Windows."""
PLUGIN = "OPENSYNC_HOOKS_PLUGIN"
"""Set by the hooks of a plugin, which run with any Python: the folder for the plugin's own data."""
PLUGIN_LOG = "setup.log"
"""A file there: what went wrong when an environment was built last; empty after success."""
DESTINATION = "OPENSYNC_HOOKS_DESTINATION"
"""Names one of the destinations in config.toml; for workers, and for commands with the option."""
OVERRIDES = (
    "OPENSYNC_URL",
    "OPENSYNC_API_KEY",
    "OPENSYNC_HOOKS_THINKING",
    "OPENSYNC_HOOKS_REDACT",
    "OPENSYNC_HOOKS_FILE_CONTENTS",
    "OPENSYNC_HOOKS_STORE_FILE_CONTENTS",
    "OPENSYNC_HOOKS_UNDONE",
    "OPENSYNC_HOOKS_ESTIMATE_TOKENS",
    DESTINATION,
)
"""The variables that decide where a session goes, and what of it may leave."""
_DIGEST_KEY = 0x4F534C47


def config(env: "Lookup") -> str:
    return _folder(env, "XDG_CONFIG_HOME", ".config")


def data(env: "Lookup") -> str:
    return _folder(env, "XDG_DATA_HOME", ".local/share")


def state(env: "Lookup") -> str:
    return _folder(env, "XDG_STATE_HOME", ".local/state")


def environment(env: "Lookup") -> str:
    """Return a name for the values of OVERRIDES; empty if none is set.

    It is a keyed digest (SipHash, which the interpreter has built in): no key can be read from it.
    """
    values = [f"{name}={value}" for name in OVERRIDES if (value := env(name)) is not None]
    if not values:
        return ""
    import _imp  # noqa: PLC0415 - few hooks need it

    digest = _imp.source_hash(_DIGEST_KEY, "\0".join(values).encode("utf-8", "surrogateescape"))
    return "-" + digest.hex()


def spool(env: "Lookup") -> str:
    """Return the queue's folder, one for each `environment`.

    The worker of a queue is started by one of its own hooks, so it has the same destination, key
    and privacy settings as every hook that writes into that queue.
    """
    return f"{state(env)}/spool{environment(env)}"


def home(env: "Lookup") -> str:
    if sys.platform == "win32":  # as agents find it; a HOME is Git Bash's, or of a network drive
        return env("USERPROFILE") or env("HOME") or "C:/Users/Default"
    folder = env("HOME")
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
