"""The login and the server's key in config.toml: made, saved, removed, and masked for display."""

from collections.abc import Mapping
from typing import Any

from opensync_hooks.config import toml_file
from opensync_hooks.config.config import load
from opensync_hooks.config.folders import Folders
from opensync_hooks.hook import paths


def new_key() -> str:
    """Return a random key in the format of OpenSync's settings page."""
    import secrets  # noqa: PLC0415 - `status` only masks a key

    return "osk_" + secrets.token_urlsafe(24)


def mask_key(key: str) -> str:
    """Return the ends of a key: enough for its owner to recognize it, too little to use it."""
    return f"{key[:4]}…{key[-4:]}" if len(key) >= 16 else "…"


def save_login(environ: Mapping[str, str], url: str, api_key: str) -> None:
    """Save URL and key, of the destination that the environment names."""
    folders, name = Folders.from_environ(environ), environ.get(paths.DESTINATION)
    toml_file.change(
        folders, lambda document: _table(document, name).update(url=url, api_key=api_key)
    )


def forget_login(environ: Mapping[str, str]) -> bool:
    """Remove URL and key from config.toml, or the key alone of a destination with a name.

    Returns whether there were any.
    """
    folders, name = Folders.from_environ(environ), environ.get(paths.DESTINATION)
    keys = ("api_key",) if name else ("url", "api_key")
    removed: list[str] = []

    def remove(document: dict[str, Any]) -> None:
        table = _table(document, name)
        removed.extend(key for key in keys if table.pop(key, None) is not None)

    if folders.config.is_dir():  # also without config.toml: leftovers of it may hold the key
        toml_file.change(folders, remove)
    return bool(removed)


def _table(document: dict[str, Any], name: str | None) -> dict[str, Any]:
    """Return the table that holds the login."""
    return document["destinations"][name] if name else document


def server_key(environ: Mapping[str, str]) -> str:
    """Return the key of the server that `serve` starts; creates it on first use."""
    existing = load(environ).server_key
    if existing:
        return existing

    def save(document: dict[str, Any]) -> None:
        server = document.setdefault("server", {})
        server["key"] = server.get("key") or new_key()  # another process may have been faster

    return str(toml_file.change(Folders.from_environ(environ), save)["server"]["key"])
