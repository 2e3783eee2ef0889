"""How values are written beside the names of secrets, and what only looks like it."""

from __future__ import annotations

from opensync_hooks.dataclass import dataclass
from opensync_hooks.privacy.redaction.patterns import ALNUM
from opensync_hooks.privacy.redaction.rule import Example, fill


@dataclass(frozen=True)
class NamedFormat:
    """Values that one kind of name identifies, as examples that prove it."""

    kind: str
    keywords: tuple[str, ...]
    examples: tuple[Example, ...]
    allowlist: tuple[str, ...]


def _examples(name: str, secret: str) -> tuple[Example, ...]:
    """Return the ways in which values are written beside their names."""
    return (
        Example(secret, f"export MY_{name.upper()}="),
        Example(secret, f'{{"{name}": "', '"}'),
        Example(secret, f'{{\\"{name}\\": \\"', '\\"}'),
        Example(secret, f"{name}: "),
        Example(secret, f"config['{name}'] = '", "'"),
        Example(secret, f"tool --{name} ", " --verbose"),
        Example(secret, f"- name: {name.upper()}\n  value: "),
        Example(secret, f"{name}: |-\n    "),
        Example(secret, f'{name} = (\n    "', '"\n)'),
        Example(secret, f"tool --{name} \\\n    "),
        Example(secret, f'["tool", "--{name}", "', '"]'),
        Example(secret, f"{{\\u0022{name}\\u0022:\\u0022", "\\u0022}"),
        Example(secret, f"<i data-x='{{&quot;{name}&quot;: &quot;", "&quot;}'>"),
        Example(secret, f"https://example.org/?{name}=", "&x=1"),
    )


def _variables(*variables: str) -> tuple[Example, ...]:
    """Return assignments in a shell, where a dot in the value is not code."""
    secret = fill(ALNUM, 9) + "." + fill(ALNUM, 6)
    return tuple(Example(secret, f"MY_{variable}=") for variable in variables)


