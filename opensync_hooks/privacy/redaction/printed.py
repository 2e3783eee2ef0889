"""Secrets in what a command prints, where only the command says what its output is."""

from __future__ import annotations

from collections.abc import Iterator

from opensync_hooks.privacy.redaction.randomness import is_random, is_wordy
from opensync_hooks.privacy.redaction.rule import Span
from opensync_hooks.system.patterns import compiled

_PRINTING_COMMAND = (
    r"(?i)(?:"
    # a variable, a file or an entry with the name of a secret
    r"(?:printenv|echo|config:get|get-secret-value|get-parameter|output|configure get"
    r"|secret show|jsonpath|config get)\b[^|;&\n]{0,120}?"
    r"(?:pass(?:word|wd|phrase)?|secret|token|api.?key|_key|credential)"
    r"|(?:cat|type|less|more|head|tail|bat|get-content)\s[^|;&\n]{0,120}?"
    r"(?:\.key|\.token|api[_-]?key[\w-]{0,100}(?:\.txt)?|secret[\w-]{0,100}(?:\.txt)?|token(?:\.txt)?|password[\w-]{0,100}(?:\.txt)?)(?=\s|\Z)"
    # programs that print secrets
    r"|auth (?:print-\w+-token|token)|(?:op read|pass show|gopass show|bw get password)\s"
    r"|find-(?:generic|internet)-password\b[^|;&\n]{0,300}?\s-w"
    r"|vault kv get\b[^|;&\n]{0,300}?-field"
    r"|openssl rand|get-secret-value|keyvault secret show|get-access-token|wg gen(?:key|psk)"
    r"|secrets versions access|gpg2?\s[^|;&\n]{0,120}?(?:-d|--decrypt)\s"
    r"|kubectl\s[^|;&\n]{0,120}?get secrets?\s[^|;&\n]{0,300}?(?:jsonpath|template)"
    r")"
)
_SHOWS_KEY_FILE = (
    r"(?i)(?:id_(?:rsa|dsa|ecdsa|ed25519)|(?<![\w-])[\w-]{1,255}\.(?:pem|key|p8))(?=\s|\Z)"
)
_ONE_WORD = r"\s*(?P<secret>(?>\S{8,4096}))\s*\Z"
_PRINTS_ENTRY = r"(?:^|[\s;&|])(?:go)?pass show\s"
_FIRST_LINE = r"(?P<secret>(?>\S{8,4096}))\r?\n"
_KEY_LINES = r"(?m)^(?P<secret>[A-Za-z0-9+/=]{16,76})\r?$"
_PROMPT = r"[$#%>\u276f][ ](?P<command>[^\n]{4,400})\Z"
_LINE_OF_ONE_WORD = r"\n(?P<secret>(?>[!-~]{8,400}))[ \t]?\r?(?=\n|\Z)"
_MAX_COMMAND = 500


def find_in_transcripts(text: str) -> Iterator[Span]:
    """Yield the one word that a command printed, where a text has it below the command's prompt."""
    for line in compiled(_LINE_OF_ONE_WORD).finditer(text):
        start = max(text.rfind("\n", 0, line.start()) + 1, line.start() - _MAX_COMMAND)
        prompt = compiled(_PROMPT).search(text, start, line.start())
        if (
            prompt
            and compiled(_PRINTING_COMMAND).search(prompt["command"])
            and is_random("".join(filter(str.isalnum, line["secret"])))
        ):
            yield (*line.span("secret"), "secret")


def find_printed(command: str, output: str) -> Iterator[Span]:
    """Yield the secrets in an output that only the command which printed it identifies."""
    match = compiled(_ONE_WORD).match(output)
    if match and compiled(_PRINTING_COMMAND).search(command) and not is_wordy(match["secret"]):
        yield (*match.span("secret"), "secret")
    elif (first := compiled(_FIRST_LINE).match(output)) and compiled(_PRINTS_ENTRY).search(command):
        yield (*first.span("secret"), "secret")
    elif compiled(_SHOWS_KEY_FILE).search(command):
        for line in compiled(_KEY_LINES).finditer(output):
            yield (*line.span("secret"), "private-key")
