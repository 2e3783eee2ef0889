"""A secret in a column that its heading names is masked, and nothing else of the table is."""

from __future__ import annotations

import re

import pytest

from opensync_hooks.privacy.redaction.redactor import Redactor

SECRETS = {
    "PASSWORD": "k7!rQ" + "x_2mZ9a",
    "OTHER": "Zw4," + "uT8.pLq",
    "KEY": "4kQ7xB2mZ9af" + "8LrT3vNc6YpW1sHd5Jb",
    "WORD": "hunter" + "two",
}
TABLES = {
    "psql": " id | email | password\n----+-------+---------\n  1 | a@b.c | PASSWORD\n(1 row)\n",
    "mysql": "+----+----+\n| id | api_key |\n+----+----+\n|  1 | KEY |\n+----+----+\n",
    "mysql --batch": "id\tlogin\ttoken\n1\tkim\tKEY\n2\tlee\tNULL\n",
    "sqlite3 -header": "id|name|client_secret\n1|kim|KEY\n",
    "sqlite3 -column": "id  name  api_token\n--  ----  ------------\n1   kim   KEY\n",
    "vault kv get": "=== Data ===\nKey         Value\n---         -----\npassword    KEY\n",
    "CSV": "id,email,password,note\n1,a@b.c,PASSWORD,x\n2,d@e.f,PASSWORD,\n",
    "quoted CSV": '"login","secret_key"\r\n"kim","KEY"\r\n',
    "CSV with a comma in the password": 'url,login_password\nhttps://a.example,"OTHER"\n',
    "Markdown": "| host | Password |\n|---|:---:|\n| db | PASSWORD |\n",
    "INSERT": "INSERT INTO users (name, password, n) VALUES ('kim', 'PASSWORD', 3);",
    "INSERT of rows": "insert into `k` (`id`, `secret`)\nvalues (1, 'KEY'),\n (2, 'KEY');",
    "INSERT of a word": "INSERT INTO users(login, passwd) VALUES ('it''s', 'WORD');",
}
HARMLESS = (
    "| name | password |\n|------|----------|\n| kim  | deleted  |\n",
    "| Name | Token | Description |\n|---|---|---|\n| x1 | int64 | the token of a request |\n",
    'NAMES = [\n    "pass", \n    "rad2deg",\n    "rgb2gray",\n]\n',
    "def login(\n    user,\n    password,\n    port8080,\n):\n",
    "syn keyword\tpfService\tpassword\nsyn keyword\tpfService\tkrb524\n",
    "user, password = read()\nhost, port8080 = other()\n",
    "INSERT INTO users (name, password) VALUES (?, ?), (:name, :password), ('kim', '$1')",
    "INSERT INTO tokens (kind, token) VALUES ('kim', 'next page')",
    "step,tokens,max_tokens\n1,18231,4096\n",
)


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_secret_in_a_named_column_is_masked(text: str) -> None:
    parts = re.split("PASSWORD|OTHER|KEY|WORD", text)
    for name, secret in SECRETS.items():
        text = text.replace(name, secret)
    masked = Redactor().redact(text)
    assert not any(secret in masked for secret in SECRETS.values())
    assert all(part in masked for part in parts), "the other columns stay"


@pytest.mark.parametrize("text", HARMLESS)
def test_table_without_a_secret_stays(text: str) -> None:
    assert Redactor().redact(text) == text


def test_many_headings_take_linear_time() -> None:
    text = "id,password\n" * 20_000
    assert Redactor().redact(text) == text


def test_table_has_any_number_of_rows() -> None:
    rows = "".join(f"{number},4kQ7xB2mZ9af4kQ7{number:04}\n" for number in range(5000))
    assert Redactor().redact(f"id,api_key\n{rows}").count("[redacted:api-key]") == 5000
