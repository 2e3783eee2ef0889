"""A JSON settings file in which an agent keeps hooks: the user's, other programs' and ours.

A file that cannot be parsed is never written, and no entry but ours is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, ClassVar

from opensync_hooks.agents.settings_files import backup, json_edit
from opensync_hooks.agents.settings_files.blockers import Blocker, BlockerKind, SettingsError
from opensync_hooks.agents.settings_files.file_change import FileChange, SideFile, read
from opensync_hooks.agents.settings_files.hook_command import (
    WAIT,
    command_blocker,
    guarded,
    handler_command,
    is_ours,
)
from opensync_hooks.agents.settings_files.registration import (
    HookEntry,
    Registration,
    RegistrationState,
    find_programs,
)
from opensync_hooks.hook import paths

BOM = b"\xef\xbb\xbf"

Handler = dict[str, Any]
LocatedHandler = tuple[json_edit.KeyPath, Handler]


class HooksFile(Registration):
    """The registration of an agent whose hooks are in a JSON file.

    The subclass of an agent knows where that file is, which events matter, and what a handler looks
    like.
    """

    programs: tuple[str, ...]
    """One of these may be installed although the agent has no folder yet."""
    events: tuple[str, ...]
    """Without a hook for each of them, the agent's sessions are not delivered."""
    begin_events: tuple[str, ...]
    """Those that fire when a turn begins; installations of earlier versions lack them."""
    project_files: tuple[str, ...]
    """Further hooks files, in the project that the agent runs in."""
    empty_text = "{}\n"
    """The content that a missing or empty file stands for."""
    _prunable: ClassVar[tuple[tuple[int, int], ...]]
    """Depths in a handler's key path: a container at the first that would be left empty is removed
    from the second on."""

    @property
    def _registered_events(self) -> tuple[str, ...]:
        return self.events + self.begin_events

    def is_installed(self, env: paths.Lookup) -> bool:
        folder = self.settings_path(env).parent
        return folder.is_dir() or any(find_programs(env, self.programs, ".local/bin"))

    def plan(self, env: paths.Lookup, command: str) -> FileChange | None:
        path = self.settings_path(env)
        before = read(path)
        text, settings = self._parse(path, before)
        self._check_settings(path, before, settings)
        after = _encode(before, self._with_ours(text, guarded(command), self.events_here(env)))
        if after == before:
            return None
        self._check_result(path, after)
        if any(self._ours(settings)):
            original = backup.find(env, path, before)
        else:
            original = backup.start(env, path, before)
        return FileChange(path, before, after, original.side_files(after) if original else ())

    def plan_removal(self, env: paths.Lookup) -> FileChange | None:
        path = self.settings_path(env)
        before = read(path)
        if before is None or self.script.encode() not in before:
            return None  # nothing of ours is in it, even if it cannot be parsed
        original = backup.find(env, path, before)
        if original:
            prune = int(original.folder_made)
            return FileChange(path, before, original.content, original.deletions(), prune)
        text, settings = self._parse(path, before)
        handlers = [key_path for key_path, _ in self._ours(settings)]
        after = _encode(before, self._cut(text, handlers))
        stale_record = SideFile(backup.record_path(env, path), None)
        return None if after == before else FileChange(path, before, after, (stale_record,))

    def events_here(self, _env: paths.Lookup) -> tuple[str, ...]:
        """Return the events that a hook is registered for on this machine."""
        return self._registered_events

    def foreign_files(self, env: paths.Lookup) -> list[Path]:
        return [self.settings_path(env)]

    def plan_without(
        self, path: Path, _package: str, owns: Callable[[object], bool]
    ) -> FileChange | None:
        before = read(path)
        text, settings = self._parse(path, before)
        foreign = [
            key_path for key_path, handler in self._all(settings) if owns(handler_command(handler))
        ]
        if not foreign:
            return None
        self._check_settings(path, before, settings)
        return FileChange(path, before, _encode(before, self._cut(text, foreign)))

    def state(self, env: paths.Lookup) -> RegistrationState:
        path = self.settings_path(env)
        try:
            content = read(path)
            _, settings = self._parse(path, content)
        except SettingsError as error:
            return RegistrationState(path, (), self.events, error.blocker)
        expected = [event for event in self.events_here(env) if event not in self.begin_events]
        ours = list(self._ours(settings))
        registered = {key_path[1] for key_path, _ in ours}
        blocker = self._blocker(path, content or b"", settings)
        for _, handler in ours:
            blocker = blocker or command_blocker(str(handler_command(handler)))
        return RegistrationState(
            path,
            tuple(event for event in expected if event in registered),
            tuple(event for event in expected if event not in registered),
            blocker,
            tuple(event for event in self.begin_events if event not in registered),
        )

    def entries(self, env: paths.Lookup, project: Path | None = None) -> list[HookEntry]:
        entries: list[HookEntry] = []
        project_paths = [project / name for name in self.project_files] if project else []
        for path in dict.fromkeys((self.settings_path(env), *project_paths)):
            try:
                _, settings = self._parse(path, read(path))
            except SettingsError:
                continue
            for key_path, handler in self._ours(settings):
                entries.append(HookEntry(path, str(key_path[1]), str(handler_command(handler))))
        return entries

    def _parse(self, path: Path, content: bytes | None) -> tuple[str, dict[str, Any]]:
        """Return the file's text and its value, which is one JSON object."""
        try:
            text = (content or b"").removeprefix(BOM).decode("utf-8")
            text = text if text.strip() else self.empty_text
            settings = json_edit.parse(text)
        except ValueError as error:
            reason = "not valid UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise SettingsError(
                Blocker(BlockerKind.MALFORMED, path, reason),
                "fix the file (JSON has no comments, no trailing commas and no duplicate keys), "
                "then run the same command again",
            ) from error
        if not isinstance(settings, dict):
            raise self._shape_error(path, "its outermost value", "an object")
        return text, settings

    def _check_settings(self, path: Path, _content: bytes | None, settings: dict[str, Any]) -> None:
        """Raise SettingsError for a file that our hooks cannot be added to."""
        hooks = settings.get("hooks", {})
        if not isinstance(hooks, dict):
            raise self._shape_error(path, '"hooks"', "an object")
        for event in self._registered_events:
            if not isinstance(hooks.get(event, []), list):
                raise self._shape_error(path, f'"{event}" in "hooks"', "a list")

    def _check_result(self, path: Path, after: bytes) -> None:
        """Raise SettingsError for a file that the agent would refuse."""

    def _blocker(self, path: Path, content: bytes, settings: dict[str, Any]) -> Blocker | None:
        """Return why the agent runs no hook of this file; None where it does."""
        raise NotImplementedError

    def _handlers(self, entries: list[Any]) -> Iterator[LocatedHandler]:
        """Yield every handler in an event's list, with its key path from there."""
        raise NotImplementedError

    def _new_handler(self, event: str, command: str) -> Handler:
        raise NotImplementedError

    def _is_equivalent(self, handler: Handler, ours: Handler) -> bool:
        """Whether a handler does what `ours` does, apart from what the user may choose."""
        raise NotImplementedError

    def _as_entry(self, handler: Handler) -> Any:
        """Return the handler as one entry of an event's list."""
        return handler

    def _all(self, settings: dict[str, Any]) -> Iterator[LocatedHandler]:
        hooks = settings.get("hooks")
        for event, entries in hooks.items() if isinstance(hooks, dict) else ():
            for key_path, handler in self._handlers(entries if isinstance(entries, list) else []):
                yield ("hooks", event, *key_path), handler

    def _ours(self, settings: dict[str, Any]) -> Iterator[LocatedHandler]:
        """Yield our handlers, also those under events that an older version used."""
        for key_path, handler in self._all(settings):
            if is_ours(handler_command(handler), self.script):
                yield key_path, handler

    def _with_ours(self, text: str, command: str, events: tuple[str, ...]) -> str:
        """Return the text with one current handler of ours for each event."""
        registered: set[str] = set()
        surplus: list[json_edit.KeyPath] = []
        for key_path, handler in self._ours(json_edit.parse(text)):
            event = str(key_path[1])
            ours = self._new_handler(event, command)
            if str(handler_command(handler)).endswith(WAIT):
                # A hook that the user made to wait goes on waiting, for as long as the user allows.
                timeout = {"timeout": handler["timeout"]} if "timeout" in handler else {}
                ours = self._new_handler(event, command + WAIT) | timeout
            if event in registered or event not in events:
                surplus.append(key_path)
            elif not self._is_equivalent(handler, ours):
                text = json_edit.replace(text, key_path, ours)
            registered.add(event)
        text = self._cut(text, surplus)
        for event in events:
            if event not in registered:
                text = _add(text, event, self._as_entry(self._new_handler(event, command)))
        return text

    def _cut(self, text: str, handlers: list[json_edit.KeyPath]) -> str:
        """Remove handlers, each together with the containers that it was the last entry of."""
        for key_path in reversed(handlers):  # so that the indexes of earlier ones stay valid
            settings = json_edit.parse(text)
            depth = len(key_path)
            for container_depth, removal_depth in self._prunable:
                if len(reduce(getitem, key_path[:container_depth], settings)) > 1:
                    break
                depth = removal_depth
            text = json_edit.remove(text, key_path[:depth])
        return text

    def _shape_error(self, path: Path, part: str, kind: str) -> SettingsError:
        return SettingsError(
            Blocker(BlockerKind.MALFORMED, path, f"{part} is not {kind}, as {self.label} expects"),
            "fix this part of the file, or take it out",
        )


def _add(text: str, event: str, entry: Any) -> str:
    settings = json_edit.parse(text)
    if "hooks" not in settings:
        return json_edit.append(text, (), {event: [entry]}, "hooks")
    if event not in settings["hooks"]:
        return json_edit.append(text, ("hooks",), [entry], event)
    return json_edit.append(text, ("hooks", event), entry)


def _encode(before: bytes | None, text: str) -> bytes:
    return (BOM if (before or b"").startswith(BOM) else b"") + text.encode("utf-8")
