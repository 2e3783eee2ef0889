"""What may be between the name of a secret and its value: `=`, `": "`, ` is `, a table's border."""

from __future__ import annotations

from opensync_hooks.privacy.redaction.patterns import NEWLINE, QUOTE

_NEXT_LINE = (
    # the value is in the next line: after `\`, `(`, `|-`, or only indented, and it is not a name;
    # in titles, line ends have become spaces
    r"(?=[(|>\\ \t\r\n])"
    rf"(?:(?:[(|>][-+]?)?[ \t]{{0,2}}{NEWLINE}(?>(?:[ \t]|(?>\\+)t){{1,40}})"
    r"|(?:[|>][-+]?|\((?=[ \t][\"'])|\\)[ \t])(?!-|[\"']?(?>[\w.$-]{1,80})[\"']?[ \t]{0,3}[:=])"
)
_TYPE = (
    # `: str = `, ` string = `, ` As String = `, `[64] = `, ` { get; set; } = `
    r"(?::[ \t]?&?(?:'[a-z]{1,10}[ ])?[a-z](?>[a-z|. ]{0,20})|(?:as[ ])?string[ ]?"
    r"|\[[0-9]{0,5}\][ ]?|\{[ ]?(?>[a-z; ]{3,50})\}[ ]?)(?==(?!=))"
)
_ALONE = (
    rf"(?:[ \t]{{0,2}}{NEWLINE}(?=(?>[\w+/=.~!@#$%^&*-]{{8,400}})[ \t]?(?:{NEWLINE}{NEWLINE}|\Z)))?"
)
"""The value is a line of its own, before an empty one."""
_COLOUR = r"(?:(?:\x1b|\\u001b|\\x1b|\\e|\\033)?\[[0-9;]{0,9}m){0,2}"
_CONVERSION = (
    r"[bfrunel@]|[bfru]{2}|(?:\[\]byte|bytes|bytearray|str|(?:new[ ])?string|secret(?:str)?)\("
)
"""What is before the quotes of a literal, as in `b"…"` and `[]byte("…")`."""
_ABOUT = r"(?: (?:for|of|für|zu|para|pour|per|di|de|voor|для)(?: [\w-]{1,20}){1,4})"
_VERB = (
    r"(?:(?:set|changed|reset)[ ]to|is|was|are|ist|war|lautet|est|es|é|è|era|jest|je|är|er|on"
    r"|to jest|[\u2013\u2014])"
    r"(?:[ ](?:now|still|just|currently|set to|changed to|jetzt|nun|ahora|maintenant|ora|agora))?"
)
_FIELDS = r"(?>[^{}]{0,160}?(?:value|default)[\"'\\]{0,4}\s?[:=])"
LINK = (
    rf"(?:[ ][0-9]{{1,2}}(?=:)|[0-9]{{0,2}}){_COLOUR}(?:"
    # `{"name": {…, "value": "…`, `variable "name" {… default = "…`
    rf"(?P<nested>{QUOTE}?\s?[:=]?\s?\{{{_FIELDS}\s{{0,3}})"
    # `name => string(8) "value"`
    rf"|(?P<typed>{QUOTE}?\]?[ ]?=>\s{{1,9}}string(?:\(\d{{1,5}}\))?[ ](?={QUOTE}))"
    # `=`, `": "`, `'] = `, ` => `, `: str = `, `"name": "…", "value": "`, ` name="…" value=`
    rf"|(?P<assignment>(?>(?:{QUOTE}\]?|\]|\*\*)?"
    rf"(?:[ \t\xa0\u202f]{{0,3}}|[ ]{{4,40}}(?=[=:][ ]))(?:{_TYPE})?"
    rf"(?:[=-]>|<-|:=|={{1,2}}|:(?::(?=[ ]))?(?!:)(?:\*\*)?{_ALONE}|\uff1a"
    rf"|{QUOTE}?(?:[,\s]|(?>\\+)n)(?>(?:\s|(?>\\+)[nt]){{0,20}}){QUOTE}?value{QUOTE}?\s{{0,2}}[:=])"
    rf"[ \t]{{0,24}}{_COLOUR}(?:{_NEXT_LINE})?(?:(?:{_CONVERSION})(?=[\"'`]))?))"
    rf"|(?P<argument>(?:{QUOTE}(?:,\s{{0,9}}|\r?\n[ \t]{{0,9}}\d{{1,3}}\)[ ])|[ ]\.[ ])"
    rf"(?={QUOTE})(?!{QUOTE}[\w.-]{{1,60}}{QUOTE}\s?:))"
    # `.set_name("value"`, `NAME || "value"`
    rf"|(?P<call>\((?={QUOTE}))"
    rf"|(?P<fallback>{QUOTE}?\]?(?:[ ]?(?:\|\||\?\?)[ ]?|[ ]or[ ])(?={QUOTE}))"
    rf"|(?P<cell>[`*]{{0,2}}[ \t]{{0,9}}\|[ \t]{{0,9}}[`*]{{0,2}})"
    rf"|(?P<tag>>|(?P<attribute>{QUOTE}[ ]?>))"
    rf"|(?P<verb>[\"'`*]{{0,2}}{_ABOUT}?"
    rf"[ \t](?:{_VERB}|to|provided|--body|-b)(?:[:\uff1a]|[ \t])[ \t]?[`*]{{0,2}}"
    r"|[ ](?:for|of)(?: [\w-]{1,20}){1,4}:[ \t]`?|[是为は는은][:\uff1a]?[ \t]?[`「『“]?)"
    r"|(?P<option>[ ]{4,40}(?=(?>[^ \n]+)[ ]{0,9}(?:\r?\n|\Z))"
    rf"|{QUOTE}[ ](?={QUOTE})|[ \t]{{1,3}}(?:{NEWLINE}(?>(?:[ \t]|(?>\\+)t){{0,40}})|\\[ \t])?)"
    r")"
)
