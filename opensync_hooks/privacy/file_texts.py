"""Contents of files within other texts: in prompts, in commands that write files, in resources."""

from __future__ import annotations

import json
import re
from typing import Any

from opensync_hooks.system.patterns import compiled

_ADDED_MARKERS = ("<system-reminder>", "<system_reminder>", "<ide_selection>", "<attached_files>")
_ADDED_FILE = (
    r"(?P<head>Result of calling the \w{1,40} tool:[ \n]?"
    r"|(?m:^)Contents of (?P<file>[^\n]{1,400}?)(?: \([^\n]{1,200}\))?:\n"
    r"|(?m:^)[^\n]{0,400}?(?:shown with line numbers|running `cat -n`)[^\n]{0,200}:\n"
    r"|The user selected the lines? \d+ to \d+ from (?P<selected>[^\n]{1,400}):\n"
    r"|<code_selection path=[\"'](?P<path>[^\n\"']{1,400})[\"'][^>\n]{0,200}>)"
    r"(?P<body>(?s:.*?))(?=</(?:system.reminder|ide_selection|code_selection|attached_files)>"
    r"|\nContents of |\n\nThis may or may not|\Z)"
)
"""A file that an agent added to a prompt: the user named, selected or changed it meanwhile."""
_TAG = (
    r"<(?P<tag>[\w:.-]{0,30}(?:file|document|selection|snippet|code|resource|attachment|buffer|cell"
    r"|editor|source[_-])[\w:.-]{0,30})"
)
_TAGGED_FILE = (
    rf"(?P<head>{_TAG}\s[^<>]{{0,300}}?"
    r"\b(?:path|file|file_?name|uri|source|src|name|location)=[\"'](?P<path>[^\n\"']{1,400})[\"']"
    r"[^<>]{0,300}>)(?P<body>(?s:.*?))(?=</(?P=tag)>|\Z)"
)
"""A file within a prompt: whoever put it there, a tag names its path."""
_FILE_WITH_ELEMENTS = (
    rf"(?P<head>{_TAG}(?:\s[^<>]{{0,300}})?>\s*(?:<\w{{1,20}}>[^<>\n]{{0,200}}</\w{{1,20}}>\s*){{0,3}}?"
    r"<(?:source|path|file_?(?:name|path)|uri|name|location)>(?P<path>[^<>\n]{1,400})</\w{1,20}>\s*)"
    r"(?P<body>(?s:.*?))(?=</(?P=tag)>|\Z)"
)
"""The same with the path in an element of its own, as in `<document><source>a.py</source>…`."""
_PATH = r"(?:[\w.@+~-]{1,200}[\\/]){0,40}[\w.@+-]{1,200}\.\w{1,10}"
_FENCED_FILE = (
    rf"(?m)(?P<head>^(?:(?:\#{{1,6}}[ ]|File:[ ]|//[ ])[ ]?`?(?P<above>{_PATH})`?:?\n+"
    rf"(?P<fence>`{{3,8}})[^\n`]{{0,60}}\n"
    rf"|(?P<mark>`{{3,8}})(?:[\w+-]{{1,20}}[ ])?(?:\d+:\d+:)?(?:/|[A-Za-z]:[\\/])?(?P<path>{_PATH})"
    r"(?:[#:][\w,-]{1,30})?[ ]*\n))(?P<body>(?s:.*?))(?=^(?P=fence)|^(?P=mark)|\Z)"
)
"""A block of code in a prompt, with the path of its file beside or above the fence."""
_PATCH = r"(?s)\*\*\* Begin Patch\n.*?(?:\*\*\* End Patch|\Z)"
_PATCHED_FILE = r"(?m)^(?:\*\*\* (?:Add|Update|Delete) File: |\+\+\+ (?:b/)?)(\S.*)$"
_HERE_DOCUMENT = (
    r"(?ms)^(?P<head>[^\n]{0,2000}?<<[-~]?[ ]?[\"'\\]?(?P<word>[A-Za-z_]\w{0,60})[\"']?"
    r"[^\n]{0,2000}\n)"
    r"(?P<body>.*?)(?=^[ \t]*(?P=word)\b|\Z)"
)
_REDIRECTION = (
    r"(?<![<>\d&=-])>{1,2}\|?[ ]?[\"']?(?!/dev/|&)(?P<target>[^\s\"'<>|;&]{1,400})"
    r"|\btee[ ](?:-a[ ])?[\"']?(?P<tee>[^\s\"'<>|;&-][^\s\"'<>|;&]{0,400})"
    r"|\b(?:apply_patch|patch|git apply)\b"
)
_HERE_STRING = r"(?s)(?P<head>@(?P<quote>[\"'])\r?\n)(?P<body>.*?)(?=\r?\n(?P=quote)@)"
_STORING_CMDLET = r"(?i)\b(?:set-content|add-content|out-file|writealltext)\b"
_AMOUNT = r"\d+ lines?, [\d.]+ (?:bytes?|KB|MB)\]"
_NOTE = rf"\[contents of [^\n]{{1,2000}} stay here: {_AMOUNT}"
_WEB = r"(?i)https?://"


