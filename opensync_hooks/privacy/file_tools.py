"""Tell by a call's name and arguments whether its tool reads or writes files.

Servers name their tools as they like. A name of known words decides first; then the shape of the
call: a path beside a long text is a write, and what comes back for a path is a read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from opensync_hooks.dataclass import dataclass
from opensync_hooks.system.patterns import compiled

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
PATH_FIELDS = (
    *("filepath", "path", "targetfile", "notebookpath", "targetnotebook", "relativeworkspacepath"),
    *("filename", "uri", "file", "absolutepath", "paths", "files"),
)
HARMLESS_FIELDS = _words(
    "description explanation instruction instructions command cellid cellidx celltype cellnumber"
    " celllanguage editmode namepath language mode encoding type kind operation toolcallid"
)
_READ_VERBS = _words("read get view open show load cat fetch access")
_WRITE_VERBS = _words(
    "write save append create edit update patch replace insert put modify overwrite change add"
    " delete remove"
)
_FILE_NOUNS = _words(
    "file files note notes notebook symbol cell cells buffer snippet resource resources"
)
_CONTENT_FIELDS = _words(
    "content contents body text filetext lines code source data newtext newstring newsource patch"
)
_NOT_CONTENTS = _words(
    "info metadata stat status list search find history log blame permissions size tree"
    " move rename comment comments review issue diff todo problems"
    " diagnostics lint lints"
)
"""A tool with one of these words in its name is about files, but not about their contents."""
_OTHER_TOOLS = _NOT_CONTENTS | _words(
    "bash shell exec execute command cmd terminal run test tests grep glob ls dir directory folder"
    " copy commit branch push pull request ticket message mail send browser navigate screenshot"
    " click upload download task agent skill plan web http query sql diagnostic"
    " build lsp image process output"
)
"""The result of a tool with one of these words is its own, whatever path it was given."""
_NOT_FILE_PATHS = r"(?:name|project|repo|root|workspace|base|x|json|work)path"
_URL = r"(?i)(?!file:)[a-z][a-z0-9+.-]{1,20}://"
_PATH = (
    r"(?:~?[\\/]|\.{1,2}[\\/]|[A-Za-z]:[\\/])?(?:[\w.@+-]{1,100}[\\/]){1,40}"
    r"[\w.@+-]{1,100}\.[a-zA-Z]\w{0,9}"
)
"""A path with a folder and an extension, in a field of any name."""
_LONG = 200
_NAME_FIELDS = ("tool", "toolname", "name", "recipientname", "selectedtool")
_ARGUMENT_FIELDS = ("parameters", "arguments", "args", "input", "params", "toolinput")
_MAX_PATH = 1000


@dataclass(frozen=True, slots=True)
class InnerCall:
    """A call within the arguments of another one: where its own arguments are, and its tool."""

    name: str
    field: str
    arguments: Any


def access(name: str, category: str = "", arguments: Any = None) -> Access | None:
    """Return what a tool does with the contents of files; None for a tool of another kind.

    `category` is what the agent itself says of the tool. A call without a name is "unknown". Of a
    wrapper, the calls within decide. Raises RecursionError.
    """
    if not name:
        return "unknown"
    last_part = re.split(r"__|[.:/]", name)[-1]
    tool = plain(re.sub(r"_v\d+\Z", "", last_part))
    if _matches(tool, _READERS):
        return "reads"
    if _matches(tool, _WRITERS):
        return "writes"
    if category in _CATEGORIES:
        return _CATEGORIES[category]
    inner = [access(call.name, "", call.arguments) for call in inner_calls(arguments)]
    if inner:
        return "reads" if "reads" in inner else "writes" if "writes" in inner else None
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", last_part)}
    return _access_by_words(words, arguments) or _access_by_shape(words, arguments)


def inner_calls(arguments: Any) -> Iterator[InnerCall]:
    """Yield the calls in a wrapper's arguments, at any depth of lists, objects and JSON texts."""
    value = parse(arguments)
    if call := as_inner_call(value):
        yield call
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from inner_calls(member)


def as_inner_call(value: Any) -> InnerCall | None:
    """Return the call if the value names a tool and has arguments of its own."""
    fields = {plain(str(key)): key for key in value} if isinstance(value, dict) else {}
    names = (value[fields[name]] for name in _NAME_FIELDS if name in fields)
    tool = next((name for name in names if isinstance(name, str) and name), None)
    if tool is None:
        return None
    for field in filter(fields.get, _ARGUMENT_FIELDS):
        arguments = parse(value[fields[field]])
        if isinstance(arguments, dict):
            return InnerCall(tool, fields[field], arguments)
    return None


def parse(arguments: Any) -> Any:
    """Return arguments as a value: some agents keep the JSON text that the model wrote."""
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments)
        except (ValueError, RecursionError):
            return arguments
        return value if isinstance(value, dict | list) else arguments
    return arguments


def plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def is_file_path(name: str, value: Any) -> bool:
    """Return whether a field holds the path of a file, by its name and its value."""
    key = plain(name)
    if isinstance(value, str) and compiled(_PATH).fullmatch(value):
        return True
    if key not in PATH_FIELDS:
        is_path = "path" in key and not compiled(_NOT_FILE_PATHS).fullmatch(key)
        if not is_path and not key.endswith(("file", "filename")):
            return False
    values = value if isinstance(value, list) else [value]
    return any(
        isinstance(text, str)
        and 0 < len(text) <= _MAX_PATH
        and "\n" not in text
        and not compiled(_URL).match(text)
        for text in values
    )


def _matches(name: str, tools: frozenset[str]) -> bool:
    """Also match a tool's name after that of its server, as in `filesystem_read_file`."""
    return name in tools or any(name.endswith(tool) for tool in tools if len(tool) > 7)


def _access_by_words(words: set[str], arguments: Any) -> Access | None:
    fields = arguments if isinstance(arguments, dict) else {}
    if any(plain(str(key)) == "includebody" and value for key, value in fields.items()):
        return "reads"
    if words & _NOT_CONTENTS or not words & _FILE_NOUNS:
        return None
    if words & _WRITE_VERBS:
        return "writes"
    return "reads" if words & _READ_VERBS else None


def _access_by_shape(words: set[str], arguments: Any) -> Access | None:
    if words & _OTHER_TOOLS:
        return None
    fields = list(_fields(arguments))
    others = [(name, value) for name, value in fields if not is_file_path(name, value)]
    if len(others) == len(fields):
        return None
    has_contents = any(plain(name) in _CONTENT_FIELDS and value for name, value in others)
    if words & _WRITE_VERBS or has_contents or any(_has_long_text(value) for _, value in others):
        return "writes"
    return "reads"


def _fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each field with its name, also those of objects within."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _fields(member, str(key))
    elif isinstance(value, list) and any(isinstance(element, dict) for element in value):
        for element in value:
            yield from _fields(element, name)
    else:
        yield name, value


def _has_long_text(value: Any) -> bool:
    text = value if isinstance(value, str) else json.dumps(value)
    return len(text) >= _LONG or "\n" in text.strip() or "\\n" in text
