"""The table [privacy] of config.toml, checked: a rule that cannot be applied stops delivery."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opensync_hooks.errors import NotConfiguredError

_FLAGS = {"thinking": False, "redact": True, "file_contents": False, "undone": True}
"""Yes-or-no settings with their defaults."""
_NAMES = (*_FLAGS, "patterns", "allow", "exclude")
_STORE_NAMES = ("file_contents",)
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_PATTERN_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_PRINTABLE_NAME = re.compile(r"(?!osk_)[A-Za-z_-]{1,40}")
"""A misspelled name that may be shown: no API key that was pasted into the wrong line."""


def read(table: Mapping[str, Any], environ: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Return the values for Config by their field names. Raises NotConfiguredError.

    `path` is the file that holds the table; the environment overrides it.
    """
    patterns = table.get("patterns", {})
    if not isinstance(patterns, dict):
        raise NotConfiguredError(
            f"{path}: `patterns` is not a table.", 'Write name = "regex" under [privacy.patterns].'
        )
    flags = {
        name: get_flag(environ, table, name, path, default=default)
        for name, default in _FLAGS.items()
    }
    allow = []
    for text in _get_texts(table, "allow", path):
        is_regex = len(text) > 2 and text[0] == text[-1] == "/"
        allow.append(_compile("allow", text[1:-1] if is_regex else re.escape(text), path))
    return {
        **flags,
        "patterns": tuple((name, _compile(name, text, path)) for name, text in patterns.items()),
        "allow": tuple(allow),
        "exclude": _get_texts(table, "exclude", path),
    }


def refuse_misplaced(document: Mapping[str, Any], path: Path) -> None:
    """Raise NotConfiguredError for a rule that would have no effect where it is.

    Its author trusts that it works, and what is sent without it cannot be called back.
    """
    outside = next((name for name in _NAMES if name in document), None)
    if outside:
        raise NotConfiguredError(
            f"{path}: `{outside}` is outside [privacy], where it has no effect.",
            "Write it below the line [privacy]. Nothing is sent until then.",
        )
    for table, names in (("privacy", _NAMES), ("store", _STORE_NAMES)):
        unknown = next((name for name in document.get(table, ()) if name not in names), None)
        if unknown is not None:
            name = f"`{unknown}`" if _PRINTABLE_NAME.fullmatch(unknown) else "with one of its names"
            raise NotConfiguredError(
                f"{path}: [{table}] has no setting {name}.",
                f"Its settings are {', '.join(names)}. Nothing is sent until this is corrected.",
            )


def get_flag(
    environ: Mapping[str, str], table: Mapping[str, Any], name: str, path: Path, *, default: bool
) -> bool:
    """Return a yes-or-no setting: from OPENSYNC_HOOKS_<NAME>, else the table, else the default.

    A name in [store] comes with its table, because [privacy] may have the same name.

    An unclear word in the environment counts as the default. Raises NotConfiguredError for an
    unclear value in the table.
    """
    text = environ.get(f"OPENSYNC_HOOKS_{name.upper().replace('.', '_')}")
    if text is not None:
        return _BOOLEANS.get(text.strip().lower(), default)
    value = table.get(name.removeprefix("store."), default)
    if not isinstance(value, bool):
        raise NotConfiguredError(
            f"{path}: `{name}` is neither true nor false.", f"Write {name} = true, without quotes."
        )
    return value


def _get_texts(table: Mapping[str, Any], name: str, path: Path) -> tuple[str, ...]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise NotConfiguredError(
            f"{path}: `{name}` is not a list of strings.", f'Write {name} = ["…", "…"].'
        )
    return tuple(value)


def _compile(name: str, text: object, path: Path) -> re.Pattern[str]:
    """Compile a user's pattern. Errors show its name and not the pattern, which may be private."""
    if not _PATTERN_NAME.fullmatch(name):
        raise NotConfiguredError(
            f"{path}: the name of a pattern cannot be used in its mask.",
            "Use up to 40 letters, digits, - and _.",
        )
    if not isinstance(text, str):
        raise NotConfiguredError(
            f"{path}: the pattern `{name}` is not a string.", "Put it in quotes."
        )
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise NotConfiguredError(
            f"{path}: the pattern `{name}` is not a regular expression ({error}).",
            "Correct it; nothing is sent until then. TOML leaves backslashes alone within '…'.",
        ) from None
    if sys.version_info < (3, 11, 5) and possessive_quantifiers(text):
        raise NotConfiguredError(
            f"{path}: the pattern `{name}` uses a possessive quantifier, which this version of "
            "Python compiles wrongly.",
            "Write an atomic group, (?>a+), in its place; nothing is sent until then.",
        )
    if pattern.match(""):
        raise NotConfiguredError(
            f"{path}: the pattern `{name}` matches the empty text, so it would match everywhere.",
            "Correct it; nothing is sent until then.",
        )
    return pattern


def possessive_quantifiers(pattern: str) -> list[str]:
    """Return the quantifiers that never give back, which end in a second `+`.

    CPython before 3.11.5 compiles them wrongly (python/cpython#106052).
    """
    without_escapes = re.sub(r"(?s)\\.", "a", pattern)
    without_classes = re.sub(r"\[\^?\]?[^\]]*\]", "a", without_escapes)
    return re.findall(r"(?:[*+?]|\{[\d,]+\})\+", without_classes)
