"""What a command prints is masked as a whole where only the command says that it is a secret."""

from __future__ import annotations

import pytest

from opensync_hooks.config import load
from opensync_hooks.model import Message, Part, Text, ToolCall, ToolResult
from opensync_hooks.privacy.cleaning import clean_message
from opensync_hooks.privacy.redaction.redactor import Redactor

SECRET = "qX7-Kd9_w2"
LINES = ("4kQ7xB2mZ9af" * 5, "9afZm2Bx7Qk4" * 5, "xB2mZ9af4kQ7xB2m")


def printed(command: str, output: str) -> str:
    return Redactor().redact_output(command, output)


@pytest.mark.parametrize(
    "command",
    [
        "printenv API_TOKEN",
        "PRINTENV API_TOKEN",
        "echo $DB_PASSWORD",
        "echo ${STRIPE_SECRET}",
        "heroku config:get SMTP_PASSWORD -a shop",
        "firebase functions:config:get mail.api_key",
        "aws secretsmanager get-secret-value --secret-id db",
        "aws ssm get-parameter --name /prod/db_password --with-decryption",
        "aws configure get aws_secret_access_key",
        "terraform output -raw db_password",
        "terraform output -raw ACCESS_KEY",
        "az webapp secret show --name api-key",
        "npm config get //registry.npmjs.org/:_authToken",
        "kubectl get secret db -o jsonpath='{.data.user}'",
        "kubectl -n prod get secrets db -o go-template='{{.data.user}}'",
        "cat /etc/app/session.key",
        "type C:\\Users\\me\\deploy.token",
        "less api_key.txt",
        "head -1 ~/.config/app/api-key",
        "tail ~/secret-prod.txt",
        "bat token.txt",
        "Get-Content .\\password-of-db.txt",
        "more token",
        "gcloud auth print-access-token",
        "gcloud auth print-identity-token",
        "gh auth token",
        "op read op://work/db/field",
        "pass show mail/kim",
        "gopass show mail/kim",
        "bw get password mail",
        "security find-generic-password -s mail -w",
        "security find-internet-password -s mail -w",
        "vault kv get -field=value secret/db",
        "openssl rand -hex 16",
        "az keyvault secret show --name db --query value",
        "az account get-access-token --query accessToken -o tsv",
        "wg genkey",
        "wg genpsk",
        "gcloud secrets versions access latest --secret=db",
        "gpg -q -d mail.gpg",
        "gpg2 --decrypt mail.gpg",
    ],
)
def test_output_of_a_command_that_prints_secrets_is_masked(command: str) -> None:
    assert printed(command, f"{SECRET}\n") == "[redacted:secret]\n"
    assert printed(command, f"\n  {SECRET}") == "\n  [redacted:secret]"


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("printenv HOME", SECRET),
        ("echo done; ls tokens", SECRET),
        ("cat tokens.py", SECRET),
        ("cat notes.txt | grep secret", SECRET),
        ("git config get user.name && make key", SECRET),
        ("gpg --list-keys", SECRET),
        ("security find-generic-password -s mail", SECRET),
        ("vault kv get secret/db", SECRET),
        ("kubectl get secrets", SECRET),
        ("passwd show", SECRET),
        ("printenv API_TOKEN", "not-found"),
        ("printenv API_TOKEN", "qX7-Kd9"),
        ("printenv API_TOKEN", f"{SECRET} is not set"),
        ("pass show", f"{SECRET}\nlogin: kim"),
        ("bypass show mail", f"{SECRET}\nlogin: kim"),
        ("cat id_rsa.pub", LINES[0]),
        ("cat server.pem.txt", LINES[0]),
    ],
)
def test_other_output_stays(command: str, output: str) -> None:
    assert printed(command, output) == output


@pytest.mark.parametrize("command", ["pass show m", "cd x && gopass show m", "ls;pass show a"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_first_line_of_an_entry_is_its_password(command: str, end: str) -> None:
    entry = f"{end}login: kim{end}"
    assert printed(command, SECRET + entry) == "[redacted:secret]" + entry


@pytest.mark.parametrize(
    "command",
    ["cat ~/.ssh/id_rsa", "head -3 id_dsa", "tail id_ecdsa", "less ID_ED25519", "cat tls-1.pem",
     "cat tls.key x", "cat AuthKey_1.p8"],
)  # fmt: skip
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_of_a_key_file_without_its_marks_are_masked(command: str, end: str) -> None:
    masked = printed(command, end.join(("begins here", *LINES, "ok")) + end)
    assert masked == end.join(("begins here", *["[redacted:private-key]"] * 3, "ok")) + end


def test_result_is_masked_by_the_command_of_its_own_call() -> None:
    parts: tuple[Part, ...] = (
        ToolCall("a", "Bash", {"command": "printenv API_TOKEN"}),
        ToolCall("b", "Bash", {"command": "printenv HOME"}),
        ToolCall("c", "Bash", {"command": ["printenv", "API_TOKEN"]}),
        ToolCall("d", "Bash", "printenv API_TOKEN"),
        Text("now they run"),
        *(ToolResult(id_, "Bash", SECRET) for id_ in "abcd"),
    )
    cleaned = clean_message(Message("m1", "assistant", parts), load())
    outputs = [part.output for part in cleaned.parts if isinstance(part, ToolResult)]
    assert outputs == ["[redacted:secret]", SECRET, SECRET, SECRET]


@pytest.mark.parametrize(
    "prompt", ["$ ", "root@build:~# ", "C:\\work> ", "\u276f ", "(venv) ada@host:~/app$ "]
)
def test_output_below_its_command_is_masked_where_one_text_has_both(prompt: str) -> None:
    lines = f"{prompt}wg genkey\n{{}}\n{prompt}ls\nsrc"
    masked = Redactor().redact(lines.format("kJ4mQ9vXz2LpR7tWb5NcY8sHd3FgA6uE"))
    assert masked == lines.format("[redacted:secret]")


def test_output_of_other_commands_stays_below_them() -> None:
    lines = "$ git rev-parse HEAD\n4729af4729af4729af4729af4729af4729af4729\n$ cat note.txt\nhello"
    assert Redactor().redact(lines) == lines
