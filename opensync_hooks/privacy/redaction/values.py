"""Where a value that follows its name ends, and what cannot be a secret there.

All functions take the text in lower case. They never raise, and take time that is linear in the
length of the value.
"""

from __future__ import annotations

import re

from opensync_hooks.privacy.redaction import names
from opensync_hooks.privacy.redaction.patterns import BREAK, CUT, FOLD, NEWLINE, QUOTE, rest
from opensync_hooks.system.patterns import compiled

Extent = tuple[int, int]
"""Where a value begins and ends."""

_PLACEHOLDER = (
    # a variable, a placeholder, a type, our own mask; the URL or path of a file, a resource's name
    r"\[redacted:|\$[{(]|\$[a-z_]\w*(?:->|::|\.\w|\[)|\$[a-z_]\w*(?![\w!@#$%^&*+-])|\{[a-z_{$]"
    r"|<[a-z_ ]|%[({sd]|\W{0,3}\*\*\*|x{3}|\.{3}|…"
    r"|(?:my|your)[-_ ]?(?:api[-_ ]?)?(?:token|key|secret|pass(?:word|wd)?)\d?(?![a-z0-9_-])"
    r"|-?anonymous@|(?:none|null|nil|true|false|undefined|string|str|bytes|number|boolean|pass(?:word|wd)?)\b"
)
_PATH = (
    r"https?:|file:|arn:|\.{1,2}/|~/|[a-z]:\\"
    r"|/(?:run|etc|var|home|users|tmp|opt|usr|mnt|root|app|srv|workspace|private)/"
)
_CALL = (
    r"(?:self|this|cls|args|opts|options|config|conf|settings|os|process|env|request|req|data"
    r"|params|ctx|props|kwargs|credentials|secrets|vars?|local|module|each)\."
    r"|[a-z_](?>[a-z0-9_.]*)[(\[]"
)
_CODE = (
    rf"{_CALL}|(?>(?:[a-z_](?>[a-z0-9_]*)\.)+)[a-z_](?>[a-z0-9_]*)"
    r"(?:[^\w=+/!@#$%^&*~-]|[!@#$%^&*~]+(?!\w)|\Z)"
)
_WORD = r"[^\s\"'`,;&<>()\[\]{}|\\\x1b\u3000-\uffef]"
"""Chinese and Japanese have no space behind a value."""
_NEXT_FIELD = r",(?>[a-z_][\w .-]{2,40})=\w"
"""In `password=v,ssl=true`, another field follows."""
_TIGHT = (
    # characters that usually end a value belong to it unless something shows that they end it
    r"(?>(?:(?>[^\s\"'`&;\\(),\[\]{}<>|\x1b]+)"
    rf"|(?!{_NEXT_FIELD}|\)\]\()[(),\[\]{{}}<>|](?=[^\s\"'`&;\\)])"
    r"|[&;](?=[^\s\"'`&;\\(),\[\]{}<>|])(?!(?>[\w .-]{0,40})=))+)"
)
_REST = rest("-a-z0-9+/=_.~")
_ESCAPED = r"(?:(?>\\+)[\"'`]|(?>\\+)u002[27]|&quot;|&#3[49];)"
_BREAK_IN_QUOTES = rf"(?:{FOLD}|{BREAK}|(?:(?<=\\n)|(?<=\\n[>|+#*]))(?>[ \t>|+#*]{{1,40}}))"
"""A line's end within quotes; the word before it may include the letters of an escaped one."""
_MAX_LINES = 3
_SHORT_WORD, FAR = 6, 24
"""A digit or letter may be so far from the beginning of a value."""
_NO_SEED_WORD = r"(?!(?:the|and|for|are|was|were|not|but|with|from|your|which|get)(?![a-z]))"
"""Words of a sentence that no list of seed words has (BIP-39)."""
_PHRASE = (
    rf"(?>(?:{QUOTE}|(?>\\+))?)(?P<phrase>{_NO_SEED_WORD}[a-z]{{3,8}}"
    rf"(?>(?:(?:,? |{NEWLINE}){_NO_SEED_WORD}[a-z]{{3,8}}(?![a-z])){{8,23}}))"
)

_SENTENCE_WORD = (
    r"(?:a|an|the|and|or|for|of|to|in|on|is|are|was|be|not|no|must|should|can|your|my|our|this|that"
    r"|with|from|as|at|by|if|it|has|have|you|we|enter|invalid|wrong|incorrect|reset|change|new|old"
    r"|current|confirm|repeat|forgot|user|name|username|email|login|sign|required|optional|missing"
    r"|too|short|long|please|use|using|choose|set|show|hide|create|update|save|field|empty|match"
    r"|matches|mismatch|de|la|le|el|les|una|un|der|die|das|ist|und|ein|eine|est|es|en|van|het|do|da)"
)
_PASSPHRASE = (
    rf"(?P<quote>(?>\\*)[\"'])(?P<words>(?:(?!{_SENTENCE_WORD}\b)[a-z0-9]{{3,12}}"
    r"(?:[ ](?=[a-z])|(?=(?P=quote)))){3,8})"
    r"(?P=quote)"
)
"""Three words or more, none of which belongs to sentences or labels."""

