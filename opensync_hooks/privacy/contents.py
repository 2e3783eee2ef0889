"""Contents of files in tool calls: where they are, and the note that takes their place.

Of a tool that writes, only what is known to be harmless stays, so that a field which a new version
of an agent invents stays home until it is known here.
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


_READS = _words(
    "read readfile readfiles readmanyfiles readtextfile readmultiplefiles readmediafile openfile"
    " view viewfile viewimage notebookread readnotebook readsemsearchfiles getfilecontents"
    " codebasesearch semanticsearch semanticsearchfull semsearch"
)
_WRITES = _words(
    "write writefile writetofile createfile edit editfile multiedit multieditfile updatefile"
    " notebookedit editnotebook strreplace strreplaceeditor strreplacebasededittool searchreplace"
    " searchandreplace replaceinfile applypatch applydiff applyagentdiff patch reapply appendfile"
    " appendtofile createorupdatefile pushfiles"
)
_CATEGORIES: dict[str, Access] = {
    "Read": "reads", "Search": "reads", "Write": "writes", "Edit": "writes"
}  # fmt: skip
_PATHS = (
    *("filepath", "path", "targetfile", "notebookpath", "targetnotebook", "relativeworkspacepath"),
    *("filename", "uri", "file", "absolutepath", "paths", "files"),
)
_HARMLESS = _words(
    "description explanation instruction instructions command cellid cellidx celltype cellnumber"
    " celllanguage editmode language mode encoding type kind operation toolcallid"
)
_PATCHED = re.compile(r"(?m)^(?:\*\*\* (?:Add|Update|Delete) File: |\+\+\+ (?:b/)?)(\S.*)$")
_NO_CONTENTS = re.compile(r"(?:\[[\w.+/-]{1,80}(?:, \d+ bytes)?\]\n?)*")
"""What a source itself wrote in place of an image."""
_LONGEST_REPORT = 300
_INJECTED = ("<system-reminder>", "<system_reminder>", "<ide_selection>", "<attached_files>")
_SHOWN = re.compile(
    r"(?P<head>Result of calling the \w{1,40} tool:[ \n]?"
    r"|(?m:^)Contents of (?P<file>[^\n]{1,400}?)(?: \([^\n]{1,200}\))?:\n"
    r"|(?m:^)[^\n]{0,400}?(?:shown with line numbers|running `cat -n`)[^\n]{0,200}:\n"
    r"|The user selected the lines? \d+ to \d+ from (?P<selected>[^\n]{1,400}):\n"
    r"|<code_selection path=[\"'](?P<path>[^\n\"']{1,400})[\"'][^>\n]{0,200}>)"
    r"(?P<body>(?s:.*?))(?=</(?:system.reminder|ide_selection|code_selection|attached_files)>"
    r"|\nContents of |\n\nThis may or may not|\Z)"
)
"""What agents put beside a prompt: files that the user named, selected or changed meanwhile."""


def access(name: str, category: str = "") -> Access | None:
    """What a tool does with the contents of files; None where it has nothing to do with them."""
    if not name:
        return "unknown"
    plain = re.sub(r"_v\d+\Z", "", re.split(r"__|[.:/]", name.lower())[-1])
    plain = plain.replace("_", "").replace("-", "")
    if _is_one_of(plain, _READS):
        return "reads"
    return "writes" if _is_one_of(plain, _WRITES) else _CATEGORIES.get(category)


def _is_one_of(name: str, known: frozenset[str]) -> bool:
    """A server's tool may carry the server's name: `filesystem_read_file`."""
    return name in known or any(name.endswith(one) for one in known if len(one) > 7)


def withheld(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts of a message, with a note in place of every file's contents."""
    calls: dict[str, ToolCall] = {}
    for part in parts:
        if isinstance(part, ToolCall):
            calls[part.id] = part
            yield _without_bodies(part)
        elif isinstance(part, ToolResult):
            yield _without_contents(part, calls.get(part.call_id))
        elif isinstance(part, Text) and any(one in part.text for one in _INJECTED):
            yield Text(_SHOWN.sub(_unshown, part.text))
        else:
            yield part


