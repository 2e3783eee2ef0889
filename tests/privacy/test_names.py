"""A name tells of a secret in any language, with a qualifier behind it, in any notation."""

from __future__ import annotations

import pytest

from opensync_hooks.privacy.redaction.languages import WORDS
from opensync_hooks.privacy.redaction.names import identify
from opensync_hooks.privacy.redaction.redactor import Redactor

RANDOM = "k7QxW2mZ9afT4vLp8sRd"
LETTERS = "QxkWmZvafTpLhsRdJwGbYc"
PASSWORD = "Giraffe" + "1974"


def redact(text: str) -> str:
    return Redactor().redact(text)


@pytest.mark.parametrize("language", WORDS)
def test_name_in_every_language_is_known(language: str) -> None:
    for kind, line in WORDS[language].items():
        for word in line.split(", "):
            value = PASSWORD if kind == "password" else RANDOM
            assert value not in redact(f"{word}: {value}"), word
            assert value not in redact(f'"{word}": "{value}"'), word
            variable = word.replace(" ", "_")
            assert value not in redact(f'{variable} = "{value}"\nx = 1'), word
            if word.isascii():
                assert value not in redact(f"export {variable.upper()}={value}"), word
                assert value not in redact(f"export {variable.upper()}_PROD={value}"), word
                camel = word.title().replace(" ", "")
                assert value not in redact(f'const x{camel}Prod = "{value}";'), word


QUALIFIED = (
    "PASSWORD_PROD={}", "db_passwd_staging={}", 'const tokenGithub = "{}"', "secret_jwt: {}",
    "PASSWD_2={}", "API_KEY_LIVE={}", '{{"passwordConfirmation": "{}"}}', "password_old = '{}'",
    "--token-gitlab {}", 'variable "password_grafana" {{\n  default = "{}"\n}}',
    "haslo_do_bazy = '{}'", "let senhaDoBanco = '{}'", "CLAVE_DE_ACCESO={}",
    "api_schluessel_extern: {}", "-Dshop.chiave.api={}", "klucz_api: {}",
)  # fmt: skip


@pytest.mark.parametrize("text", QUALIFIED)
def test_word_behind_a_name_may_tell_which_secret_it_is(text: str) -> None:
    assert RANDOM not in redact(text.format(RANDOM))


ABOUT = (
    'password_hint = "fluffy17"', "token_type=Bearer12", 'password_policy: "level3strict"',
    'secretName: "db-credentials-k7"', "TOKEN_URL=https://example.org/a1b2c3d4e5f6g7h8",
    "password_min_length: 12", 'tokenizer_v2 = "bert4uncased"', "secret_version = 'v12abc34'",
    'password_reset_template: "reset2024b"', "key_bindings = 'vim9extended'", "passed_in=ab12cd34",
    'password_encoder: "bcrypt12rounds"', 'keyboard = "qwerty105keys"', "token_count: 12345678",
    'clave = "color1"', 'llave: "fila2"', "chave: codigo7", 'cle = "langue_fr2"',
    'clause_4 = "k7QxW2mZ9afT4vLp"', "enclave=k7QxW2mZ9afT", "desenha = 'casa12'",
    "pin_code_regex = '[0-9]{4}'", "led_pin = 13",
    "You can set KEEP_PASS=1, KEEP_FAIL=1 or both.",
    "GPIO_PIN=1234", "ping: 1234", "spinPin = 4711",
)  # fmt: skip


@pytest.mark.parametrize("text", ABOUT)
def test_what_is_said_about_a_secret_stays(text: str) -> None:
    assert redact(text) == text


LETTERS_ONLY = (
    "GITLAB_TOKEN={}", 'env:\n- name: SERVICE_API_KEY\n  value: "{}"', "clientSecret: {}",
    '{{"refresh_token": "{}"}}', 'public string AppSecret {{ get; init; }} = "{}";',
)  # fmt: skip


@pytest.mark.parametrize("text", LETTERS_ONLY)
def test_random_letters_are_a_secret_without_a_digit(text: str) -> None:
    assert LETTERS not in redact(text.format(LETTERS))
    assert LETTERS not in redact(text.format(LETTERS + "=="))


@pytest.mark.parametrize(
    "name",
    ["AuthorizationCodeGrantType", "SecretManagerServiceClient", "HttpHeaderTokenExtractor",
     "GeheimnisVerwaltungsSchnittstelle", "XMLHttpRequestTokenParser", "OAuthBearerAccessToken"],
)  # fmt: skip
def test_name_of_a_class_is_no_secret(name: str) -> None:
    for text in (f'token = "{name}"', f"clientSecret: {name}", f'{{"apiKey": "{name}"}}'):
        assert redact(text) == text


NOTATIONS = (
    'public string DbPassword {{ get; set; }} = "{}";',
    'public required string DbPassword {{ get; init; }} = "{}";',
    "EXEC sp_x @password = N'{}', @x = 1",
    'const dbPassword string = "{}"',
    'Dim dbPassword As String = "{}"',
    'static const char password[] = "{}";',
    'const PASSWORD: &\'static str = "{}";',
    'db_password <- "{}"',
    'var password = @"{}";',
    'setx DB_PASSWORD "{}" /M',
    "setx /M DB_PASSWORD {}",
    "set -gx DB_PASSWORD '{}'\nfish_add_path ~/bin",
    "set -Ux DB_PASSWORD {}",
    "setenv DB_PASSWORD {}",
    "FROM base\nENV DB_PASSWORD {}\nWORKDIR /app",
    "heroku config:set DB_PASSWORD {}",
    "git config --global imap.password {}",
    'dotnet user-secrets set "Db:Password" "{}"',
    "npm config set registry.password {}",
    "masterauth {}\nport 1",
    "port 1\nrequirepass {}\n",
    'System.setProperty("db.password", "{}");',
    "form.append('password', '{}')",
    "define( 'DB_PASSWORD', '{}' );",
    "page.fill('#password', '{}')",
)


