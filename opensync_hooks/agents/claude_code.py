"""Claude Code's settings.json: two hooks of ours among whatever else the user keeps there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opensync_hooks import folders
from opensync_hooks.agents import jsontext, original
from opensync_hooks.agents.change import Change, read
from opensync_hooks.agents.registration import Registration, broken, is_ours
from opensync_hooks.errors import OpenSyncError

_BOM = b"\xef\xbb\xbf"
_UNTOUCHED = " Nothing was changed."


class ClaudeCode:
    name = "claude-code"
    label = "Claude Code"
    script = "claude_code.py"
    events = ("Stop", "SessionEnd")
    timeout = 30  # without one, Claude Code kills SessionEnd hooks after 1.5 s

    def settings_path(self, env: folders.Lookup) -> Path:
        return Path(env("CLAUDE_CONFIG_DIR") or folders.home(env) + "/.claude") / "settings.json"

    def present(self, env: folders.Lookup) -> bool:
        return self.settings_path(env).parent.is_dir()

    def plan(self, env: folders.Lookup, command: str) -> Change | None:
        path = self.settings_path(env)
        before = read(path)
        text = self._text(path, before)
        self._check(path, jsontext.parse(text))
        after = _encode(before, self._with_ours(text, command))
        if after == before:
            return None
        first = original.of(env, path, before)
        if not any(self._ours(jsontext.parse(text))):
            first = first.started_with(before)
        return Change(path, before, after, first.note(after))

    def plan_removal(self, env: folders.Lookup) -> Change | None:
        path = self.settings_path(env)
        before = read(path)
        if before is None or self.script.encode() not in before:
            return None  # nothing of ours, also in a file that nobody can parse
        first = original.of(env, path, before)
        after = first.content
        if not first.known:
            after = _encode(before, self._without_ours(self._text(path, before)))
        return None if after == before else Change(path, before, after, first.forgotten())

    def registered(self, env: folders.Lookup) -> Registration:
        path = self.settings_path(env)
        try:
            settings = jsontext.parse(self._text(path, read(path)))
        except OpenSyncError as error:
            return Registration(path, (), self.events, str(error).removesuffix(_UNTOUCHED))
        ours = list(self._ours(settings))
        held = {at[1] for at, _ in ours}
        events = tuple(event for event in self.events if event in held)
        missing = tuple(event for event in self.events if event not in held)
        problem = ""
        if settings.get("disableAllHooks") is True:
            problem = f"{path}: disableAllHooks is on, so {self.label} runs no hook"
        for _, handler in ours:
            problem = problem or broken(handler["command"])
        return Registration(path, events, missing, problem)

    def _text(self, path: Path, raw: bytes | None) -> str:
        """The file's text, known to be one JSON object."""
        try:
            text = (raw or b"").removeprefix(_BOM).decode("utf-8")
            text = text if text.strip() else "{}\n"
            value = jsontext.parse(text)
        except ValueError as error:
            raise OpenSyncError(
                f"{path}: {_complaint(error)}.{_UNTOUCHED}",
                "mend the file (JSON takes no comments, no trailing commas and no key twice), "
                "then run the same command again",
            ) from error
        if not isinstance(value, dict):
            raise _misshapen(path, "its outermost value", "an object", self.label)
        return text

    def _check(self, path: Path, settings: dict[str, Any]) -> None:
        hooks = settings.get("hooks", {})
        if not isinstance(hooks, dict):
            raise _misshapen(path, '"hooks"', "an object", self.label)
        for event in self.events:
            if not isinstance(hooks.get(event, []), list):
                raise _misshapen(path, f'"{event}" in "hooks"', "a list", self.label)

    def _ours(self, settings: dict[str, Any]) -> Iterator[tuple[jsontext.Path, dict[str, Any]]]:
        """Our handlers and where they stand, also under events that an older version used."""
        hooks = settings.get("hooks")
        for event, groups in hooks.items() if isinstance(hooks, dict) else ():
            for i, group in enumerate(_list(groups)):
                handlers = group.get("hooks") if isinstance(group, dict) else None
                for k, handler in enumerate(_list(handlers)):
                    if isinstance(handler, dict) and is_ours(handler.get("command"), self.script):
                        yield ("hooks", event, i, "hooks", k), handler

    def _with_ours(self, text: str, command: str) -> str:
        wanted = {"type": "command", "command": command, "timeout": self.timeout}
        seen: set[object] = set()
        spare: list[jsontext.Path] = []
        for path, handler in self._ours(jsontext.parse(text)):
            if path[1] in seen or path[1] not in self.events:
                spare.append(path)
            elif not _runs(handler, command):
                text = jsontext.replace(text, path, wanted)
            seen.add(path[1])
        text = _cut(text, spare)
        for event in self.events:
            if event not in seen:
                text = _add(text, event, {"hooks": [wanted]})
        return text

    def _without_ours(self, text: str) -> str:
        return _cut(text, [path for path, _ in self._ours(jsontext.parse(text))])


def _runs(handler: dict[str, Any], command: str) -> bool:
    """Whether it does what ours should; another timeout or more keys are the user's choice."""
    as_wanted = (handler.get("type"), handler["command"]) == ("command", command)
    return as_wanted and "timeout" in handler


def _add(text: str, event: str, group: dict[str, Any]) -> str:
    settings = jsontext.parse(text)
    if "hooks" not in settings:
        return jsontext.append(text, (), {event: [group]}, "hooks")
    if event not in settings["hooks"]:
        return jsontext.append(text, ("hooks",), [group], event)
    return jsontext.append(text, ("hooks", event), group)


def _cut(text: str, handlers: list[jsontext.Path]) -> str:
    """Remove handlers, each together with the containers it was the last entry of."""
    for path in reversed(handlers):  # so that the indexes of those before stay true
        settings = jsontext.parse(text)
        depth = len(path)
        for container, without in ((4, 3), (2, 2), (1, 1)):
            if len(_at(settings, path[:container])) > 1:
                break
            depth = without
        text = jsontext.remove(text, path[:depth])
    return text


def _at(value: Any, path: jsontext.Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _encode(before: bytes | None, text: str) -> bytes:
    return (_BOM if (before or b"").startswith(_BOM) else b"") + text.encode("utf-8")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _complaint(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON (line {error.lineno}: {error.msg})"
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8"
    return str(error)


def _misshapen(path: Path, part: str, kind: str, label: str) -> OpenSyncError:
    return OpenSyncError(
        f"{path}: {part} is not {kind}, as {label} wants it.{_UNTOUCHED}",
        "mend this part of the file, or take it out",
    )
