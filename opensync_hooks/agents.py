"""What is registered with each agent: how it is found, put, and taken away again.

Never writes a settings file that it could not parse, and touches no entry but its own.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from opensync_hooks import folders, jsontext, original
from opensync_hooks.change import Change, read
from opensync_hooks.errors import OpenSyncError

_BOM = b"\xef\xbb\xbf"
_UNTOUCHED = " Nothing was changed."


@dataclass(frozen=True, slots=True)
class Registration:
    """What an agent's settings say of our hook, and in `problem` why it would not run."""

    path: Path
    events: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    problem: str = ""

    @property
    def works(self) -> bool:
        return not self.missing and not self.problem


class Agent(Protocol):
    """One agent's settings. Plans change nothing, and are None when there is nothing to change."""

    name: str
    label: str
    script: str
    """The file in hooks/ that this agent runs."""

    def settings_path(self, env: folders.Lookup) -> Path: ...

    def present(self, env: folders.Lookup) -> bool:
        """Whether the agent was ever started here: its own folder exists."""
        ...

    def plan(self, env: folders.Lookup, command: str) -> Change | None: ...

    def plan_removal(self, env: folders.Lookup) -> Change | None: ...

    def registered(self, env: folders.Lookup) -> Registration:
        """Never raises: what cannot be read is the `problem`."""
        ...


def hook_command(python: Path, script: Path) -> str:
    """What the agent gives to /bin/sh. `-I -S`: fast, and no package of the project gets in."""
    return shlex.join((python.as_posix(), "-I", "-S", script.as_posix()))


def is_ours(command: object, script: str) -> bool:
    """Whether this is a Python that runs our `script`, wherever either of them lay at the time.

    Told by the command, because Claude Code drops every key of a handler that it does not know.
    """
    words = _words(command)
    if len(words) < 2 or not PurePosixPath(words[0]).name.startswith("python"):
        return False
    found = PurePosixPath(words[-1])
    if any(not word.startswith("-") for word in words[1:-1]):
        return False
    if found.parts[-2:] != ("hooks", script):
        return False
    root = found.parent.parent  # an installed package, or a clone, which may be gone by now
    if root.name == "opensync_hooks" or "opensync-hooks" in root.name:
        return True
    return root.is_absolute() and Path(root, "opensync_hooks", "__init__.py").is_file()


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
            problem = problem or _broken(handler["command"])
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


ALL: tuple[Agent, ...] = (ClaudeCode(),)


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


def _words(command: object) -> list[str]:
    try:
        return shlex.split(command) if isinstance(command, str) else []
    except ValueError:  # an open quote
        return []


def _broken(command: str) -> str:
    words = _words(command)
    if Path(words[0]).is_absolute() and not Path(words[0]).is_file():
        return f"{words[0]}: the hook's Python is gone"
    if not Path(words[-1]).is_file():
        return f"{words[-1]}: the hook's script is gone"
    return ""


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
