"""Cursor's hooks.json, which Cursor takes as a whole or not at all.

One fault in it, and none of the user's hooks run; the only sign is a line in an output channel. So
the file is checked by the rules of Cursor's own loader before it is written, and a file that Cursor
refuses already is left alone: fixing it would start hooks that the user has not seen running.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from opensync_hooks.agents.cursor import DESCRIPTION
from opensync_hooks.agents.settings_files import json_edit
from opensync_hooks.agents.settings_files.blockers import Blocker, BlockerKind, SettingsError
from opensync_hooks.agents.settings_files.hooks_json import (
    BOM,
    Handler,
    HooksFile,
    LocatedHandler,
)
from opensync_hooks.hook import paths
from opensync_hooks.system import windows

EVENTS = frozenset(
    (
        *("sessionStart", "sessionEnd", "beforeSubmitPrompt", "stop", "afterAgentResponse"),
        *("afterAgentThought", "preToolUse", "postToolUse", "postToolUseFailure"),
        *("beforeShellExecution", "afterShellExecution", "beforeMCPExecution"),
        *("afterMCPExecution", "beforeReadFile", "afterFileEdit", "beforeTabFileRead"),
        *("afterTabFileEdit", "subagentStart", "subagentStop", "preCompact", "workspaceOpen"),
    )
)
_HINT = "fix that first, then run the same command again"
_COMMENTS = (re.compile(r"//.*$", re.MULTILINE), re.compile(r"/\*.*?\*/", re.DOTALL))


class CursorRegistration(HooksFile):
    name = DESCRIPTION.name
    label = DESCRIPTION.label
    script = "cursor.py"
    programs = ("cursor", "cursor-agent")
    activation_hint = "if nothing arrives, restart the windows that are open"
    events = ("stop", "sessionEnd")
    begin_events = ("beforeSubmitPrompt",)
    project_files = (".cursor/hooks.json",)
    empty_text = '{\n  "version": 1,\n  "hooks": {}\n}\n'
    timeout = 10  # the window waits for sessionEnd; the hook itself takes milliseconds
    _prunable: ClassVar = ((2, 2),)  # the loader requires "hooks", even if it is empty

    def settings_path(self, env: paths.Lookup) -> Path:
        return Path(paths.home(env)) / ".cursor" / "hooks.json"

    def events_here(self, env: paths.Lookup) -> tuple[str, ...]:
        """Return one more event for the far end of remote windows, which has transcripts alone."""
        is_remote = (Path(paths.home(env)) / ".cursor-server").is_dir()
        events = super().events_here(env)
        return (*events, "afterAgentResponse") if is_remote else events

    def _check_settings(self, path: Path, content: bytes | None, settings: dict[str, Any]) -> None:
        super()._check_settings(path, content, settings)
        ours = [handler for _, handler in self._ours(settings)]
        hooks = settings.get("hooks", {}).values()
        has_others = any(entries != [hook for hook in ours if hook in entries] for entries in hooks)
        blocker = self._blocker(path, content or b"", settings)
        if has_others and blocker:
            raise SettingsError(blocker, _HINT)

    def _check_result(self, path: Path, after: bytes) -> None:
        reason = refusal_reason(after)
        if not reason:
            loaded, written = self._ours(_as_loaded(after)), self._ours(json.loads(after))
            if list(loaded) != list(written):
                reason = "it cuts /* and what follows out of a command"
        if reason:
            reason = f"Cursor would refuse it with our hook, because {reason}"
            raise SettingsError(Blocker(BlockerKind.REFUSED, path, reason), _HINT)

    def _blocker(self, path: Path, content: bytes, _settings: dict[str, Any]) -> Blocker | None:
        reason = refusal_reason(content)
        if not reason:
            return None
        reason = f"Cursor runs none of the hooks in it, because {reason}"
        return Blocker(BlockerKind.REFUSED, path, reason)

    def _handlers(self, entries: list[Any]) -> Iterator[LocatedHandler]:
        for i, handler in enumerate(entries):
            if isinstance(handler, dict):
                yield (i,), handler

    def _new_handler(self, event: str, command: str) -> Handler:
        if windows.IS_WINDOWS:  # where Cursor runs its hooks in PowerShell
            command = windows.powershell_command(shlex.split(command))
        handler: Handler = {"command": command, "timeout": self.timeout}
        if event == "stop":
            # By default, Cursor skips a stop hook after another one has made the agent continue.
            handler["loop_limit"] = None
        return handler

    def _is_equivalent(self, handler: Handler, ours: Handler) -> bool:
        """Another timeout is the user's choice. A matcher would keep a stop hook from running."""
        defaults = {"type": "command", "matcher": None}
        actual = {**defaults, "loop_limit": 5, **handler}
        required = {**defaults, **ours, "timeout": actual.get("timeout")}
        return "timeout" in handler and all(actual[key] == required[key] for key in required)

    def _with_ours(self, text: str, command: str, events: tuple[str, ...]) -> str:
        version = json_edit.parse(text).get("version", ...)
        if version is ...:
            text = json_edit.append(text, (), 1, "version")
        elif not _is_positive_integer(version):
            text = json_edit.replace(text, ("version",), 1)
        return super()._with_ours(text, command, events)


