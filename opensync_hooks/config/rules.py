"""What the user decided about privacy: the table [privacy] of config.toml, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opensync_hooks.errors import NotConfiguredError

_UNSET = {"thinking": False, "redact": True, "file_contents": False}
_WORDS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_NAMES = (*_UNSET, "patterns", "allow", "exclude")
_PATTERN_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TYPED_NAME = re.compile(r"(?!osk_)[A-Za-z_-]{1,40}")
"""No key that was pasted into the wrong place."""


def read(table: Mapping[str, Any], environ: Mapping[str, str], path: Path) -> dict[str, Any]:
    """The rules by the names that Config has for them. Raises NotConfiguredError.

    `path` is the file that the table comes from; the environment wins over it.
    """
    given = table.get("patterns", {})
    if not isinstance(given, dict):
        raise NotConfiguredError(
            f"{path}: `patterns` is not a table.", 'Write name = "regex" under [privacy.patterns].'
        )
    return {
        **{name: flag(environ, table, name, path, unset=unset) for name, unset in _UNSET.items()},
        "patterns": tuple((name, _pattern(name, text, path)) for name, text in given.items()),
        "allow": tuple(_allowed(text, path) for text in _texts(table, "allow", path)),
        "exclude": _texts(table, "exclude", path),
    }


def refuse_misplaced(document: Mapping[str, Any], path: Path) -> None:
    """Raises NotConfiguredError for a rule that would not be heeded where it stands.

    Who wrote it trusts that it holds; sent without it, what was to stay here could not be fetched
    back.
    """
    outside = [name for name in _NAMES if name in document]
    if outside:
        raise NotConfiguredError(
            f"{path}: `{outside[0]}` stands outside [privacy], where it does nothing.",
            "Write it below a line that says [privacy]; until then nothing is sent.",
        )
    unknown = [name for name in document.get("privacy", ()) if name not in _NAMES]
    if unknown:
        shown = f" `{unknown[0]}`" if _TYPED_NAME.fullmatch(unknown[0]) else " of one of its names"
        raise NotConfiguredError(
            f"{path}: [privacy] has no setting{shown}.",
            f"There are: {', '.join(_NAMES)}. Until it is corrected nothing is sent.",
        )


def _pattern(name: str, text: object, path: Path) -> re.Pattern[str]:
    """Raises NotConfiguredError; what it says of the pattern is its name, for it may be telling."""
    if not _PATTERN_NAME.fullmatch(name):
        raise NotConfiguredError(
            f"{path}: the name of a pattern is to stand in its mask, and this one cannot.",
            "Use up to 40 letters, digits, - and _.",
        )
    if not isinstance(text, str):
        raise NotConfiguredError(f"{path}: the pattern `{name}` is no text.", "Put it in quotes.")
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise NotConfiguredError(
            f"{path}: the pattern `{name}` is no regular expression ({error}).",
            "Correct it; until then nothing is sent. In '…' TOML leaves backslashes alone.",
        ) from None
    if pattern.match(""):
        raise NotConfiguredError(
            f"{path}: the pattern `{name}` matches what is empty, so it would match everywhere.",
            "Correct it; until then nothing is sent.",
        )
    return pattern


def _allowed(text: str, path: Path) -> re.Pattern[str]:
    """A literal; or between slashes, a regular expression."""
    regex = len(text) > 2 and text[0] == text[-1] == "/"
    return _pattern("allow", text[1:-1] if regex else re.escape(text), path)


def _texts(table: Mapping[str, Any], name: str, path: Path) -> tuple[str, ...]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(text, str) and text for text in found):
        raise NotConfiguredError(
            f"{path}: `{name}` is not a list of texts.", f'Write {name} = ["…", "…"].'
        )
    return tuple(found)


def flag(
    environ: Mapping[str, str], table: Mapping[str, Any], name: str, path: Path, *, unset: bool
) -> bool:
    """A yes or no, of the environment or else the table; `unset` where there is neither.

    That holds too where the environment has a word that is no answer. Raises NotConfiguredError.
    """
    given = environ.get(f"OPENSYNC_HOOKS_{name.upper()}")
    if given is not None:
        return _WORDS.get(given.strip().lower(), unset)
    found = table.get(name, unset)
    if not isinstance(found, bool):
        raise NotConfiguredError(
            f"{path}: `{name}` is neither true nor false.", f"Write {name} = true, without quotes."
        )
    return found
