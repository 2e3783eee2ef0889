"""A JSON file of the user's in which an agent looks for hooks, ours among others.

Never writes a file that it could not parse, and touches no entry but its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from opensync_hooks.agents.settings_files import backup, json_edit
from opensync_hooks.agents.settings_files.file_change import Change, read
from opensync_hooks.agents.settings_files.registration import (
    Registration,
    broken,
    is_ours,
    programs,
    waiting,
    waits,
)
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths

BOM = b"\xef\xbb\xbf"
UNTOUCHED = " Nothing was changed."

Handler = dict[str, Any]
Found = tuple[json_edit.Path, Handler]


class HooksFile:
    """What all such files have in common. An agent says where handlers stand, and their shape."""

    name: str
    label: str
    script: str
    events: tuple[str, ...]
    empty = "{}\n"
    """What stands for a file that is missing or empty."""
    _levels: ClassVar[tuple[tuple[int, int], ...]]
    """Of a handler's path: a container that ends here goes, when empty, from here on."""

    def settings_path(self, env: paths.Lookup) -> Path:
        raise NotImplementedError

    programs: tuple[str, ...]
    """How the agent is called: it may be there, and not have been started yet."""
    starts: str
    """What makes the agent take up hooks that were registered just now."""

    def present(self, env: paths.Lookup) -> bool:
        return self.settings_path(env).parent.is_dir() or any(programs(env, self.programs))

    def note(self, _: paths.Lookup) -> str:
        return ""

    def plan(self, env: paths.Lookup, command: str) -> Change | None:
        path = self.settings_path(env)
        before = read(path)
        text = self._text(path, before)
        self._check(path, before, json_edit.parse(text))
        after = _encode(before, self._with_ours(text, command))
        if after == before:
            return None
        self._check_written(path, after)
        first = backup.of(env, path, before)
        if not any(self._ours(json_edit.parse(text))):
            first = first.started_with(before)
        return Change(path, before, after, first.notes(after))

    def plan_removal(self, env: paths.Lookup) -> Change | None:
        path = self.settings_path(env)
        before = read(path)
        if before is None or self.script.encode() not in before:
            return None  # nothing of ours, also in a file that nobody can parse
        first = backup.of(env, path, before)
        after = first.content
        if not first.known:
            after = _encode(before, self._without_ours(self._text(path, before)))
        if after == before:
            return None
        return Change(path, before, after, first.forgotten(), prune=int(first.folder_made))

    def plan_without(self, env: paths.Lookup, unwanted: Callable[[object], bool]) -> Change | None:
        """Take out the handlers whose command is `unwanted`: another program's, by consent only."""
        path = self.settings_path(env)
        before = read(path)
        text = self._text(path, before)
        settings = json_edit.parse(text)
        found = [at for at, handler in self._all(settings) if unwanted(handler.get("command"))]
        if before is None or not found:
            return None
        self._check(path, before, settings)
        return Change(path, before, _encode(before, self._cut(text, found)))

    def registered(self, env: paths.Lookup) -> Registration:
        path = self.settings_path(env)
        try:
            raw = read(path)
            settings = json_edit.parse(self._text(path, raw))
        except OpenSyncError as error:
            said = str(error).removesuffix(UNTOUCHED).removesuffix(".")
            return Registration(path, (), self.events, said)
        ours = list(self._ours(settings))
        held = {at[1] for at, _ in ours}
        events = tuple(event for event in self.events if event in held)
        missing = tuple(event for event in self.events if event not in held)
        problem = self._hindrance(path, raw or b"", settings)
        for _, handler in ours:
            problem = problem or broken(handler["command"])
        return Registration(path, events, missing, problem)

    def _text(self, path: Path, raw: bytes | None) -> str:
        """The file's text, known to be one JSON object."""
        try:
            text = (raw or b"").removeprefix(BOM).decode("utf-8")
            text = text if text.strip() else self.empty
            value = json_edit.parse(text)
        except ValueError as error:
            raise OpenSyncError(
                f"{path}: {_complaint(error)}.{UNTOUCHED}",
                "mend the file (JSON takes no comments, no trailing commas and no key twice), "
                "then run the same command again",
            ) from error
        if not isinstance(value, dict):
            raise self._misshapen(path, "its outermost value", "an object")
        return text

    def _check(self, path: Path, _raw: bytes | None, settings: dict[str, Any]) -> None:
        """Raises OpenSyncError for a file that has no place for our hooks."""
        hooks = settings.get("hooks", {})
        if not isinstance(hooks, dict):
            raise self._misshapen(path, '"hooks"', "an object")
        for event in self.events:
            if not isinstance(hooks.get(event, []), list):
                raise self._misshapen(path, f'"{event}" in "hooks"', "a list")

    def _check_written(self, path: Path, after: bytes) -> None:
        """Raises OpenSyncError for a file that the agent would not take."""

    def _hindrance(self, path: Path, raw: bytes, settings: dict[str, Any]) -> str:
        """Why the agent runs no hook of this file; nothing where it does."""
        raise NotImplementedError

    def _handlers(self, entries: list[Any]) -> Iterator[Found]:
        """Every handler in an event's list, with its path from there."""
        raise NotImplementedError

    def _wanted(self, event: str, command: str) -> Handler:
        raise NotImplementedError

    def _runs(self, handler: Handler, wanted: Handler) -> bool:
        """Whether it does what ours should, whatever the user changed about it."""
        raise NotImplementedError

    def _entry(self, handler: Handler) -> Any:
        """The handler as one entry of an event's list."""
        return handler

    def _all(self, settings: dict[str, Any]) -> Iterator[Found]:
        hooks = settings.get("hooks")
        for event, entries in hooks.items() if isinstance(hooks, dict) else ():
            for path, handler in self._handlers(entries if isinstance(entries, list) else []):
                yield ("hooks", event, *path), handler

    def _ours(self, settings: dict[str, Any]) -> Iterator[Found]:
        """Our handlers and where they stand, also under events that an older version used."""
        for path, handler in self._all(settings):
            if is_ours(handler.get("command"), self.script):
                yield path, handler

    def _with_ours(self, text: str, command: str) -> str:
        seen: set[object] = set()
        spare: list[json_edit.Path] = []
        for path, handler in self._ours(json_edit.parse(text)):
            wanted = self._as_asked(handler, self._wanted(str(path[1]), command))
            if path[1] in seen or path[1] not in self.events:
                spare.append(path)
            elif not self._runs(handler, wanted):
                text = json_edit.replace(text, path, wanted)
            seen.add(path[1])
        text = self._cut(text, spare)
        for event in self.events:
            if event not in seen:
                text = _add(text, event, self._entry(self._wanted(event, command)))
        return text

    def _as_asked(self, handler: Handler, wanted: Handler) -> Handler:
        """A hook that the user made to wait goes on to, for as long as it may."""
        if not waits(handler["command"]):
            return wanted
        allowed = {"timeout": handler["timeout"]} if "timeout" in handler else {}
        return wanted | allowed | {"command": waiting(wanted["command"])}

    def _without_ours(self, text: str) -> str:
        return self._cut(text, [path for path, _ in self._ours(json_edit.parse(text))])

    def _cut(self, text: str, handlers: list[json_edit.Path]) -> str:
        """Remove handlers, each together with the containers it was the last entry of."""
        for path in reversed(handlers):  # so that the indexes of those before stay true
            settings = json_edit.parse(text)
            depth = len(path)
            for container, without in self._levels:
                if len(_at(settings, path[:container])) > 1:
                    break
                depth = without
            text = json_edit.remove(text, path[:depth])
        return text

    def _misshapen(self, path: Path, part: str, kind: str) -> OpenSyncError:
        return OpenSyncError(
            f"{path}: {part} is not {kind}, as {self.label} wants it.{UNTOUCHED}",
            "mend this part of the file, or take it out",
        )


def _add(text: str, event: str, entry: Any) -> str:
    settings = json_edit.parse(text)
    if "hooks" not in settings:
        return json_edit.append(text, (), {event: [entry]}, "hooks")
    if event not in settings["hooks"]:
        return json_edit.append(text, ("hooks",), [entry], event)
    return json_edit.append(text, ("hooks", event), entry)


def _at(value: Any, path: json_edit.Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _encode(before: bytes | None, text: str) -> bytes:
    return (BOM if (before or b"").startswith(BOM) else b"") + text.encode("utf-8")


def _complaint(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON (line {error.lineno}: {error.msg})"
    if isinstance(error, UnicodeDecodeError):
        return "not valid UTF-8"
    return str(error)