def refusal_reason(content: bytes) -> str:
    """Return why Cursor's loader refuses the whole file; empty where it takes it.

    These are the rules of the loader in `@cursor/sdk` 1.1.0, except that a `matcher` is not
    compiled, because it is a regular expression of JavaScript.
    """
    if content.startswith(BOM):
        return "it starts with a byte order mark"
    if not content.strip():
        return ""
    try:
        return _shape_fault(_as_loaded(content))
    except (ValueError, RecursionError):
        if any(comment.search(content.decode("utf-8", "replace")) for comment in _COMMENTS):
            return "it cuts comments, also // and /* inside a text, and the rest is not valid JSON"
        return "it is not valid JSON"


def _as_loaded(content: bytes) -> Any:
    """Return what Cursor loads: it cuts whatever looks like a comment, also in strings."""
    text = content.decode("utf-8", "replace")
    for comment in _COMMENTS:
        text = comment.sub("", text)
    return json.loads(text)


def _shape_fault(value: Any) -> str:
    if not isinstance(value, dict) or not _is_positive_integer(value.get("version")):
        return '"version" is not a positive whole number'
    if not isinstance(value.get("hooks"), dict):
        return 'there is no "hooks"'
    for event, entries in value["hooks"].items():
        if event not in EVENTS:
            return f'it does not know the event "{event}"'
        if not isinstance(entries, list):
            return f'"{event}" is not a list'
        fault = next(filter(None, map(_entry_fault, entries)), "")
        if fault:
            return f'an entry of "{event}" {fault}'
    return ""


def _entry_fault(entry: Any) -> str:
    if not isinstance(entry, dict):
        return "is not an object"
    kind = entry.get("type", "command")
    if kind not in ("command", "prompt"):
        return "has a type that it does not know"
    if not isinstance(entry.get(kind), str) or (kind == "prompt" and not entry[kind].strip()):
        return f"has no {kind}"
    if "timeout" in entry and not _is_positive(entry["timeout"]):
        return "has a timeout that is not a positive number"
    if entry.get("loop_limit") is not None and not _is_positive_integer(entry["loop_limit"]):
        return "has a loop_limit that is not a positive whole number"
    if not isinstance(entry.get("failClosed", False), bool):
        return "has a failClosed that is neither true nor false"
    return "" if isinstance(entry.get("matcher", ""), str) else "has a matcher that is not a text"


def _is_positive_integer(value: Any) -> bool:
    return _is_positive(value) and value % 1 == 0


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


REGISTRATION = CursorRegistration()
