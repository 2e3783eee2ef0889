"""All settings as one Config: the environment first, then config.toml, then the defaults."""

import hmac
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Self

from opensync_hooks.config import destinations, price_settings, privacy_settings, toml_file
from opensync_hooks.config.destinations import ConfiguredDestination
from opensync_hooks.config.folders import Folders
from opensync_hooks.config.price_settings import OwnPrice
from opensync_hooks.config.urls import base_url
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import NotConfiguredError, UsageError
from opensync_hooks.hook import paths
from opensync_hooks.system import core_dumps

EMBEDDED_STORE = "embedded store"
"""The destination's name without a login."""
_KEY = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. Without `url` the destination is the embedded store."""

    folders: Folders
    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    destination_name: str = ""
    """Which of the `destinations` has this URL and key; empty for the one without a name."""
    destinations: tuple[ConfiguredDestination, ...] = ()
    """All of them, if projects have destinations of their own; the first has no name."""
    thinking: bool = False
    redact: bool = True
    file_contents: bool = False
    undone: bool = True
    """Send messages that the user went back on, marked as such."""
    patterns: tuple[tuple[str, re.Pattern[str]], ...] = ()
    """The user's own secret formats, each with the name that its mask shows."""
    allow: tuple[re.Pattern[str], ...] = ()
    """Texts that look like secrets and are not; each pattern has to match the full text."""
    exclude: tuple[str, ...] = ()
    """Globs of project folders whose sessions are not delivered."""
    estimate_tokens: bool = False
    """Estimate the tokens of sessions whose agent counted none."""
    catch_up: bool = True
    """Deliver sessions that changed without a hook, too."""
    live: bool = True
    """Deliver a prompt while its turn runs, rather than at the turn's end."""
    store_file_contents: bool = False
    """Keep contents of files in the embedded store, which never leaves this machine."""
    server_key: str | None = field(default=None, repr=False)
    prices: tuple[OwnPrice, ...] = ()
    """What the user pays, where that is not the list price."""
    aliases: tuple[tuple[str, str], ...] = ()
    """The user's names for models, in lower case, each with the id that has the price."""

    def on_own_disk(self) -> Self:
        """Return the settings of what a destination on the user's own disk may keep."""
        return replace(self, file_contents=self.file_contents or self.store_file_contents)

    @property
    def destination(self) -> str:
        """The name of the destination, as the destination itself uses it."""
        return self.url or EMBEDDED_STORE

    @property
    def login_digest(self) -> str:
        """Identifies URL and key together. The key cannot be recovered from it."""
        key, url = self.api_key or "", self.url or ""
        return hmac.new(key.encode(), url.encode(), "sha256").hexdigest()


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Return the settings in force.

    Raises NotConfiguredError for a file or a value that cannot be used. Turns core dumps off for
    this process, because from now on its memory holds the API key.
    """
    core_dumps.disable()
    folders = Folders.from_environ(environ)
    config = parse(folders, toml_file.read(folders.settings), environ)
    if config.url is None and toml_file.is_empty(folders.settings):
        raise NotConfiguredError(
            f"{folders.settings}: is empty. A login in it is lost.",
            "Run `opensync-hooks login`; or delete the file to use the embedded store.",
        )
    return config


def read_document(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return config.toml as it is on disk. Raises NotConfiguredError if it is unusable."""
    return toml_file.read(Folders.from_environ(environ).settings)


def update(environ: Mapping[str, str], edit: Callable[[dict[str, Any]], object]) -> None:
    """Apply `edit` to config.toml.

    Raises NotConfiguredError and changes nothing if the edited file would be unusable without the
    environment's help.
    """
    folders = Folders.from_environ(environ)

    def edit_and_check(document: dict[str, Any]) -> None:
        hint = ""
        with suppress(NotConfiguredError):
            parse(folders, document, {})
            hint = "Nothing was changed."  # the error's own hint would speak of a broken file
        edit(document)
        try:
            parse(folders, document, {})
        except NotConfiguredError as error:
            raise NotConfiguredError(str(error), hint or error.hint) from None

    toml_file.change(folders, edit_and_check)


