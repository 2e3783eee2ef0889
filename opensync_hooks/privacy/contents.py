"""Contents of files in messages: where they are, and the note that takes their place.

Of the arguments of a tool that writes, only those that are known to be harmless stay. A field that
a new version of an agent invents is withheld until it is listed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

from opensync_hooks.model import Part, Text, ToolCall, ToolResult

Access = Literal["reads", "writes", "unknown"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READERS = _words(
    "read readfile readfiles readmanyfiles readtextfile readmultiplefiles readmediafile openfile"
    " view viewfile viewimage notebookread readnotebook readsemsearchfiles getfilecontents"
    " codebasesearch semanticsearch semanticsearchfull semsearch"
)
_WRITERS = _words(
    "write writefile writetofile createfile edit editfile multiedit multieditfile updatefile"
    " notebookedit editnotebook strreplace strreplaceeditor strreplacebasededittool searchreplace"
    " searchandreplace replaceinfile applypatch applydiff applyagentdiff patch reapply appendfile"
    " appendtofile createorupdatefile pushfiles"
)
_CATEGORIES: dict[str, Access] = {
    "Read": "reads", "Search": "reads", "Write": "writes", "Edit": "writes"
}  # fmt: skip
_PATH_FIELDS = (
    *("filepath", "path", "targetfile", "notebookpath", "targetnotebook", "relativeworkspacepath"),
    *("filename", "uri", "file", "absolutepath", "paths", "files"),
)
_HARMLESS_FIELDS = _words(
    "description explanation instruction instructions command cellid cellidx celltype cellnumber"
    " celllanguage editmode language mode encoding type kind operation toolcallid"
)
_PATCHED_FILE = re.compile(r"(?m)^(?:\*\*\* (?:Add|Update|Delete) File: |\+\+\+ (?:b/)?)(\S.*)$")
_PLACEHOLDERS = re.compile(r"(?:\[[\w.+/-]{1,80}(?:, \d+ bytes)?\]\n?)*")
"""Texts that a source itself wrote in place of images."""
_MAX_REPORT = 300
_MAX_DEPTH = 8
_MARKERS = ("<system-reminder>", "<system_reminder>", "<ide_selection>", "<attached_files>")
_ADDED_FILE = re.compile(
    r"(?P<head>Result of calling the \w{1,40} tool:[ \n]?"
    r"|(?m:^)Contents of (?P<file>[^\n]{1,400}?)(?: \([^\n]{1,200}\))?:\n"
    r"|(?m:^)[^\n]{0,400}?(?:shown with line numbers|running `cat -n`)[^\n]{0,200}:\n"
    r"|The user selected the lines? \d+ to \d+ from (?P<selected>[^\n]{1,400}):\n"
    r"|<code_selection path=[\"'](?P<path>[^\n\"']{1,400})[\"'][^>\n]{0,200}>)"
    r"(?P<body>(?s:.*?))(?=</(?:system.reminder|ide_selection|code_selection|attached_files)>"
    r"|\nContents of |\n\nThis may or may not|\Z)"
)
"""A file that an agent added to a prompt: the user named, selected or changed it meanwhile."""


def withhold(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts of a message, with a note in place of every file's contents."""
    calls: dict[str, ToolCall] = {}
    for part in parts:
        if isinstance(part, ToolCall):
            calls[part.id] = part
            yield _withhold_from_call(part)
        elif isinstance(part, ToolResult):
            yield _withhold_from_result(part, calls.get(part.call_id))
        elif isinstance(part, Text) and any(marker in part.text for marker in _MARKERS):
            yield Text(_ADDED_FILE.sub(_withhold_match, part.text))
        else:
            yield part


def note(path: str | None, text: str) -> str:
    """Return what is sent in place of a file's contents."""
    size = float(len(text.encode("utf-8", "surrogatepass")))
    lines = text.count("\n") + (not text.endswith("\n"))
    if size >= 1_000_000:
        amount = f"{size / 1_000_000:.1f} MB"
    elif size >= 1_000:
        amount = f"{size / 1_000:.1f} KB"
    else:
        amount = f"{size:.0f} byte{'' if size == 1 else 's'}"
    count = f"{lines} line{'' if lines == 1 else 's'}"
    return f"[contents of {path or 'a file'} stay here: {count}, {amount}]"