NAMED_VALUES: tuple[NamedFormat, ...] = (
    NamedFormat(
        "password",
        ("password", "passwd", "pwd", "pass", "pw", "passphrase"),
        (
            *_examples("password", fill(ALNUM, 9)),
            *_examples("pwd", fill(ALNUM, 9)),
            *_examples("passphrase", fill(ALNUM, 9)),
            Example("hunter" + "two", "DB_PASSWORD="),
            Example("let" + "mein", 'password = "', '"'),
            Example("hunter" + "two", "Server=db;User Id=sa;Password=", ";Timeout=3"),
            Example("hunter" + "two", "host=db user=me password=", " dbname=x"),
            Example("hunter" + "two", "Uid=sa;Pwd=", ";"),
            Example("hunter" + "two", "<password>", "</password>"),
            Example("correct horse " + "battery", 'passphrase: "', '"'),
            *_variables("PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "DB_PW"),
            *_variables("PASSWORD_PROD", "PASSWD_2", "HASLO_BAZY", "SENHA", "CONTRASENA"),
            Example("hunter" + "two", 'string DbPassword { get; set; } = "', '";'),
            Example("hunter" + "two", "WITH PASSWORD = N'", "', x = 1"),
            Example("hunter" + "two", 'setx DB_PASSWORD "', '"'),
            Example("hunter" + "two", "ENV DB_PASSWORD "),
            Example("hunter" + "two", "define('DB_PASSWORD', '", "');"),
            Example("hunter" + "two", "password=", ",ssl=True"),
            Example("Otter" + "1974", "das Kennwort lautet ", ", und"),
            Example("Otter" + "1974", "with user ada and password ", ", then"),
            Example("velvet otter " + "walnut", 'PASSWORD="', '"'),
            Example("4821" + "0935", "card_pin: "),
        ),
        (
            "password = getpass.getpass()",
            "def login(user: str, password: str) -> None:",
            'password = os.environ["DB_PASSWORD"]',
            "PASSWORD=${DB_PASSWORD}",
            'password: "<your password>"',
            "login(user=user, password=password)",
            "passed: 12, passing=yes",
            "<label>password</label>",
            "PWD=/home/me/project",
            "OLDPWD=/",
            "pwd; ls",
            "Enter passphrase for key: ",
            "PASSWORD=settings.password",
            'password = ":****"',
            "bind($this->{dn}, password => $this->{bindpasswd});",
            "The password is required.",
            'if user_pass == "git":',
            "pass `asn1Spec` to it",
            "GIT_ASKPASS: 'echo'",
            'password_hint = "fluffy17"',
            'password: "enter your password"',
            "  password: SecretStr\n",
            "gpio_pin = 1234",
            '"MYSQL_NATIVE_PASSWORD", "MYSQL_CACHING_SHA2_PASSWORD"',
        ),
    ),
    NamedFormat(
        "token",
        ("token",),
        (
            *_examples("token", fill(ALNUM, 16)),
            *_variables("TOKEN", "TOKEN_PROD", "JETON"),
        ),
        (
            "token = self.tokens2.next()",
            "max_tokens: 4096, token: 12345678",
            'token = "access_token"',
            "token_url=https://example.org/oauth2/v1",
            "token: ${{ secrets.GITHUB_TOKEN }}",
            "--token TOKEN  how to log in",
            "next_token=next_token",
            "exports.isNotOpeningBracketToken = isNotOpeningBracketToken;",
            '"output_token": "Jobs[-1].JobId"',
            "token_type = Bearer1234",
            "token: AuthorizationCodeGrantType",
        ),
    ),
    NamedFormat(
        "secret",
        ("secret", "secret_key", "secret_access_key"),
        (
            *_examples("secret", fill(ALNUM, 16)),
            *_examples("secret_access_key", fill(ALNUM, 40)),
            *_variables("SECRET", "SECRET_KEY_BASE"),
        ),
        (
            "secret = Secret.from_name(v1)",
            "client_secret: /run/secrets/client_secret1",
            "verify(secret: Uint8Array)",
            "arn:aws:secretsmanager:us-west-2:123456789012:secret:MyTestSecret-a1b2c3",
        ),
    ),
    NamedFormat(
        "api-key",
        ("api_key", "apikey", "key"),
        (
            *_examples("api_key", fill(ALNUM, 16)),
            Example(fill(ALNUM, 16), "X-Api-Key: "),
            Example(fill(ALNUM, 86) + "==", "AccountName=x;AccountKey=", ";EndpointSuffix=y"),
            Example(fill(ALNUM, 40), "FERNET_KEY="),
            *_variables("API_KEY", "ACCESS_KEY", "AUTH_KEY", "API_KEY_LIVE", "CLAVE_API"),
            Example(fill(ALNUM, 16), "cle_secrete: "),
        ),
        (
            "api_key=os.getenv('API_KEY1')",
            "primary_key=customer12345",
            "api_key: str = Field(1)",
            "cache_key=" + fill("a-f0-9", 40),
            'clave = "color1"',
            '"encryptionKey": "arn:aws:kms:eu-west-1:111122223333:alias/aws/s3"',
        ),
    ),
    NamedFormat(
        "credential",
        ("credential", "credentials"),
        _examples("credential", fill(ALNUM, 16)),
        ("credentials = service.load_v1(path)",),
    ),
    NamedFormat(
        "seed-phrase",
        ("mnemonic", "phrase"),
        (
            Example("zoo wrong " * 5 + "zoo wrong", 'MNEMONIC="', '"'),
            Example("zoo wrong " * 5 + "zoo wrong", "My seed phrase is "),
            Example("zoo wrong " * 5 + "zoo wrong", "mnemonic: ", "\n\nDo not lose it."),
        ),
        (
            "A mnemonic is a word: it helps.",
            'Mnemonic: "get highlighted".',
            "A seed phrase is what you see when you first open the app and then write down again.",
        ),
    ),
)
