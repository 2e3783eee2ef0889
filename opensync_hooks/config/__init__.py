"""config.toml and the environment as one Config; the environment wins. Only here lies the key."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from opensync_hooks.config import rules, toml_file
from opensync_hooks.errors import NotConfiguredError, UsageError
from opensync_hooks.hook import paths
from opensync_hooks.system import core_dumps

EMBEDDED_STORE = "embedded store"
"""The name of the destination of a user who has not logged in."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*")
_KEY = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. Without `url` the destination is the embedded store."""

    folders: Folders
    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    thinking: bool = False
    redact: bool = True
    file_contents: bool = False
    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    """The user's own formats of secrets, each with the name that its mask bears."""
    allow: tuple[re.Pattern[str], ...] = ()
    """What looks like a secret and is none, from its first letter to its last."""
    exclude: tuple[str, ...] = ()
    """Globs of projects whose sessions stay here."""
    estimate_tokens: bool = False
    """Guess the tokens of a session whose agent counted none."""
    server_key: str | None = field(default=None, repr=False)

    @property
    def destination(self) -> str:
        """The name of where sessions go, as the destination itself and the ledger have it."""
        return self.url or EMBEDDED_STORE


@dataclass(frozen=True, slots=True)
class Folders:
    """Where this user's files of ours lie; none need be there yet."""

    config: Path
    data: Path
    state: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Folders:
        find = environ.get
        return cls(Path(paths.config(find)), Path(paths.data(find)), Path(paths.state(find)))

    @property
    def spool(self) -> Path:
        return self.state / "spool"

    @property
    def locks(self) -> Path:
        return self.state / "locks"

    @property
    def ledger(self) -> Path:
        return self.state / "ledger.db"

    @property
    def store(self) -> Path:
        return self.data / "store.db"

    @property
    def settings(self) -> Path:
        return self.config / "config.toml"


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Raises NotConfiguredError for a file or a value that cannot be used as it stands."""
    where = Folders.of(environ)
    core_dumps.disable()
    made = _made(where, toml_file.read(where.settings), environ)
    if made.url is None and toml_file.is_empty(where.settings):
        raise NotConfiguredError(
            f"{where.settings}: is empty; a login that it held is lost.",
            "Run `opensync-hooks login`; or delete the file, and the embedded store is used.",
        )
    return made


def document(environ: Mapping[str, str]) -> dict[str, Any]:
    """What config.toml itself says. Raises NotConfiguredError where that cannot be told."""
    return toml_file.read(Folders.of(environ).settings)


def update(environ: Mapping[str, str], change: Callable[[dict[str, Any]], object]) -> None:
    """Change config.toml. Raises NotConfiguredError, and changes nothing, if it could not be used
    afterwards, whatever the environment says.
    """
    where = Folders.of(environ)

    def checked(document: dict[str, Any]) -> None:
        was_usable = _is_usable(where, document)
        change(document)
        try:
            _made(where, document, {})
        except NotConfiguredError as error:
            if was_usable:  # what its hint says of the file would not be true
                raise NotConfiguredError(str(error), "Nothing was changed.") from None
            raise

    _change(environ, checked)


def _is_usable(where: Folders, document: dict[str, Any]) -> bool:
    try:
        _made(where, document, {})
    except NotConfiguredError:
        return False
    return True


def _made(where: Folders, document: dict[str, Any], environ: Mapping[str, str]) -> Config:
    server = _table(document, "server", where.settings)
    privacy = _table(document, "privacy", where.settings)
    rules.refuse_misplaced(document, where.settings)
    url, api_key = _login(environ, document, where.settings)
    return Config(
        folders=where,
        url=url,
        api_key=api_key,
        **rules.read(privacy, environ, where.settings),
        estimate_tokens=rules.flag(
            environ, document, "estimate_tokens", where.settings, unset=False
        ),
        server_key=_text(server, "key", where.settings),
    )


def _change(
    environ: Mapping[str, str], change: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    where = Folders.of(environ)
    return toml_file.change(where.settings, where.locks, change)


def _login(
    environ: Mapping[str, str], document: dict[str, Any], path: Path
) -> tuple[str | None, str | None]:
    """Where to send, and the key that belongs there: the file's key goes to the file's URL only."""
    given, known = environ.get("OPENSYNC_URL"), _text(document, "url", path)
    if not given and not known:
        if _text(document, "api_key", path):
            raise NotConfiguredError(
                f"{path}: holds an API key and no `url` to use it at.",
                "Run `opensync-hooks login`, or take the key out.",
            )
        return None, None
    address = _address(given, "OPENSYNC_URL") if given else _address(known or "", path)
    key = environ.get("OPENSYNC_API_KEY")
    if not key and (known is None or _address(known, path) == address):
        key = _text(document, "api_key", path)
    if not key:
        raise NotConfiguredError(
            f"{address}: no API key is known for it.",
            "Run `opensync-hooks login`, or set OPENSYNC_API_KEY.",
        )
    if not _KEY.fullmatch(key.strip()):
        raise NotConfiguredError(
            f"{address}: its API key holds characters that no key has.",
            "Copy it from OpenSync's settings page, and run `opensync-hooks login`.",
        )
    return address, key.strip()


def _address(url: str, origin: object) -> str:
    try:
        return base_url(url)
    except UsageError as error:
        raise NotConfiguredError(f"{origin}: {error}", error.hint) from None


def save_login(environ: Mapping[str, str], url: str, api_key: str) -> None:
    _change(environ, lambda document: document.update(url=url, api_key=api_key))


def forget_login(environ: Mapping[str, str]) -> bool:
    """Take URL and key out of config.toml; whether any were there."""
    found: list[str] = []

    def remove(document: dict[str, Any]) -> None:
        found.extend(name for name in ("url", "api_key") if document.pop(name, None) is not None)

    if Folders.of(environ).config.is_dir():  # with a file or not: a change sweeps, too
        _change(environ, remove)
    return bool(found)


def server_key(environ: Mapping[str, str]) -> str:
    """The embedded server's own key, made on first use."""
    known = load(environ).server_key
    if known:
        return known
    fresh = new_key()

    def keep(document: dict[str, Any]) -> None:
        server = document.setdefault("server", {})
        server["key"] = server.get("key") or fresh  # another process may have been first

    return str(_change(environ, keep)["server"]["key"])