_TYPE_WORD = (
    r"pass|pwd|ident|liter|union|secret|token|str|text|byte|char|object|option|require|type|value|field|input|config|true|false|null|none"
    r"|default|enable|disable|hidden|mask|redact|unknown|missing|invalid|incorrect|change|valid"
    r"|example|sample|dummy|test|access|user|login|auth|admin|encrypt|plain|hash|random|generate"
    r"|empty|expire|reset|update|success|fail|error|denied|accept|reject|wrong|correct|optional"
)
"""What is said about a password, or its type."""


def is_placeholder(text: str, start: int) -> bool:
    return bool(compiled(_PLACEHOLDER).match(text, start))


def begins_field(text: str, start: int) -> bool:
    """Whether another field follows a value, as in `password=v,ssl=true`."""
    return bool(compiled(_NEXT_FIELD).match(text, start))


def is_path(text: str, start: int) -> bool:
    return bool(compiled(_PATH).match(text, start))


def is_code(text: str, start: int) -> bool:
    return bool(compiled(_CODE).match(text, start))


def is_call(text: str, start: int) -> bool:
    """Whether a value is an attribute of a well-known object, or a function that is called."""
    return bool(compiled(_CALL).match(text, start))


def is_option_value(text: str, start: int) -> bool:
    """Whether the word behind `--name` is a secret."""
    word = text[start : start + FAR]
    is_made_up = any(map(str.isdigit, word)) and any(map(str.isalpha, word))
    return is_made_up and word[0] != "-" and not is_placeholder(text, start)


def phrase(text: str, start: int) -> Extent | None:
    """Return the words of a seed, or most of them where the text was cut."""
    match = compiled(_PHRASE).match(text, start)
    return match.span("phrase") if match else None


def quoted(text: str, start: int, *, with_spaces: bool = False) -> Extent | None:
    """Return the value in the quotes that open at `start`, also broken over a few lines."""
    quote = text[start : start + 1]
    excluded = r"\n" if with_spaces else r"\s"
    if quote in "\"'`":
        word = compiled(rf"(?>(?:(?>[^{quote}\\{excluded}]+)|\\\S)+)")
        joint, close = compiled(rf"(?:{_BREAK_IN_QUOTES}|{quote}{FOLD}{quote})"), compiled(quote)
        first = start + 1
    else:
        opening = compiled(_ESCAPED).match(text, start)
        if not opening:
            return None
        word = compiled(rf"(?>(?:(?>[^{excluded}\"'`\\&]+)|&(?!quot;|#3))+)")
        joint, close = compiled(_BREAK_IN_QUOTES), compiled(_ESCAPED)
        first = opening.end()
    match = word.match(text, first)
    ends: list[int] = []
    while match and len(ends) <= _MAX_LINES:
        ends.append(match.end())
        line_break = joint.match(text, match.end())
        match = word.match(text, line_break.end()) if line_break else None
    for end in reversed(ends):  # what seems to continue it may be a quote of its own
        if close.match(text, end) or compiled(CUT).match(text, end):
            return first, end
    return None


def passphrase(text: str, start: int) -> Extent | None:
    """Return several plain words in quotes, unless they are a sentence or a label."""
    match = compiled(_PASSPHRASE).match(text, start)
    return match.span("words") if match else None


def tight(text: str, start: int) -> Extent | None:
    """Return the value in `name=value` without spaces, as in shells and settings files."""
    end = rf"(?=[\s;&\"'`<|}}\\\x1b…]|{_NEXT_FIELD}|\Z)"
    match = compiled(rf"{_TIGHT}(?:{_REST}{end})?").match(text, start)
    return match.span() if match else None


def bare(text: str, start: int, min_length: int) -> Extent | None:
    """Return a word without quotes, also its rest in the next line, unless that is a call."""
    match = compiled(rf"(?P<word>(?>{_WORD}+))(?:{_REST}(?![(\[{{]))?").match(text, start)
    return match.span() if match and match.end("word") - start >= min_length else None


def tagged(text: str, start: int) -> Extent | None:
    """Return the text of an XML element."""
    match = compiled(r"(?>[^<>\s]{4,})(?=</)").match(text, start)
    return match.span() if match else None


def is_last(text: str, start: int) -> bool:
    """Whether a line ends there."""
    return bool(compiled(r"[ \t]?(?:\r?\n|\\+[nr]|\Z)").match(text, start))


def is_line(value: str, extent: Extent, lower: str) -> bool:
    """Whether a value without quotes is a plain word, and the last one of its line."""
    is_type = re.search(_TYPE_WORD, value.lower()) or names.is_name(value)
    return (
        is_last(lower, extent[1])
        and value.isalpha()
        and len(value) >= _SHORT_WORD
        and not (is_type or value.istitle())
    )
