"""Secrets in files that programs keep: hashes of passwords, jars of cookies, states, key stores.

The layout of the file tells what the value is; no name of a secret is beside it.
"""

from __future__ import annotations

from opensync_hooks.privacy.redaction.patterns import ALNUM, HEX, QUOTE, body
from opensync_hooks.privacy.redaction.rule import Example, Rule, fill

_HASH = fill(HEX, 32)
_SESSION = r"(?:sid|sess|session(?:[_-]?(?:id|token|key))?|auth|connect\.sid|remember_me)"
"""How the cookies are called that prove who one is."""
_COOKIE = rf"(?=(?>[^\s0-9\"']{{0,64}})[0-9])(?P<value>{body('-A-Za-z0-9+/=_%.:', 16)})"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_GAP = r"(?:\s{1,4}|(?>\\+)t)"
_SPACE = r"(?:\s|(?>\\+)[nt])"
"""Within JSON, tabs and line ends are escaped."""

_HASHES = (
    Rule(
        "password-hash",
        ("SHA}", "MD5}", "CRYPT}", "PBKDF2}"),
        r"\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|PBKDF2)\}"
        rf"(?P<hash>{body('A-Za-z0-9+/$.=', 16)})",
        (Example(fill(ALNUM, 27) + "=", "ada:{SHA}"),),
        ("{SHA} is a prefix, {SSHA}base64 too",),
    ),
    Rule(
        "password-hash",
        ("SCRAM",),
        rf"SCRAM-SHA-(?:1|256|512)\$\d{{3,7}}:(?P<hash>{body('A-Za-z0-9+/=$:', 60)})",
        (Example(fill(ALNUM, 22) + "==$" + fill(ALNUM, 88), "SCRAM-" + "SHA-256$4096:"),),
        ("SCRAM-SHA-256 is the default",),
    ),
    Rule(
        "password-hash",
        ('"md5', "'md5"),
        rf"md5(?<=[\"'`]md5)(?P<hash>{body(HEX, 32)})",
        (Example(_HASH, '"ledger" "md5', '"'),),
        ('hashlib.new("md5")', f'"md5-{_HASH}"'),
    ),
    Rule(
        "password-hash",
        ("$8$", "$9$"),
        rf"\$[89]\$(?P<hash>{body('./A-Za-z0-9$', 50)})",
        (Example(fill(ALNUM, 14) + "$" + fill(ALNUM, 43), "secret 9 $9$"),),
        ("it costs $8$ or $9$",),
    ),
    Rule(
        "password-hash",
        ("aad3b435b51404eeaad3b435b51404ee",),  # an empty password in the older format of Windows
        rf"aad3b435b51404eeaad3b435b51404ee:(?P<hash>{body(HEX, 32)})",
        (Example(_HASH, "ada:1001:aad3b435b51404ee" + "aad3b435b51404ee:", ":::"),),
        ("aad3b435b51404eeaad3b435b51404ee is empty",),
    ),
    Rule(
        "password-hash",
        ("NTLM",),
        rf"NTLM[ ]{{0,20}}:[ ]{{0,9}}(?P<hash>{body(HEX, 32)})",
        (Example(_HASH, "  * NTLM     : ", "\n"),),
        ("NTLM : not supported\n",),
    ),
)
_COOKIES = (
    Rule(
        "cookie",
        ("TRUE", "FALSE"),
        rf"(?:TRUE|FALSE){_GAP}/[^\s\\]{{0,100}}{_GAP}(?:TRUE|FALSE){_GAP}\d{{1,12}}{_GAP}"
        rf"[^\s\\]{{1,100}}{_GAP}{_COOKIE}",
        (Example(fill(ALNUM, 32), ".example.org\tTRUE\t/\tTRUE\t1798761600\tsession\t", "\n"),),
        (".example.org\tTRUE\t/\tFALSE\t1798761600\tlanguage\tde\n",),
    ),
    Rule(
        "cookie",
        ('"value', "'value"),
        rf"name{QUOTE}\s?:\s?{QUOTE}[\w.-]{{0,40}}{_SESSION}{QUOTE},[^{{}}]{{0,200}}?"
        rf"{QUOTE}value{QUOTE}\s?:\s?{QUOTE}{_COOKIE}",
        (Example(fill(ALNUM, 32), '{"name": "sessionid", "value": "', '"}'),),
        ('{"name": "sessionid", "value": "$SESSION"}', '{"name": "lang", "value": "de"}'),
        casefold=True,
    ),
)
_STATES = (
    Rule(
        "password",
        ("random_password",),
        rf"random_password{QUOTE}[^\0]{{0,900}}?{QUOTE}result{QUOTE}:[ ]?{QUOTE}"
        r"(?P<value>(?>[^\s\"'\\]{8,}))",
        (Example(fill(ALNUM, 12), '{"type": "random_password", "result": "', '"}'),),
        ('{"type": "random_password", "result": ""}',),
    ),
    Rule(
        "ciphertext",
        ("ciphertext",),
        rf"ciphertext{QUOTE}\s?:\s?{QUOTE}(?P<value>{body(HEX, 64)})",
        (Example(_HASH * 2, '"crypto":{"cipher":"aes-128-ctr","ciphertext":"', '"}'),),
        ('"ciphertext": "text"',),
    ),
    Rule(
        "password",
        ("master>{", "password>{", "passphrase>{"),
        rf">\{{(?P<value>{body('A-Za-z0-9+/=', 40)})",
        (Example(fill(ALNUM, 43) + "=", "<master>{", "}</master>"),),
        ("<b>{name}</b>",),
    ),
    Rule(
        "kubernetes-join-token",
        ("K10*",),
        rf"K10(?=[{HEX}]{{4}}){body('A-Za-z0-9:.', 80)}",  # a hash and, behind it, the secret
        (Example("K10" + _HASH * 2 + "::server:" + _HASH),),
        ("K10dead::server is up",),
    ),
    Rule(
        "bitwarden-access-token",
        ("0.",),
        rf"0\.{_UUID}\.{body('A-Za-z0-9+/=:%', 50)}",
        (
            Example(
                "0.00000000-0000-0000-0000-000000000000."
                + (fill(ALNUM, 30) + ":" + fill(ALNUM, 22) + "==")
            ),
        ),
        ("version 0.12",),
    ),
)
_GIVEN = (
    Rule(
        "password",
        ("passwd <<<", "passwd<<<", "-stdin", "passphrase-fd", "sudo -S", "kinit"),
        r"(?:passwd|password-stdin|passphrase-fd[ =]\d|sudo[ ]-S|kinit[^\n|;]{0,60})"
        rf"\s?<<<\s?{QUOTE}?"
        r"(?!\[redacted:|[$<])(?P<value>(?>[^\s\"'\\]{4,}))",
        (Example(fill(ALNUM, 12), 'vncpasswd <<< "', '"'),),
        ('vncpasswd <<< "$PASSWORD"',),
    ),
    Rule(
        "password",
        ("SETUSER",),
        r"SETUSER[^\n>]{0,200}?[ ]>(?!\[redacted:|[$<])(?P<value>(?>[^\s\"'\\]{4,}))",
        (Example(fill(ALNUM, 12), "ACL SETUSER worker on >", " ~jobs:* +@all"),),
        ("ACL SETUSER worker on >$PASSWORD",),
    ),
    Rule(
        "password",
        ("rootpw",),
        r"rootpw(?:[ ]--(?:plaintext|iscrypted|allow-ssh|lock)){1,3}[ ](?!\[redacted:|[$<-])"
        r"(?P<value>(?>[^\s\"'\\]{4,}))",
        (Example(fill(ALNUM, 12), "rootpw --plaintext ", "\n"),),
        ("rootpw --plaintext <password>", "rootpw --lock"),
    ),
    Rule(
        "password",
        ("chpasswd",),
        rf"chpasswd:(?:{_SPACE}{{1,20}}[\w-]{{1,20}}:(?:[ ][|>\w-]{{1,20}})?){{1,4}}"
        rf"{_SPACE}{{1,20}}(?:-[ ])?[\w-]{{1,40}}:"
        r"(?!\[redacted:|[$<])(?P<value>(?>[^\s:\"'\\]{4,}))",
        (Example(fill(ALNUM, 12), "chpasswd:\n  list: |\n    root:", "\n"),),
        ("chpasswd:\n  expire: false\n  list: |\n    root:$PASSWORD",),
    ),
    Rule(
        "recovery-code",
        ("codes",),
        rf"(?:backup|recovery|scratch|emergency|rescue) codes?[^\n:]{{0,30}}:{_SPACE}{{1,12}}"
        rf"(?P<codes>(?:(?=[\w-]{{0,20}}[0-9])[\w-]{{6,24}}(?![\w=:.(])"
        rf"(?:{_SPACE}{{1,12}}(?=[\w-]{{0,20}}[0-9]))?){{1,20}})",
        (Example("27185235\n  09619893", "Your backup codes:\n  ", "\n"),),
        ("Recovery codes: see docs/codes.md", "backup codes: stored below"),
        casefold=True,
    ),
)
STORED: tuple[Rule, ...] = (*_HASHES, *_COOKIES, *_STATES, *_GIVEN)
"""They come before the lists of tokens, which know the first part of some alone."""