def parse(folders: Folders, document: dict[str, Any], environ: Mapping[str, str]) -> Config:
    """Return the settings of a parsed config.toml, overridden by the environment."""
    path = folders.settings
    server, store = (_get_table(document, name, path) for name in ("server", "store"))
    privacy = _get_table(document, "privacy", path)
    privacy_settings.refuse_misplaced(document, path)
    name = environ.get(paths.DESTINATION, "")
    url, api_key = unnamed_login = _login(environ, document, path)
    named = destinations.read(document, path)
    if name:
        url, api_key = _named_login(destinations.find(named, name))
    routes = (ConfiguredDestination("", *unnamed_login), *named) if named else ()
    return Config(
        folders=folders,
        url=url,
        api_key=api_key,
        destination_name=name,
        destinations=() if environ.get("OPENSYNC_URL") and not name else routes,
        **privacy_settings.read(privacy, environ, path),
        estimate_tokens=privacy_settings.get_flag(
            environ, document, "estimate_tokens", path, default=False
        ),
        catch_up=privacy_settings.get_flag(environ, document, "catch_up", path, default=True),
        live=privacy_settings.get_flag(environ, document, "live", path, default=True),
        store_file_contents=privacy_settings.get_flag(
            environ, store, "store.file_contents", path, default=False
        ),
        server_key=_get_text(server, "key", path),
        **price_settings.read(document, path),
    )


def _login(
    environ: Mapping[str, str], document: dict[str, Any], path: Path
) -> tuple[str | None, str | None]:
    """Return URL and key; the key in the file is only ever used with the URL in the file."""
    url_in_environ, url_in_file = environ.get("OPENSYNC_URL"), _get_text(document, "url", path)
    if not url_in_environ and not url_in_file:
        if _get_text(document, "api_key", path):
            raise NotConfiguredError(
                f"{path}: holds an API key without a `url`.",
                "Run `opensync-hooks login`, or remove the key.",
            )
        return None, None
    if url_in_environ:
        url = _checked_url(url_in_environ, "OPENSYNC_URL")
    else:
        url = _checked_url(url_in_file or "", path)
    key = environ.get("OPENSYNC_API_KEY")
    if not key and (url_in_file is None or _checked_url(url_in_file, path) == url):
        key = _get_text(document, "api_key", path)
    if not key:
        raise NotConfiguredError(
            f"{url}: no API key is set for this URL.",
            "Run `opensync-hooks login`, or set OPENSYNC_API_KEY.",
        )
    return url, _checked_key(url, key)


def _named_login(destination: ConfiguredDestination) -> tuple[str | None, str]:
    if destination.api_key is None:
        raise NotConfiguredError(
            f"{destination.url}: no API key is set for the destination `{destination.name}`.",
            f"Run `opensync-hooks login --destination {destination.name}`.",
        )
    return destination.url, _checked_key(destination.url or "", destination.api_key)


def _checked_key(url: str, key: str) -> str:
    if not _KEY.fullmatch(key.strip()):
        raise NotConfiguredError(
            f"{url}: its API key contains characters that no key has.",
            "Copy it from OpenSync's settings page, and run `opensync-hooks login`.",
        )
    return key.strip()


def _checked_url(url: str, origin: object) -> str:
    try:
        return base_url(url)
    except UsageError as error:
        raise NotConfiguredError(f"{origin}: {error}", error.hint) from None


def _get_table(document: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    value = document.get(name, {})
    if not isinstance(value, dict):
        raise NotConfiguredError(f"{path}: `{name}` is not a table.", f"Write it as [{name}].")
    return value


def _get_text(table: dict[str, Any], name: str, path: Path) -> str | None:
    value = table.get(name)
    if value is not None and not isinstance(value, str):
        raise NotConfiguredError(f"{path}: `{name}` is not a string.", "Put it in quotes.")
    return value or None
