"""Contents of files in messages: where they are, and the note that takes their place.

Of the arguments of a tool that writes, only those that are known to be harmless stay. A field that
a new version of an agent invents is withheld until it is listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from opensync_hooks.model import Part, Role, Text, ToolCall, ToolResult
from opensync_hooks.privacy.file_texts import (
    note,
    patched_files,
    withhold_from_argument,
    withhold_from_text,
    withhold_resources,
)
from opensync_hooks.privacy.file_tools import (
    HARMLESS_FIELDS,
    PATH_FIELDS,
    access,
    as_inner_call,
    inner_calls,
    is_file_path,
    parse,
    plain,
)
from opensync_hooks.privacy.omitted import TOO_DEEP, Omitted
from opensync_hooks.privacy.written_files import withhold_written

_PLACEHOLDERS = re.compile(r"(?:\[[\w.+/-]{1,80}(?:, \d+ bytes)?\]\n?)*")
"""Texts that a source itself wrote in place of images."""
_MAX_REPORT = 300
_RESOURCE = re.compile(r"Reading MCP resource: (?P<path>[^\n]{1,400})")
"""OpenCode's line before the texts of an MCP resource."""


def withhold(parts: Iterable[Part], role: Role = "user") -> Iterator[Part]:
    """Yield the parts of a message, with a note in place of every file's contents."""
    calls: dict[str, ToolCall] = {}
    resource: str | None = None
    for part in parts:
        if isinstance(part, Text) and (match := _RESOURCE.fullmatch(part.text)):
            resource = match["path"]
            yield part
        elif isinstance(part, Text) and resource:
            yield Text(note(resource, part.text))
        elif isinstance(part, ToolCall):
            calls[part.id] = part
            yield _withhold_from_call(part)
        elif isinstance(part, ToolResult):
            try:
                yield _withhold_from_result(part, calls.get(part.call_id))
            except RecursionError:
                yield replace(part, output=note(None, part.output))
        elif isinstance(part, Text):
            text = withhold_from_text(part.text, is_prompt=role == "user")
            yield part if text == part.text else Text(text)
        else:
            yield part


def _withhold_from_call(call: ToolCall) -> ToolCall:
    arguments = parse(call.arguments)
    try:
        kept, use = arguments, access(call.name, call.category, arguments)
        if use is not None:
            kept = _withhold_from_arguments(call.name, call.category, arguments)
        kept = _withhold_from_strings(kept)
    except RecursionError:  # what is not looked into may be the contents of a file
        kept, use = TOO_DEEP, "unknown"
    if kept == arguments and use in {None, "reads"}:
        return call
    return replace(call, arguments=kept, title="")  # a title may repeat what is written


def _withhold_from_arguments(name: str, category: str, arguments: Any) -> Any:
    """Return a call's arguments without contents of files; in a wrapper, those of each call."""
    if any(inner_calls(arguments)) and not access(name, category):
        return _withhold_from_inner_calls(arguments)
    if access(name, category, arguments) != "writes":
        return arguments
    return _withhold_texts(arguments, _find_path(arguments))


def _withhold_from_inner_calls(value: Any) -> Any:
    """Return a wrapper's arguments with each call in them treated as if it stood alone."""
    value = parse(value)
    if call := as_inner_call(value):
        return {**value, call.field: _withhold_from_arguments(call.name, "", call.arguments)}
    if isinstance(value, dict):
        return {key: _withhold_from_inner_calls(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_withhold_from_inner_calls(element) for element in value]
    return value


def _withhold_from_strings(value: Any) -> Any:
    """Return arguments of any tool without the files that a command or a prompt in them holds."""
    if isinstance(value, str):
        is_note = isinstance(value, Omitted)
        return value if is_note else withhold_written(withhold_from_argument(value))
    if isinstance(value, dict):
        return {key: _withhold_from_strings(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_withhold_from_strings(element) for element in value]
    return value


def _withhold_from_result(result: ToolResult, call: ToolCall | None) -> ToolResult:
    name, category = (call.name, call.category) if call else ("", "")
    arguments = parse(call.arguments) if call else None
    kind = access(result.name or name, category, arguments)
    if kind is None:
        output = withhold_resources(result.output)
        return result if output == result.output else replace(result, output=output)
    if _PLACEHOLDERS.fullmatch(result.output):
        return result
    path = _find_path(arguments)
    if not result.is_error and not (kind == "writes" and call):
        return replace(result, output=note(path, result.output))
    # A report is sent without its details, or not at all if it repeats what was written, as
    # "Updated cell 7 with ..." and "String to replace not found: ..." do.
    sentence, _, details = result.output.strip().partition("\n")
    is_json = sentence.startswith(("{", "["))
    repeats = any(line in sentence for line in _written_lines(arguments))
    if is_json or repeats or len(sentence) > _MAX_REPORT:
        return replace(result, output=note(path, result.output))
    if details.strip():
        return replace(result, output=f"{sentence}\n{note(path, details)}")
    return result


def _written_lines(value: Any, name: str = "") -> Iterator[str]:
    """Yield the lines in a call's arguments, except those so short that any sentence has them."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _written_lines(member, key)
    elif isinstance(value, list):
        for element in value:
            yield from _written_lines(element, name)
    elif isinstance(value, str) and plain(name) not in PATH_FIELDS:
        yield from (line for line in map(str.strip, value.splitlines()) if len(line) > 3)


def _withhold_texts(value: Any, path: str | None, name: str = "") -> Any:
    """Replace every text in a call's arguments that could be a file's by a note."""
    if isinstance(value, dict):
        inner = _find_path(value) or path
        return {key: _withhold_texts(member, inner, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_withhold_texts(element, path, name) for element in value]
    if isinstance(value, str):
        is_harmless = plain(name) in (*HARMLESS_FIELDS, *PATH_FIELDS) or is_file_path(name, value)
        return value if not value or (is_harmless and "\n" not in value) else note(path, value)
    return value


def _find_path(arguments: Any) -> str | None:
    """Return the file that a call is about, as the call names it."""
    if isinstance(arguments, str):
        return patched_files(arguments)
    if not isinstance(arguments, dict):
        return None
    fields = {plain(str(key)): value for key, value in arguments.items()}
    for name in PATH_FIELDS:
        if isinstance(fields.get(name), str) and fields[name]:
            return str(fields[name])
    if call := next(inner_calls(arguments), None):
        return _find_path(call.arguments)
    others = (value for name, value in arguments.items() if is_file_path(str(name), value))
    if path := next((value for value in others if isinstance(value, str)), None):
        return path
    texts = (value for value in arguments.values() if isinstance(value, str))
    return next(filter(None, map(_find_path, texts)), None)  # a patch names its files within
