"""What can be set, by name: its value now, where that comes from, and how it is changed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opensync_hooks import config
from opensync_hooks.errors import NotConfiguredError, UsageError

Origin = Literal["environment", "config.toml", "default"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One name in config.toml, or a pattern of the user's own."""

    name: str
    table: tuple[str, ...] = ()
    kind: type = bool
    by_login: bool = False
    """URL and key belong together, and are asked for together."""

    @property
    def variable(self) -> str:
        return "OPENSYNC_" + ("" if self.by_login else "HOOKS_") + self.name.upper()


ALL = (
    Setting("url", kind=str, by_login=True),
    Setting("api_key", kind=str, by_login=True),
    Setting("thinking", ("privacy",)),
    Setting("redact", ("privacy",)),
    Setting("file_contents", ("privacy",)),
    Setting("exclude", ("privacy",), kind=list),
    Setting("allow", ("privacy",), kind=list),
    Setting("patterns", ("privacy",), kind=dict),
    Setting("estimate_tokens"),
)
_PATTERN = "patterns."


@dataclass(frozen=True, slots=True)
class Value:
    """What a setting is now; the key masked."""

    setting: Setting
    value: Any
    origin: Origin


def named(name: str) -> Setting:
    """Raises UsageError for a name that nothing has."""
    plain = name.removeprefix("privacy.")
    if plain.startswith(_PATTERN) and len(plain) > len(_PATTERN):
        return Setting(plain.removeprefix(_PATTERN), ("privacy", "patterns"), kind=str)
    found = next((one for one in ALL if one.name == plain), None)
    if found is None:
        known = ", ".join(one.name for one in ALL)
        raise UsageError(f"{name}: no setting has this name.", f"There are: {known}.")
    return found


def values(environ: Mapping[str, str]) -> Iterator[Value]:
    """Every setting as it holds now, the key masked. Raises NotConfiguredError."""
    loaded = config.load(environ)
    document = config.document(environ)
    for one in ALL:
        yield Value(one, _shown(loaded, document, one), _origin(environ, document, one))


def unread(environ: Mapping[str, str]) -> list[str]:
    """The names in config.toml that nothing reads. Raises NotConfiguredError."""
    known = {(*one.table, one.name)[0] for one in ALL} | {"server"}
    return [name for name in config.document(environ) if name not in known]


def value(environ: Mapping[str, str], name: str) -> Value:
    """Raises UsageError, NotConfiguredError."""
    wanted = named(name)
    if wanted.table == ("privacy", "patterns"):
        patterns = _at(config.document(environ), wanted.table)
        return Value(wanted, patterns.get(wanted.name), "config.toml")
    return next(one for one in values(environ) if one.setting == wanted)


def change(environ: Mapping[str, str], name: str, texts: list[str] | None) -> Value:
    """Set it to what the texts say, or back to its default; all of config.toml stays usable.

    Raises UsageError, and NotConfiguredError for what config.toml would not be loaded with; then
    nothing has changed.
    """
    setting = named(name)
    if setting.by_login:
        raise UsageError(
            f"{name}: a key belongs to one URL, and both are tried before they are kept.",
            "Run `opensync-hooks login`, or `opensync-hooks logout`.",
        )
    if setting.kind is dict and texts is not None:
        raise UsageError(
            f"{name}: every pattern has a name.", "opensync-hooks config set patterns.NAME REGEX"
        )

    def put(document: dict[str, Any]) -> None:
        table = _at(document, setting.table)
        if texts is None:
            table.pop(setting.name, None)
            return
        table = document
        for part in setting.table:
            table = table.setdefault(part, {})
        table[setting.name] = _parsed(setting, texts)

    config.update(environ, put)
    return value(environ, name)


def _parsed(setting: Setting, texts: list[str]) -> Any:
    """A yes or no in TOML's words; lists as several words, or in TOML's brackets."""
    if setting.kind is list:
        one = _toml(texts[0]) if len(texts) == 1 else None
        return one if isinstance(one, list) else texts
    if len(texts) > 1:
        raise UsageError(f"{setting.name}: takes one value, and {len(texts)} were given.")
    if setting.kind is str:
        return texts[0]
    said = _toml(texts[0].lower())
    if not isinstance(said, bool):
        raise UsageError(
            f"{setting.name}: is either true or false.",
            f"opensync-hooks config set {setting.name} true",
        )
    return said


def _toml(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except (ValueError, KeyError):
        return None


def _at(document: dict[str, Any], table: tuple[str, ...]) -> dict[str, Any]:
    """What the table holds; nothing where it is missing. Raises NotConfiguredError for no table."""
    for part in table:
        document = document.get(part, {})
        if not isinstance(document, dict):
            raise NotConfiguredError(
                f"config.toml: `{part}` is not a table.", f"Write it as [{'.'.join(table)}]."
            )
    return document


def _shown(loaded: config.Config, document: dict[str, Any], setting: Setting) -> Any:
    if setting.name == "api_key":
        return config.mask(loaded.api_key) if loaded.api_key else None
    if setting.kind in (list, dict) and setting.name != "exclude":
        return _at(document, setting.table).get(setting.name, setting.kind())
    found = getattr(loaded, setting.name)
    return list(found) if setting.kind is list else found


def _origin(environ: Mapping[str, str], document: dict[str, Any], setting: Setting) -> Origin:
    if environ.get(setting.variable) and setting.kind in (str, bool):
        return "environment"
    return "config.toml" if setting.name in _at(document, setting.table) else "default"
