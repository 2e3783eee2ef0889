"""Contents of files that a command line writes: `echo … > file`, `sed -i …`, `Set-Content …`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from itertools import chain

from opensync_hooks.dataclass import dataclass
from opensync_hooks.privacy.file_texts import note
from opensync_hooks.system.patterns import compiled

_MAY_WRITE = (
    r"(?i)>|\btee\b|\b(?:sed|perl|ruby)\s[^\n]{0,300}?-\w{0,9}i|--in-place|-content\b|out-file|new-item"
    r"|\bwrite|append|file_put_contents"
)
_LEXEME = (
    r"(?s)(?P<space>(?:[ \t]|\\\r?\n)+)"
    r"|(?P<redirection>(?<![\w<>=-])(?:\d|&)?>{1,2}[|&]?)"
    r"|(?P<word>\[contents of [^\n\]]{1,2000}\]"  # a note
    r"|(?:\"(?:\\.|`.|[^\"\\`])*\"?|'[^']*'?|\$\([^()\n]*\)|\\.|[^\s\"'|;&<>(){}]"
    r"|[{}](?=\S)|(?<=\S)[{}])+)"
    r"|(?P<pipe>\|(?!\|)&?)"
    r"|(?P<end>.)"
)
_QUOTED = "quoted"
_PRINTERS = frozenset((_QUOTED, "echo", "printf", "write-output", "write-host"))
_STORING = frozenset(("set-content", "add-content", "out-file", "new-item", "tee", "tee-object"))
_STREAM_EDITORS = frozenset(("sed", "gsed", "perl", "ruby"))
_BEFORE_PROGRAMS = frozenset(("sudo", "env", "command", "builtin", "then", "do", "else", "time"))
_PATH_OPTIONS = ("-path", "-literalpath", "-filepath")
_IN_PLACE = r"(?s)-[a-zA-Z]*i.*|--in-place.*"
_NO_FILE = r"/dev/(?:null|stdout|stderr|tty|fd/)|&|[\d-]\Z"
_VARIABLE = r"[\"']?(?:\$\{?\w+\}?[ ]?)*[\"']?"
_LITERAL = (
    r"(?s)(?P<before>[^\"'`)\\]{0,200})(?P<quote>\\?(?:\"\"\"|'''|[\"'`]))"
    r"(?P<body>(?:\\.|(?!(?P=quote)).)+)(?P=quote)"
)
_WRITE_CALL = (
    r"(?<!stdout)(?<!stderr)\.(?:write|write_text|write_bytes|writelines)\("
    r"|(?P<path_first>\.(?:writeFile|appendFile)(?:Sync)?\(|\.WriteFile\("
    r"|::(?:Write|Append)All(?:Text|Lines)\(|\bFile\.write\(|\bfile_put_contents\()"
)
_OPENS_FILE = r"open\(|\bPath\(|write_(?:text|bytes)\(|createWriteStream\(|OpenFile\("
_MAX_LITERAL, _MAX_GROUP = 100_000, 50


@dataclass
class _Command:
    """A program, its arguments, and where its output goes."""

    words: list[re.Match[str]] = field(default_factory=list)
    target: str | None = None

    def program(self) -> tuple[str, list[re.Match[str]]]:
        """Return the program's name and its arguments; a quoted text prints itself."""
        for index, word in enumerate(self.words):
            name = word[0].lower()
            if word[0][0] in "\"'":
                return _QUOTED, self.words[index:]
            if name not in _BEFORE_PROGRAMS and "=" not in name:
                return name.rpartition("/")[2], self.words[index + 1 :]
        return "", []


def withhold_written(text: str) -> str:
    """Return a command line with a note in place of each text that it writes to a file."""
    if not compiled(_MAY_WRITE).search(text):
        return text
    pieces: list[str] = []
    end = 0
    for start, stop, path in sorted(
        {*_written_spans(text), *_call_spans(text)}, key=lambda s: s[:2]
    ):
        body = text[start:stop]
        if start >= end and not compiled(_VARIABLE).fullmatch(body):
            pieces += (text[end:start], note(path, body))
            end = stop
    return "".join((*pieces, text[end:])) if pieces else text


