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

from opensync_hooks.model import Part, ToolCall, ToolResult

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


def access(name: str, category: str = "") -> Access | None:
    """What a tool does with the contents of files; None where it has nothing to do with them."""
    if not name:
        return "unknown"
    plain = re.sub(r"_v\d+\Z", "", re.split(r"__|[.:/]", name.lower())[-1])
    plain = plain.replace("_", "").replace("-", "")
    for known, does in ((_READS, "reads"), (_WRITES, "writes")):
        # A server's tool may carry the server's name: `filesystem_read_file`.
        if plain in known or any(plain.endswith(one) for one in known if len(one) > 7):
            return "reads" if does == "reads" else "writes"
    return _CATEGORIES.get(category)


def withheld(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts of a message, with a note in place of every file's contents."""
    calls: dict[str, ToolCall] = {}
    for part in parts:
        if isinstance(part, ToolCall):
            calls[part.id] = part
            yield _without_bodies(part)
        elif isinstance(part, ToolResult):
            yield _without_contents(part, calls.get(part.call_id))
        else:
            yield part


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
    if does is None or result.is_error or _is_report(result.output, does):
        return result
    path = _path(_parsed(call.arguments)) if call else None
    return replace(result, output=note(path, result.output))


def _is_report(output: str, does: Access) -> bool:
    """Whether a result holds no contents: a writing tool that says in a sentence that it did it."""
    if does == "writes" and len(output) <= _LONGEST_REPORT and "\n" not in output.strip():
        return not output.lstrip().startswith(("{", "["))
    return _NO_CONTENTS.fullmatch(output) is not None


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