def note(path: str | None, text: str) -> str:
    """Return what is sent in place of a file's contents; a note about the file stays as it is."""
    start = f"[contents of {path or 'a file'} stay here: "
    if text.startswith(start) and compiled(_AMOUNT).fullmatch(text, len(start)):
        return text
    size = float(len(text.encode("utf-8", "surrogatepass")))
    lines = text.count("\n") + (not text.endswith("\n"))
    if size >= 1_000_000:
        amount = f"{size / 1_000_000:.1f} MB"
    elif size >= 1_000:
        amount = f"{size / 1_000:.1f} KB"
    else:
        amount = f"{size:.0f} byte{'' if size == 1 else 's'}"
    count = f"{lines} line{'' if lines == 1 else 's'}"
    return f"{start}{count}, {amount}]"


def patched_files(text: str) -> str | None:
    """Return the files that a patch names within."""
    return ", ".join(compiled(_PATCHED_FILE).findall(text)[:4]) or None


def withhold_from_text(text: str, *, is_prompt: bool = False) -> str:
    """Return a text with a note in place of each file in it; in a prompt, also of fenced ones.

    An answer may quote code: that is what the model said.
    """
    if any(marker in text for marker in _ADDED_MARKERS):
        text = compiled(_ADDED_FILE).sub(_withhold, text)
    if "</" in text or ("<" in text and "file" in text):
        text = compiled(_TAGGED_FILE).sub(_withhold, text)
        text = compiled(_FILE_WITH_ELEMENTS).sub(_withhold, text)
    if is_prompt and "```" in text:
        text = compiled(_FENCED_FILE).sub(_withhold, text)
    return text


def withhold_from_argument(text: str) -> str:
    """Return an argument of any tool without what it writes to files, or hands on of them."""
    if "*** Begin Patch" in text:
        text = compiled(_PATCH).sub(lambda match: note(patched_files(match[0]), match[0]), text)
    if "<<" in text:
        text = compiled(_HERE_DOCUMENT).sub(_withhold_here_document, text)
    if ("@'" in text or '@"' in text) and compiled(_STORING_CMDLET).search(text):
        text = compiled(_HERE_STRING).sub(_withhold, text)
    return withhold_from_text(text)


def withhold_resources(output: str) -> str:
    """Return a result without the texts of MCP resources in it, which are files under a URI.

    Raises RecursionError.
    """
    if '"uri"' not in output:
        return output
    try:
        value = json.loads(output)
    except ValueError:
        return output
    kept = _without_resources(value)
    return output if kept == value else json.dumps(kept, ensure_ascii=False)


def _without_resources(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_resources(element) for element in value]
    if not isinstance(value, dict):
        return value
    uri = value.get("uri")
    is_file = isinstance(uri, str) and not compiled(_WEB).match(uri)
    return {
        name: note(uri, member)
        if is_file and name in ("text", "blob") and isinstance(member, str)
        else _without_resources(member)
        for name, member in value.items()
    }


def _withhold(match: re.Match[str]) -> str:
    names = ("path", "file", "selected", "above")
    groups = match.groupdict()
    path = next(filter(None, (groups.get(name) for name in names)), None)
    if not match["body"].strip():
        return match[0]
    if match.re is compiled(_FENCED_FILE):  # the fence has a line of its own
        return match["head"] + note(path, match["body"].removesuffix("\n")) + "\n"
    return match["head"] + note(path, match["body"])


def _withhold_here_document(match: re.Match[str]) -> str:
    """A here-document that is piped into a program stays: only what is written is a file's."""
    target = compiled(_REDIRECTION).search(match["head"])
    if target is None or not match["body"].strip():
        return match[0]
    path = target["target"] or target["tee"] or patched_files(match["body"])
    if path is None and compiled(_NOTE).fullmatch(match["body"].strip()):  # it was a patch
        return match[0]
    return match["head"] + note(path, match["body"].removesuffix("\n")) + "\n"
