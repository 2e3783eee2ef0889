"""Secrets beside their names in another element, line or call than the name itself.

Each form has a syntax of its own: `<key>Password</key><string>…`, a password field that a browser
test fills in, the answer to a prompt, the second argument of a login.
"""

from __future__ import annotations

from opensync_hooks.privacy.redaction.patterns import ALNUM, NEWLINE, QUOTE
from opensync_hooks.privacy.redaction.rule import Example, Rule, fill

_NAME = r"(?:pass(?:word|wd|phrase|code|wort)|pwd|secret|token|api[_-]?key|access[_-]?key)"
_NAME_WORDS = (
    *("password", "passwd", "passphrase", "passcode", "passwort", "pwd", "secret", "token"),
    *("api_key", "api-key", "apikey", "access_key", "access-key", "accesskey"),
)
_PASSWORD = r"(?:pass(?:word|wd|phrase|code|wort)|pwd|kennwort|contrase|senha)"  # noqa: S105
_FOREIGN = ("kennwort", "contrase", "senha")
_NO_VALUE = r"(?!\[redacted:|[$<%*{]|\.{3}|x{3}|pass(?:word)?\b|secret\b|null\b|none\b)"
_QUOTED = rf"{QUOTE}{_NO_VALUE}(?P<value>(?>[^\s\"'`\\]{{4,}}))(?=(?>\\*)[\"'`])"
_WITH_DIGIT = rf"{_NO_VALUE}(?=(?>[^\s0-9]{{0,64}})[0-9])"
_END = r"(?:(?>\\+)[nr]|(?>\\*)[\"'])"
"""Where a line or a string ends within JSON."""
_SECRET = fill(ALNUM, 12)


def _rule(
    keywords: tuple[str, ...],
    pattern: str,
    examples: tuple[tuple[str, str], ...],
    allowlist: tuple[str, ...],
    *,
    casefold: bool = True,
) -> Rule:
    planted = tuple(Example(_SECRET, before, after) for before, after in examples)
    return Rule("password", keywords, pattern, planted, allowlist, casefold)