def _unshown(shown: re.Match[str]) -> str:
    path = shown["file"] or shown["selected"] or shown["path"]
    return shown["head"] + (note(path, shown["body"]) if shown["body"].strip() else shown["body"])


def note(path: str | None, text: str) -> str:
    size = len(text.encode("utf-8", "surrogatepass"))
    lines = text.count("\n") + (not text.endswith("\n"))
    counted = f"{lines} line{'' if lines == 1 else 's'}, {_size(size)}"
    return f"[contents of {path or 'a file'} stay here: {counted}]"


def _size(count: int) -> str:
    for unit, of in (("MB", 1_000_000), ("KB", 1_000)):
        if count >= of:
            return f"{count / of:.1f} {unit}"
    return f"{count} byte{'' if count == 1 else 's'}"


def _without_bodies(call: ToolCall) -> ToolCall:
    if access(call.name, call.category) != "writes":
        return call
    arguments = _parsed(call.arguments)
    return replace(call, arguments=_bare(arguments, _path(arguments)), title="")


def _without_contents(result: ToolResult, call: ToolCall | None) -> ToolResult:
    does = access(result.name or (call.name if call else ""), call.category if call else "")
    if does is None or _NO_CONTENTS.fullmatch(result.output):
        return result
    arguments = _parsed(call.arguments) if call else None
    path = _path(arguments)
    if not result.is_error and not (does == "writes" and call):
        return replace(result, output=note(path, result.output))
    return replace(result, output=_report(result.output, path, list(_bodies(arguments))))


def _report(output: str, path: str | None, bodies: list[str]) -> str:
    """The sentence in which a tool says what it did or what went wrong, and none of the contents.

    Some repeat what they wrote: "Updated cell 7 with ...", "String to replace not found: ...".
    """
    sentence, _, more = output.strip().partition("\n")
    is_value = sentence.startswith(("{", "["))
    if is_value or len(sentence) > _LONGEST_REPORT or any(body in sentence for body in bodies):
        return note(path, output)
    return f"{sentence}\n{note(path, more)}" if more.strip() else output


def _bodies(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """The lines of what a call wrote, but for those that any sentence could hold."""
    if isinstance(value, dict | list) and depth < 8:
        for key, item in value.items() if isinstance(value, dict) else ((name, i) for i in value):
            yield from _bodies(item, key, depth + 1)
    elif isinstance(value, str) and name.lower().replace("_", "") not in _PATHS:
        yield from (line for line in map(str.strip, value.splitlines()) if len(line) > 3)


def _parsed(arguments: Any) -> Any:
    """Some agents keep arguments as the text that the model wrote."""
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments)
        except (ValueError, RecursionError):
            return arguments
        return value if isinstance(value, dict | list) else arguments
    return arguments


def _bare(value: Any, path: str | None, name: str = "", depth: int = 0) -> Any:
    """The value without any text that could be a file's."""
    plain = name.lower().replace("_", "")
    if isinstance(value, dict) and depth < 8:
        inner = _path(value) or path
        return {key: _bare(item, inner, key, depth + 1) for key, item in value.items()}
    if isinstance(value, list) and depth < 8:
        return [_bare(item, path, name, depth + 1) for item in value]
    if isinstance(value, str):
        stays = not value or ((plain in _PATHS or plain in _HARMLESS) and "\n" not in value)
        return value if stays else note(path, value)
    if isinstance(value, dict | list):
        return f"[contents of {path or 'a file'} stay here]"
    return value


def _path(arguments: Any) -> str | None:
    """The file that a call is about, as the call names it."""
    if isinstance(arguments, str):
        return ", ".join(_PATCHED.findall(arguments)[:4]) or None
    if not isinstance(arguments, dict):
        return None
    plain = {str(key).lower().replace("_", ""): value for key, value in arguments.items()}
    found = [plain[key] for key in _PATHS if isinstance(plain.get(key), str) and plain[key]]
    if not found:  # a patch names its files within
        texts = (value for value in arguments.values() if isinstance(value, str))
        found = [", ".join(paths[:4]) for text in texts if (paths := _PATCHED.findall(text))]
    return found[0] if found else None
