"""Settings by name, for `opensync-hooks config`: value, origin, and how to change one."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from opensync_hooks.config.config import Config, load, read_document, update
from opensync_hooks.config.credentials import mask_key
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import NotConfiguredError, UsageError


@dataclass(frozen=True, slots=True)
class Setting:
    """One name in config.toml, or one of the user's own patterns."""

    name: str
    table: tuple[str, ...] = ()
    kind: type = bool
    is_login: bool = False
    """Set by `login` only: URL and key belong together."""

    @property
    def label(self) -> str:
        """The name by which users call it: one in [store] shares its name with one in [privacy]."""
        return f"store.{self.name}" if self.table == ("store",) else self.name

    @property
    def field(self) -> str:
        """The name in Config, and in upper case that of the environment variable."""
        return self.label.replace(".", "_")

    @property
    def variable(self) -> str:
        return "OPENSYNC_" + ("" if self.is_login else "HOOKS_") + self.field.upper()


SETTINGS = (
    Setting("url", kind=str, is_login=True),
    Setting("api_key", kind=str, is_login=True),
    Setting("thinking", ("privacy",)),
    Setting("redact", ("privacy",)),
    Setting("file_contents", ("privacy",)),
    Setting("undone", ("privacy",)),
    Setting("exclude", ("privacy",), kind=list),
    Setting("allow", ("privacy",), kind=list),
    Setting("patterns", ("privacy",), kind=dict),
    Setting("estimate_tokens"),
    Setting("prices", kind=dict),
    Setting("aliases", kind=dict),
    Setting("destinations", kind=dict),
    Setting("catch_up"),
    Setting("live"),
    Setting("file_contents", ("store",)),
)
_PATTERN_TABLE = ("privacy", "patterns")


@dataclass(frozen=True, slots=True)
class SettingValue:
    """The present value of a setting, the API key masked."""

    setting: Setting
    value: Any
    origin: Literal["environment", "config.toml", "default"]


def find(name: str) -> Setting:
    """Return the setting of this name, also of `patterns.NAME`. Raises UsageError if unknown."""
    plain = name.removeprefix("privacy.")
    if plain.startswith("patterns.") and plain != "patterns.":
        return Setting(plain.removeprefix("patterns."), _PATTERN_TABLE, kind=str)
    for setting in SETTINGS:
        if setting.label == plain:
            return setting
    names = ", ".join(setting.label for setting in SETTINGS)
    raise UsageError(f"{name}: no setting has this name.", f"The settings are {names}.")


def values(environ: Mapping[str, str]) -> Iterator[SettingValue]:
    """Yield every setting with its present value. Raises NotConfiguredError."""
    config = load(environ)
    document = read_document(environ)
    for setting in SETTINGS:
        value = _present_value(config, document, setting)
        if environ.get(setting.variable) and setting.kind in (str, bool):
            yield SettingValue(setting, value, "environment")
        elif setting.name in _get_table(document, setting.table):
            yield SettingValue(setting, value, "config.toml")
        else:
            yield SettingValue(setting, value, "default")


def value(environ: Mapping[str, str], name: str) -> SettingValue:
    """Return one setting with its present value. Raises UsageError, NotConfiguredError."""
    setting = find(name)
    if setting.table == _PATTERN_TABLE:
        patterns = _get_table(read_document(environ), _PATTERN_TABLE)
        return SettingValue(setting, patterns.get(setting.name), "config.toml")
    return next(present for present in values(environ) if present.setting == setting)


def unread_names(environ: Mapping[str, str]) -> list[str]:
    """Return the names in config.toml that nothing reads. Raises NotConfiguredError."""
    names = {(*setting.table, setting.name)[0] for setting in SETTINGS} | {"server"}
    return [name for name in read_document(environ) if name not in names]


def change(environ: Mapping[str, str], name: str, texts: list[str] | None) -> SettingValue:
    """Set a setting to the command line's words, or with None back to its default.

    Raises UsageError, or NotConfiguredError if config.toml would be unusable afterwards; in both
    cases nothing was changed.
    """
    setting = find(name)
    if setting.is_login:
        raise UsageError(
            f"{name}: a key belongs to one URL, and both are tried before they are saved.",
            "Run `opensync-hooks login`, or `opensync-hooks logout`.",
        )
    if setting.name == "patterns" and texts is not None:
        raise UsageError(
            f"{name}: every pattern has a name.", "opensync-hooks config set patterns.NAME REGEX"
        )
    if setting.kind is dict and texts is not None:
        raise UsageError(f"{name}: is a table.", f"Write it in config.toml, as [{name}].")

    def edit(document: dict[str, Any]) -> None:
        if texts is None:
            _get_table(document, setting.table).pop(setting.name, None)
            return
        _get_table(document, setting.table)  # raises where something else has its name
        table = document
        for part in setting.table:
            table = table.setdefault(part, {})
        table[setting.name] = _parse(setting, texts)

    update(environ, edit)
    return value(environ, name)


def _parse(setting: Setting, texts: list[str]) -> Any:
    """Return the value of a command line's words: lists as several words, or in TOML's brackets."""
    if setting.kind is list:
        parsed = _parse_toml(texts[0]) if len(texts) == 1 else None
        return parsed if isinstance(parsed, list) else texts
    if len(texts) > 1:
        raise UsageError(f"{setting.label}: takes one value, not {len(texts)}.")
    if setting.kind is str:
        return texts[0]
    flag = _parse_toml(texts[0].lower())
    if not isinstance(flag, bool):
        raise UsageError(
            f"{setting.label}: is either true or false.",
            f"opensync-hooks config set {setting.label} true",
        )
    return flag


def _parse_toml(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except (ValueError, KeyError):
        return None


def _get_table(document: dict[str, Any], table: tuple[str, ...]) -> dict[str, Any]:
    """Return the table, empty if it is missing. Raises NotConfiguredError if it is not a table."""
    for part in table:
        document = document.get(part, {})
        if not isinstance(document, dict):
            raise NotConfiguredError(
                f"config.toml: `{part}` is not a table.", f"Write it as [{'.'.join(table)}]."
            )
    return document


def _present_value(config: Config, document: dict[str, Any], setting: Setting) -> Any:
    if setting.name == "api_key":
        return mask_key(config.api_key) if config.api_key else None
    if setting.name == "destinations":
        tables = _get_table(document, ("destinations",))
        return {
            name: {**table, "api_key": mask_key(table["api_key"])} if "api_key" in table else table
            for name, table in tables.items()
        }
    if setting.name in ("allow", "patterns", "prices", "aliases"):  # Config has them converted
        return _get_table(document, setting.table).get(setting.name, setting.kind())
    present = getattr(config, setting.field)
    return list(present) if setting.kind is list else present