def access(name: str, category: str = "") -> Access | None:
    """Return what a tool does with the contents of files; None for a tool of another kind.

    `category` is what the agent itself says of the tool. A call without a name is "unknown".
    """
    if not name:
        return "unknown"
    last_word = re.split(r"__|[.:/]", name.lower())[-1]
    plain = re.sub(r"_v\d+\Z", "", last_word).replace("_", "").replace("-", "")
    if _matches(plain, _READERS):
        return "reads"
    return "writes" if _matches(plain, _WRITERS) else _CATEGORIES.get(category)


def _matches(name: str, tools: frozenset[str]) -> bool:
    """Also match a tool's name after that of its server, as in `filesystem_read_file`."""
    return name in tools or any(name.endswith(tool) for tool in tools if len(tool) > 7)


def _withhold_match(match: re.Match[str]) -> str:
    path = match["file"] or match["selected"] or match["path"]
    return match["head"] + (note(path, match["body"]) if match["body"].strip() else match["body"])


def _withhold_from_call(call: ToolCall) -> ToolCall:
    if access(call.name, call.category) != "writes":
        return call
    arguments = _parse(call.arguments)
    return replace(call, arguments=_withhold_texts(arguments, _find_path(arguments)), title="")


def _withhold_from_result(result: ToolResult, call: ToolCall | None) -> ToolResult:
    name, category = (call.name, call.category) if call else ("", "")
    kind = access(result.name or name, category)
    if kind is None or _PLACEHOLDERS.fullmatch(result.output):
        return result
    arguments = _parse(call.arguments) if call else None
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


def _written_lines(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the lines in a call's arguments, except those so short that any sentence has them."""
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        for key, member in value.items():
            yield from _written_lines(member, key, depth + 1)
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        for element in value:
            yield from _written_lines(element, name, depth + 1)
    elif isinstance(value, str) and _plain(name) not in _PATH_FIELDS:
        yield from (line for line in map(str.strip, value.splitlines()) if len(line) > 3)


def _parse(arguments: Any) -> Any:
    """Return arguments as a value: some agents keep the JSON text that the model wrote."""
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments)
        except (ValueError, RecursionError):
            return arguments
        return value if isinstance(value, dict | list) else arguments
    return arguments


def _withhold_texts(value: Any, path: str | None, name: str = "", depth: int = 0) -> Any:
    """Replace every text in a call's arguments that could be a file's by a note."""
    if isinstance(value, dict) and depth < _MAX_DEPTH:
        inner = _find_path(value) or path
        return {
            key: _withhold_texts(member, inner, key, depth + 1) for key, member in value.items()
        }
    if isinstance(value, list) and depth < _MAX_DEPTH:
        return [_withhold_texts(element, path, name, depth + 1) for element in value]
    if isinstance(value, str):
        is_harmless = _plain(name) in _PATH_FIELDS or _plain(name) in _HARMLESS_FIELDS
        return value if not value or (is_harmless and "\n" not in value) else note(path, value)
    if isinstance(value, dict | list):
        return f"[contents of {path or 'a file'} stay here]"
    return value


def _find_path(arguments: Any) -> str | None:
    """Return the file that a call is about, as the call names it."""
    if isinstance(arguments, str):
        return ", ".join(_PATCHED_FILE.findall(arguments)[:4]) or None
    if not isinstance(arguments, dict):
        return None
    fields = {_plain(str(key)): value for key, value in arguments.items()}
    for name in _PATH_FIELDS:
        if isinstance(fields.get(name), str) and fields[name]:
            return str(fields[name])
    texts = (value for value in arguments.values() if isinstance(value, str))
    return next(filter(None, map(_find_path, texts)), None)  # a patch names its files within


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