def new_key() -> str:
    """A key of the form that OpenSync's settings page gives out."""
    return "osk_" + secrets.token_urlsafe(24)


def base_url(text: str) -> str:
    """The address that takes requests, from what a user copies out of Convex's dashboard.

    Raises UsageError for anything the key must not be sent to: the host is read by a parser, for a
    text may contain `convex.cloud` and still lead elsewhere.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if not _HOST.fullmatch(host) or parts.scheme not in ("http", "https"):
        # The text is not shown: it may be the key, pasted into the wrong place.
        raise UsageError("This is not a URL.", "It looks like https://your-name.convex.site")
    _refuse_unsafe(parts, host)
    if host.endswith(".convex.cloud"):
        host = host.removesuffix("cloud") + "site"
    address = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{address}" + (f":{port}" if port else "") + parts.path.rstrip("/")


def _refuse_unsafe(parts: SplitResult, host: str) -> None:
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"{host}: the URL holds more than an address.",
            "Leave out user names, passwords and everything from `?` or `#` on.",
        )
    if parts.scheme == "http" and host not in LOOPBACK:
        raise UsageError(
            f"http://{host}: the key would travel unencrypted.", "Use its https address."
        )


def mask(key: str) -> str:
    return f"{key[:4]}…{key[-4:]}" if len(key) >= 16 else "…"


def _table(document: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise NotConfiguredError(f"{path}: `{name}` is not a table.", f"Write it as [{name}].")
    return value


def _text(table: dict[str, Any], name: str, path: Path) -> str | None:
    value = table.get(name)
    if value is not None and not isinstance(value, str):
        raise NotConfiguredError(f"{path}: `{name}` is not a text.", "Put it in quotes.")
    return value or None
