"""Cursor's hooks.json, which Cursor takes whole or not at all.

One fault in it, and none of the user's hooks run; the only sign is a line in an output channel. So
what is written is checked by the rules of Cursor's own loader, and a file that it refuses already
is left alone: to make it valid would start hooks that have been asleep.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from opensync_hooks.agents.settings_files import json_edit
from opensync_hooks.agents.settings_files.hooks_json import (
    BOM,
    UNTOUCHED,
    Found,
    Handler,
    HooksFile,
)
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths

EVENTS = frozenset(
    (
        *("sessionStart", "sessionEnd", "beforeSubmitPrompt", "stop", "afterAgentResponse"),
        *("afterAgentThought", "preToolUse", "postToolUse", "postToolUseFailure"),
        *("beforeShellExecution", "afterShellExecution", "beforeMCPExecution"),
        *("afterMCPExecution", "beforeReadFile", "afterFileEdit", "beforeTabFileRead"),
        *("afterTabFileEdit", "subagentStart", "subagentStop", "preCompact", "workspaceOpen"),
    )
)
_MEND = "mend that first, then run the same command again"
_COMMENTS = (re.compile(r"//.*$", re.MULTILINE), re.compile(r"/\*.*?\*/", re.DOTALL))


class Cursor(HooksFile):
    name = "cursor"
    label = "Cursor"
    script = "cursor.py"
    programs = ("cursor", "cursor-agent")
    starts = "if nothing arrives, restart the windows that are open"
    events = ("stop", "sessionEnd")
    empty = '{\n  "version": 1,\n  "hooks": {}\n}\n'
    timeout = 10  # the window waits for sessionEnd; the hook itself takes milliseconds
    _levels: ClassVar = ((2, 2),)  # the loader wants "hooks" to be there, also empty

    def settings_path(self, env: paths.Lookup) -> Path:
        return Path(paths.home(env)) / ".cursor" / "hooks.json"

    def _check(self, path: Path, raw: bytes | None, settings: dict[str, Any]) -> None:
        super()._check(path, raw, settings)
        ours = [handler for _, handler in self._ours(settings)]
        hooks = settings.get("hooks", {}).values()
        has_others = any(entries != [one for one in ours if one in entries] for entries in hooks)
        wrong = fault(raw or b"") if has_others else ""
        if wrong:
            raise OpenSyncError(
                f"{path}: Cursor runs none of the hooks in it, because {wrong}.{UNTOUCHED}", _MEND
            )

    def _check_written(self, path: Path, after: bytes) -> None:
        wrong = fault(after)
        if not wrong and self._differ(_seen_by_cursor(after), json.loads(after)):
            wrong = "it cuts /* and what follows out of a command"
        if wrong:
            raise OpenSyncError(
                f"{path}: Cursor would refuse it with our hook, because {wrong}.{UNTOUCHED}", _MEND
            )

    def _differ(self, seen: dict[str, Any], written: dict[str, Any]) -> bool:
        """Whether Cursor reads our handlers as anything else than they are."""
        return list(self._ours(seen)) != list(self._ours(written))

    def _hindrance(self, path: Path, raw: bytes, _settings: dict[str, Any]) -> str:
        wrong = fault(raw)
        return f"{path}: Cursor runs none of the hooks in it, because {wrong}" if wrong else ""

    def _handlers(self, entries: list[Any]) -> Iterator[Found]:
        for i, handler in enumerate(entries):
            if isinstance(handler, dict):
                yield (i,), handler

    def _wanted(self, event: str, command: str) -> Handler:
        """Without `loop_limit`, Cursor skips a stop hook where another one made the agent go on."""
        wanted: Handler = {"command": command, "timeout": self.timeout}
        return wanted | ({"loop_limit": None} if event == "stop" else {})

    def _runs(self, handler: Handler, wanted: Handler) -> bool:
        """Another timeout is the user's choice. A matcher would keep a stop hook from running."""
        plain = {"type": "command", "matcher": None, "loop_limit": 5} | handler
        needed = {"type": "command", "matcher": None} | wanted | {"timeout": plain.get("timeout")}
        return "timeout" in handler and all(plain[key] == one for key, one in needed.items())

    def _with_ours(self, text: str, command: str) -> str:
        version = json_edit.parse(text).get("version", ...)
        if version is ...:
            text = json_edit.append(text, (), 1, "version")
        elif not _is_version(version):
            text = json_edit.replace(text, ("version",), 1)
        return super()._with_ours(text, command)


def fault(raw: bytes) -> str:
    """Why Cursor's loader refuses the whole file; nothing where it takes it.

    As the loader of `@cursor/sdk` 1.0.32 does, but that no `matcher` is tried: it is JavaScript's.
    """
    if raw.startswith(BOM):
        return "it starts with a byte order mark"
    if not raw.strip():
        return ""
    try:
        value = _seen_by_cursor(raw)
    except (ValueError, RecursionError):
        if any(comment.search(raw.decode("utf-8", "replace")) for comment in _COMMENTS):
            return "it cuts comments, also // and /* inside a text, and what is left is no JSON"
        return "it is no valid JSON"
    return _misshapen(value)


def _seen_by_cursor(raw: bytes) -> Any:
    """What is left of the file when all that looks like a comment is cut, wherever it stands."""
    text = raw.decode("utf-8", "replace")
    for comment in _COMMENTS:
        text = comment.sub("", text)
    return json.loads(text)


def _misshapen(value: Any) -> str:
    if not isinstance(value, dict) or not _is_version(value.get("version")):
        return '"version" is not a positive whole number'
    if not isinstance(value.get("hooks"), dict):
        return 'there is no "hooks"'
    for event, entries in value["hooks"].items():
        if event not in EVENTS:
            return f'it does not know the event "{event}"'
        if not isinstance(entries, list):
            return f'"{event}" is not a list'
        wrong = next(filter(None, map(_wrong_entry, entries)), "")
        if wrong:
            return f'an entry of "{event}" {wrong}'
    return ""


def _wrong_entry(entry: Any) -> str:
    """A pattern in `matcher` is not tried, and no model named: both are beside the point here."""
    if not isinstance(entry, dict):
        return "is no object"
    wanted = {None: "command", "command": "command", "prompt": "prompt"}.get(
        entry.get("type", None)
    )
    if wanted is None or ("type" in entry and entry["type"] is None):
        return "has a type that it does not know"
    if not isinstance(entry.get(wanted), str) or (wanted == "prompt" and not entry[wanted].strip()):
        return f"has no {wanted}"
    if "timeout" in entry and not _is_positive(entry["timeout"]):
        return "has a timeout that is no positive number"
    if entry.get("loop_limit") is not None and not _is_version(entry["loop_limit"]):
        return "has a loop_limit that is no positive whole number"
    if not isinstance(entry.get("failClosed", False), bool):
        return "has a failClosed that is neither true nor false"
    return "" if isinstance(entry.get("matcher", ""), str) else "has a matcher that is no text"


def _is_version(value: Any) -> bool:
    return _is_positive(value) and value == int(value)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