def _written_spans(text: str) -> Iterator[tuple[int, int, str | None]]:
    """Yield what a command line's programs write to files, each with its path."""
    for pipeline in _pipelines(text):
        target = next((command.target for command in pipeline if command.target), None)
        names = [command.program() for command in pipeline]
        for name, arguments in names:
            if name in _STORING and not target:
                target = _path_argument(arguments)
        for name, arguments in names:
            if name == _QUOTED and not re.search(r"[./\\]", target or ""):
                continue  # as in `"Home" > "Settings"`
            if name in _PRINTERS and target:
                texts = [word for word in arguments if not re.match(r"-[neE]+\Z", word[0])]
                if texts:
                    yield texts[0].start(), texts[-1].end(), target
            elif name in _STREAM_EDITORS:
                yield from _edited(arguments)
            elif name in _STORING - {"tee", "tee-object"}:
                yield from _stored(arguments, target)


def _pipelines(text: str) -> list[list[_Command]]:
    """Return the commands of each pipeline; a redirection behind a group is each command's."""
    pipelines = [[_Command()]]
    groups: list[int] = []
    closed = len(pipelines)
    takes_target = False
    for token in compiled(_LEXEME).finditer(text):
        command = pipelines[-1][-1]
        if token["redirection"]:
            takes_target = not token[0].startswith("2")
        elif token["word"] and takes_target:
            path = token[0].strip("\"'")
            group = [] if command.words else pipelines[closed : closed + _MAX_GROUP]
            for each in chain([command], *group):
                each.target = each.target or (None if compiled(_NO_FILE).match(path) else path)
            takes_target = False
        elif token["word"]:
            command.words.append(token)
        elif token["pipe"]:
            pipelines[-1].append(_Command())
        elif token["end"]:
            if token[0] in "{(":
                groups.append(len(pipelines))
            closed = groups.pop() if token[0] in "})" and groups else len(pipelines)
            pipelines.append([_Command()])
            takes_target = False
    return pipelines


def _edited(arguments: list[re.Match[str]]) -> Iterator[tuple[int, int, str | None]]:
    """Yield the scripts by which `sed -i` and its kind change files."""
    if not any(compiled(_IN_PLACE).fullmatch(word[0]) for word in arguments):
        return
    plain = [word for word in arguments if word[0][0] != "-" and word[0] not in ("''", '""')]
    path = plain[-1][0].strip("\"'") if len(plain) > 1 else None
    before = dict(zip(arguments[1:], arguments, strict=False))
    scripts = [
        word for word in plain if word in before and re.fullmatch("-[a-z]*e", before[word][0])
    ]
    for script in scripts or plain[:1]:
        yield script.start(), script.end(), path


def _stored(
    arguments: list[re.Match[str]], path: str | None
) -> Iterator[tuple[int, int, str | None]]:
    """Yield the values that PowerShell's cmdlets store: named, or the second without a name."""
    plain, previous = 0, ""
    for word in arguments:
        option = previous.lower()
        if word[0][0] == "-":
            previous = word[0]
            continue
        plain += not option
        if option in ("-value", "-inputobject") or (not option and plain > 1):
            yield word.start(), word.end(), path
        plain += option in _PATH_OPTIONS
        previous = ""


def _path_argument(arguments: list[re.Match[str]]) -> str | None:
    previous = ""
    for word in arguments:
        if word[0][0] != "-" and previous.lower() in (
            "",
            "-a",
            "-path",
            "-literalpath",
            "-filepath",
        ):
            return word[0].strip("\"'")
        previous = word[0]
    return None


def _call_spans(text: str) -> Iterator[tuple[int, int, str | None]]:
    """Yield the literals that a program on the command line writes by a call."""
    opens = compiled(_OPENS_FILE).search(text)
    for call in compiled(_WRITE_CALL).finditer(text):
        if not call["path_first"] and not opens:
            continue  # to a socket, or to a stream
        literal = compiled(_LITERAL).match(text, call.end(), call.end() + _MAX_LITERAL)
        path = None
        if literal and call["path_first"] and not literal["before"].strip():
            path = literal["body"]
            literal = compiled(_LITERAL).match(text, literal.end(), literal.end() + _MAX_LITERAL)
        if literal:
            yield (*literal.span("body"), path)