@pytest.mark.parametrize("text", NOTATIONS)
@pytest.mark.parametrize("value", [PASSWORD, "dragonflies", "x7%Kp!w2"])
def test_value_is_masked_however_it_is_given_to_its_name(text: str, value: str) -> None:
    masked = redact(text.format(value))
    assert masked == text.format("[redacted:password]")


SENTENCES = (
    "la password è {}, prova ad accedere",
    "le mot de passe est {} et le login ada",
    "hasło to jest {}",
    "lösenordet är {}",
    "the password for the stage is now {}",
    "das Kennwort lautet {}",
    "Set ADMIN_PASSWORD to {} in prod",
    "set `ADMIN_PASSWORD` to `{}`",
    "Log in with user ada and password {}, then open the page.",
    "Melde dich als Benutzer ada mit Passwort {} an",
    "| DB_PASSWORD | `{}` |",
    "admin_password    {}\nowner    ada",
    "smtp_password:\n{}\n\nNext step: run the tests.",
    "  password: {}\n  pool: 5",
)


@pytest.mark.parametrize("text", SENTENCES)
def test_password_of_letters_and_digits_is_masked_in_a_sentence(text: str) -> None:
    assert redact(text.format(PASSWORD)) == text.format("[redacted:password]")


PROSE = (
    "The password is required.", "the password is base64-encoded", "password is sha256hashed",
    "Set the PASSWORD environment variable to enable it.", "The token is an OAuth2Token object.",
    "with user name and password authentication", "pass to modnames2paths: it returns",
    "Password: required\n", "    password: SecretStr\n", "  password: string\n",
    "    email: Incomplete\n    password: Incomplete\n", "password: Kennwort\n",
    "  passwords: optional\n", "def f(password: bytes, secret: Uint8Array) -> None:",
    "(None, 'joe', 'password', 'proxy.example.com:3128')", "Password:\nLast login: Tue\n\nx",
    "'PKPaymentToken', 'PKPushCredentials', 'PKPushPayload', 'TKTokenKeyAlgorithm'",
    "#define GL_STENCIL_PASS_DEPTH_PASS        0x0B96\n", "| password | utf8mb4_bin |",
)  # fmt: skip


@pytest.mark.parametrize("text", PROSE)
def test_word_of_a_sentence_or_a_type_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("quote", ['"', "'"])
def test_passphrase_in_quotes_may_have_spaces(quote: str) -> None:
    phrase = "velvet otter canyon " + "walnut"
    for text in (
        "ADMIN_PASSWORD={}",
        "{{'db_passwd': {}, 'x': 1}}",
        "kennwort: {}",
        "var adminPassword = {};",
    ):
        quoted = text.format(quote + phrase + quote)
        assert redact(quoted) == text.format(f"{quote}[redacted:password]{quote}")


@pytest.mark.parametrize(
    "label",
    ["enter your password", "wrong password entered", "reset the admin password", "forgot it again",
     "the old one", "must contain eight characters", "passwords must match exactly"],
)  # fmt: skip
def test_label_of_a_password_stays(label: str) -> None:
    for text in (f'"password": "{label}"', f"PASSWORD_LABEL='{label}'", f"password = '{label}'"):
        assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    ["cardPin: '{}'", "CARD_PIN={}", "sim-pin={}", '{{"userPin": {}}}', 'const simPin = "{}"',
     "the card PIN is {}.", "bank_pin: {}"],
)  # fmt: skip
@pytest.mark.parametrize("pin", ["4821", "904417"])
def test_pin_of_a_card_is_masked(text: str, pin: str) -> None:
    assert redact(text.format(pin)) == text.format("[redacted:password]")


def test_field_behind_a_password_stays() -> None:
    text = "cache.example.net:6380,password={},ssl=True,abortConnect=False"
    assert redact(text.format(RANDOM)) == text.format("[redacted:password]")
    assert redact(text.format("a,b=" + RANDOM)).count(RANDOM) == 0


def test_field_with_a_name_in_another_language_is_masked() -> None:
    field = Redactor().redact_field
    assert field("adminKennwort", "maple85") == "[redacted:password]"
    assert field("mot_de_passe", "two words") == "[redacted:password]"
    assert field("chaveApi", RANDOM) == "[redacted:api-key]"
    assert field("password_hint", "maple85") == "maple85"


def test_column_with_a_qualified_name_is_known() -> None:
    rows = f"id,senha_banco,lang\n1,{PASSWORD},de\n"
    assert redact(rows) == rows.replace(PASSWORD, "[redacted:password]")
    identified = identify("password_db_main")
    assert identified
    assert identified.kind == "password"
    assert identify("password_hash") is None
    assert identify("my_tokens_list") is None


def test_password_for_standard_input_is_masked() -> None:
    for option in ("--passwd-on-stdin", "--password-stdin", "--passphrase-from-stdin"):
        assert redact(f"tool {option} <<< '{PASSWORD}'") == f"tool {option} <<< '[redacted:token]'"
