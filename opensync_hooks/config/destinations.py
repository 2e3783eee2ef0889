"""The tables [destinations.NAME] of config.toml: projects whose sessions go to another OpenSync.

    [destinations.work]
    url = "https://work-name.convex.site"
    projects = ["~/work/*"]
    api_key = "osk_…"            saved by `login --destination work`, and sent to this URL alone

The destination without a name is that of all other projects. Each has a queue, a worker and an
account of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from opensync_hooks.config.urls import base_url
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import NotConfiguredError, UsageError
from opensync_hooks.hook import paths

_NAME = re.compile(r"[a-z0-9_-]{1,40}")
_FIELDS = ("url", "projects", "api_key")
_WAITS = "Nothing is sent until this is corrected."


@dataclass(frozen=True, slots=True)
class ConfiguredDestination:
    """Where the sessions of some projects go."""

    name: str
    """Empty for the destination of all other projects."""
    url: str | None
    """None for the embedded store."""
    api_key: str | None = field(default=None, repr=False)
    projects: tuple[str, ...] = ()
    """Globs of project folders, as those of `exclude`."""


def read(document: Mapping[str, Any], path: Path) -> tuple[ConfiguredDestination, ...]:
    """Return the destinations with a name. Raises NotConfiguredError for a table with a mistake."""
    tables = document.get("destinations", {})
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise NotConfiguredError(
            f"{path}: `destinations` is not a table of tables.", "Write it as [destinations.NAME]."
        )
    destinations = tuple(_read(name, table, path) for name, table in tables.items())
    globs = [glob for destination in destinations for glob in destination.projects]
    twice = next((glob for glob in globs if globs.count(glob) > 1), None)
    if twice is not None:
        raise NotConfiguredError(
            f"{path}: the project `{twice}` is in two destinations.",
            f"Leave it in one of them. {_WAITS}",
        )
    return destinations


def _read(name: str, table: Mapping[str, Any], path: Path) -> ConfiguredDestination:
    if not _NAME.fullmatch(name):
        raise NotConfiguredError(
            f"{path}: the name of a destination cannot be used on a command line.",
            f"Use up to 40 small letters, digits, - and _. {_WAITS}",
        )
    title = f"{path}: [destinations.{name}]"
    if any(key not in _FIELDS for key in table):
        raise NotConfiguredError(
            f"{title} has a setting that is unknown.",
            f"Its settings are {', '.join(_FIELDS)}. {_WAITS}",
        )
    url, projects, api_key = (table.get(key) for key in _FIELDS)
    if not isinstance(url, str) or not isinstance(api_key, str | None):
        raise NotConfiguredError(
            f"{title} has no URL, or one that is not a string.", f'Write url = "…". {_WAITS}'
        )
    globs = projects if isinstance(projects, list) else []
    if not globs or not all(isinstance(glob, str) and glob for glob in globs):
        raise NotConfiguredError(
            f"{title} has no list of projects.", f'Write projects = ["~/work/*"]. {_WAITS}'
        )
    try:
        return ConfiguredDestination(
            name, base_url(url), (api_key or "").strip() or None, tuple(globs)
        )
    except UsageError as error:
        raise NotConfiguredError(f"{title}: {error}", error.hint) from None


def find(destinations: tuple[ConfiguredDestination, ...], name: str) -> ConfiguredDestination:
    """Return the destination of this name. Raises NotConfiguredError if there is none."""
    for destination in destinations:
        if destination.name == name:
            return destination
    raise NotConfiguredError(
        f"{name}: no destination in config.toml has this name.",
        f"Write its `url` and `projects` below a line [destinations.{name}].",
    )


def environ_of(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the environment in which commands and workers serve the destination of this name."""
    others = {key: value for key, value in environ.items() if key != paths.DESTINATION}
    return others | ({paths.DESTINATION: name} if name else {})