_ELEMENTS = (
    _rule(
        _NAME_WORDS,
        rf">[\w. -]{{0,40}}{_NAME}[\w.-]{{0,20}}</[\w:.]{{1,40}}>(?:\s|(?>\\+)[nt]){{0,40}}"
        rf"<[\w:.]{{1,40}}(?:\s[^<>]{{0,80}})?>{_NO_VALUE}(?P<value>(?>[^<>\s]{{4,}}))(?=</)",
        (
            ("<key>DbPassword</key>\n  <string>", "</string>"),
            ('<p name="a">password</p>\n<p name="Argument.value">', "</p>"),
        ),
        ("<dt>Password</dt><dd>required to log in</dd>", "<td>token</td><td>$TOKEN</td>"),
    ),
    _rule(
        _NAME_WORDS,
        rf"s:\d{{1,3}}:(?>\\*)\"\w{{0,40}}{_NAME}(?>\\*)\";s:\d{{1,5}}:{_QUOTED}",
        (('a:1:{s:8:"password";s:12:"', '";}'),),
        ('s:8:"password";s:0:"";',),
    ),
    _rule(
        ("form-data",),
        rf"form-data;\s?name={QUOTE}[\w.-]{{0,40}}{_NAME}[\w.-]{{0,20}}{QUOTE}(?:{NEWLINE}{{2}}|\s)"
        rf"{_NO_VALUE}(?P<value>(?>[^\s\\]{{4,}}))",
        (('Content-Disposition: form-data; name="password"\r\n\r\n', "\r\n--boundary"),),
        ('Content-Disposition: form-data; name="password"\r\n\r\n\r\n--boundary',),
    ),
    _rule(
        ('"value', "'value"),
        # the value comes first, or something is between the two
        rf"value{QUOTE}\s?:\s?{_QUOTED}(?>\\*)[\"'],\s{{0,20}}"
        rf"{QUOTE}(?:name|key|variable){QUOTE}\s?:\s?{QUOTE}[\w.-]{{0,40}}{_NAME}[\w.-]{{0,20}}{QUOTE}",
        (('{"value": "', '", "name": "SMTP_PASSWORD"}'),),
        ('{"value": "$PASSWORD", "name": "SMTP_PASSWORD"}', '{"value": "fast", "name": "MODE"}'),
    ),
    _rule(
        ('"value', "'value"),
        rf"(?:name|key|variable){QUOTE}\s?:\s?{QUOTE}[\w.-]{{0,40}}{_NAME}[\w.-]{{0,20}}"
        rf"{QUOTE},[^{{}}]{{1,200}}?{QUOTE}value{QUOTE}\s?:\s?{_QUOTED}",
        (('{"name": "SMTP_PASSWORD", "slotSetting": false, "value": "', '"}'),),
        ('{"name": "SMTP_PASSWORD", "slotSetting": false, "value": ""}',),
    ),
)
_ENTERED = (
    _rule(
        (".type(", ".fill(", "_keys(", "sendkeys(", "_text(", "setvalue("),
        rf"{_PASSWORD}[\w-]{{0,20}}\]?{QUOTE}[\w, :{{}}]{{0,40}}\)\s{{0,9}}\."
        rf"(?:type|fill|send_?keys|setvalue|addvalue|input_text)\(\s?{_QUOTED}",
        (
            ("cy.get('#password').type('", "');"),
            ("await page.getByLabel('Password').fill('", "');"),
            ('driver.find_element(By.ID, "password").send_keys("', '")'),
        ),
        ("cy.get('#password').type(password)", "cy.get('#password').type('{enter}')"),
    ),
    _rule(
        ("assword", "assphrase"),
        rf"ass(?:word|phrase)[^\n]{{0,40}}(?:\s|(?>\\+)n)\s{{0,9}}(?:send|sendline)(?:\s--)?[ (]"
        rf"{QUOTE}{_NO_VALUE}(?P<value>(?>[^\s\"'\\$]{{4,}}))",
        (('expect "assword:"\nsend "', '\\r"'),),
        ('expect "assword:"\nsend "$password\\r"',),
    ),
    _rule(
        ("initial password", "following password"),
        # in titles, line ends have become spaces
        rf"(?:initial|following) password[^\n:]{{0,40}}:(?:\s|(?>\\+)n){{1,8}}{_WITH_DIGIT}"
        r"(?P<value>(?>[^\s\\]{8,}))",
        (("Please use the following password to proceed to installation:\n\n", "\n\nThis"),),
        ("Use the following password to proceed:\n\nit is in /etc/a1",),
    ),
    _rule(
        ("this key", "this code", "this secret"),
        r"this (?:key|code|secret)[^\n:]{0,30}:(?:\s|(?>\\+)n){1,8}"
        rf"{_WITH_DIGIT}(?P<value>(?>[\w*=+-]{{12,}}))(?![\w.:/-])",
        (("Scan the code, or enter this key by hand: ", "\n"),),
        ("Use this key: data.frame_2021.columns[4]", "this key: short1"),
    ),
    _rule(
        ("new value:",),
        rf"new value:[ ]{_WITH_DIGIT}(?P<value>(?>[\w*=+-]{{12,24}}))(?![\w.:/-])",
        (("Password for the [elastic] user successfully reset.\nNew value: ", "\n"),),
        ("New value: 2024-11-30",),
    ),
)
_CALLS = (
    _rule(
        ("login(", "auth(", "authenticate(", "password(", "sign_in("),
        r"(?:login(?<!\wlogin)|\.auth|authenticate|sign_?in|change_?user_?password|set_?user_?password)\(\s?"
        rf"(?>\\*)[\"'][^\"'\n]{{1,80}}[\"'],\s{{0,9}}(?=(?>[^\s0-9]{{0,64}})[0-9]){_QUOTED}",
        (('db.changeUserPassword("ada", "', '")'), ("client.login('ada', '", "')")),
        ('login("user", "step", true', "authenticate('ada', password)"),
    ),
    _rule(
        ("mysqli", "pdo(", "getconnection("),
        r"(?:mysqli(?:_connect)?|pdo|getconnection)\(\s?[^()\n]{1,200}?,\s?(?>\\*)[\"'][\w.@-]{1,40}"
        rf"(?>\\*)[\"'],\s?{_QUOTED}",
        (("new PDO($dsn, 'app', '", "');"), ('DriverManager.getConnection(url, "app", "', '")')),
        ("new PDO($dsn, 'app', 'password')", 'getConnection(url, "app", password)'),
    ),
    _rule(
        ("password", "passwd", "passphrase", "passcode", "passwort", "_pass", "pwd", *_FOREIGN),
        rf"\{{\s?:?\w{{0,40}}(?:{_PASSWORD}|_pass),\s?(?:<<)?{_QUOTED}",
        (('{default_pass, <<"', '">>}'), ('{:password, "', '"}')),
        ('{password, "$PASSWORD"}', '{"password", "x"}'),
    ),
    _rule(
        ("credential", "authentication(", "auth(", "auth=(", "login("),
        r"(?:credentials?|passwordauthentication|basic_?auth|digest_?auth|proxy_?auth|auth=|\.login)"
        rf"\(\s?(?>\\*)[\"'][^\"'\n]{{0,80}}[\"'],\s{{0,9}}{_QUOTED}",
        (
            ('new NetworkCredential("mailer", "', '")'),
            ('requests.get(url, auth=("me", "', '"))'),
            ('server.login("me@example.org", "', '")'),
        ),
        ('requests.get(url, auth=("user", "pass"))', 'server.login("me", password)'),
    ),
    _rule(
        ("credentials", "zugangsdaten", "login:", "identifiants", "credenciales", "credenziali"),
        r"(?:credentials|zugangsdaten|login|identifiants|credenciales|credenziali)(?:[^\n:]{0,30}):"
        rf"[ ][\w.@-]{{1,60}}(?:[ ]?[/|][ ]?|:)(?!//){_WITH_DIGIT}(?P<value>(?>[^\s,;\"'`]{{6,}}))",
        (("Zugangsdaten: ada / ", ""), ("The login: ada/", " is valid")),
        ("login: see docs/oauth2.md", "credentials: ~/.aws/v1"),
    ),
)
_LINES = (
    _rule(
        (
            *("tacacs-server", "radius-server", "isakmp", "shared-key", "authentication-key"),
            *("wpa-psk", " secret "),
        ),
        r"(?:tacacs-server[^\n]{0,60}?[ ]key|radius-server[^\n]{0,60}?[ ]key|isakmp key"
        r"|pre-shared-key|authentication-key|wpa-psk ascii"
        r"|username[ ]\S{1,40}(?:[ ]privilege[ ]\d{1,2})?[ ]secret)(?:[ ]\d)?[ ]"
        rf"{_WITH_DIGIT}(?P<value>(?>[^\s;]{{4,}}))",
        (("tacacs-server host 10.0.0.1 key 7 ", "\n"), ("username ada secret ", "\n")),
        ("crypto isakmp key <key> address 10.0.0.1",),
    ),
    _rule(
        ("password 0", "password 5", "password 7", "secret 0", "secret 5", "secret 9", "community"),
        rf"(?:password[ ][0579]|secret[ ][0579]|snmp-server[ ]community)[ ]{_NO_VALUE}"
        # the least that ends there: within JSON, a line's end and the next line are no space
        r"(?P<value>[^\s]{4,}?)"
        rf"(?=[ ]R[OW]\b|[ ]r[ow]\b|\s{{0,3}}(?:\n|\Z)|(?<!\\){_END})",
        (
            ("username admin privilege 15 password 0 ", "\nline vty 0 4\n"),
            ("snmp-server community ", " RO"),
        ),
        ("snmp-server community", "a secret 5 of them know"),
    ),
    _rule(
        (": psk", ": eap", ": xauth", ": ntlm", ": rsa", ": ecdsa", ": p12"),  # ipsec.secrets
        rf":[ ](?:psk|eap|xauth|ntlm|(?:rsa|ecdsa|p12)[ ]\S{{1,80}})[ \t]{{1,4}}{_QUOTED}",
        ((': PSK "', '"'), ('ada : EAP "', '"')),
        (': PSK "$PSK"', "method: eap"),
    ),
    _rule(
        ("]:25", "]:465", "]:587", "]:2525"),
        rf"\[[\w.-]{{3,80}}\]:\d{{2,5}}[ \t]{{1,9}}[^\s:\[]{{1,80}}:{_NO_VALUE}"
        r"(?P<value>(?>[^\s:]{4,}))",
        (("[smtp.example.org]:587 mailer:", "\n"),),
        ("[::1]:8080 listening: yes",),
    ),
    _rule(
        ("conn ", "connect "),
        rf"conn(?<![\w-]conn)(?:ect)?[ ][a-z]\w{{0,30}}/{_WITH_DIGIT}"
        rf"(?P<value>(?>[^\s@;/\"'\\]{{4,}}))(?=[@;\s]|\Z|{_END})",
        (("SQL> CONNECT scott/", "@db"), ("SQL> CONNECT scott/", "\nSQL> SHOW USER\n")),
        ("connect ada/file2.txt/x",),
    ),
    _rule(
        ("identified by",),
        rf"(?:user|role|grant)\b[^;\n]{{1,200}}?identified by {_WITH_DIGIT}"
        rf"(?P<value>(?>[^\s;\"'\\,]{{4,}}))(?=[\s;]|\Z|{_END})",
        (
            ("CREATE USER app IDENTIFIED BY ", " DEFAULT TABLESPACE users;"),
            ("CREATE USER app IDENTIFIED BY ", "\nDEFAULT TABLESPACE users;\n"),
        ),
        ("CREATE USER app IDENTIFIED BY <password>;",),
    ),
    _rule(
        ("AUTH",),
        rf"AUTH(?:(?<![\w-]AUTH)|(?<=\\nAUTH))[ ](?:[\w.-]{{1,40}}[ ])?{_WITH_DIGIT}"
        r"(?P<value>(?>[^\s\"'\\]{6,}))(?=[ ]?(?:\r?\n|(?>\\+)[nr]|\Z))",
        (("127.0.0.1:6379> AUTH ", "\nOK"), ("AUTH default ", "\n")),
        ("AUTH is needed by v2 of it", "AUTH NTLMv2 or v1 are both fine"),
        casefold=False,
    ),
    _rule(
        ("PASSWORD",),
        rf"PASSWORD(?:\(|[ ][a-z]\w{{0,40}}[ ]=[ ]){_WITH_DIGIT}"
        r"(?P<value>(?>[A-Za-z0-9$#@*+=_-]{4,64}))(?=[)\s\\]|\Z)",
        (("USER(ADA) PASSWORD(", ")"), ("PASSWORD elastic = ", "\n")),
        ("PASSWORD(x1)", "PASSWORD elastic = <password>"),
        casefold=False,
    ),
    Rule(
        "password",
        ("pwd={",),
        rf"pwd=(?P<value>\{{{_WITH_DIGIT}(?>[^\s{{}}\"']{{4,}})\}})",
        (Example(f"{{{_SECRET}}}", "Server=sql01;Uid=erp;Pwd=", ";"),),
        ("Pwd={password};", "Pwd={0}"),
        casefold=True,
    ),
)
PAIRS: tuple[Rule, ...] = (*_ELEMENTS, *_ENTERED, *_CALLS, *_LINES)
