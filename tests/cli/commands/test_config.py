"""`config` shows settings and their origins, and writes nothing that could not be used."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from opensync_hooks.config import toml_edit
from tests.commandline import KEY, NOBODY_LISTENS, run

MINE = f"""# my settings
url = "{NOBODY_LISTENS}" # at home
api_key = '{KEY}'

other = {{ of = "another version" }}

[privacy]
# what may leave
thinking = false # not yet
exclude = [
  "~/clients/*", # by contract
]

[privacy.patterns]
ticket = 'TICKET-\\d+'
"""


@pytest.fixture
def mine(ours: Path) -> Path:
    ours.mkdir()
    path = ours / "config.toml"
    path.write_text(MINE)
    path.chmod(0o600)
    return path


def test_show_lists_every_value_and_its_origin(mine: Path) -> None:
    ran = run("config", "show", OPENSYNC_HOOKS_REDACT="0")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = {line.split()[0]: line for line in ran.stdout.splitlines()}
    assert lines["url"].split()[1:] == [NOBODY_LISTENS, "config.toml"]
    assert lines["thinking"].split()[1:] == ["false", "config.toml"]
    assert lines["redact"].split()[1:] == ["false", "environment"]
    assert lines["file_contents"].split()[1:] == ["false", "default"]
    assert lines["allow"].split()[1:] == ["not", "set", "default"]
    assert ran.stdout.splitlines()[-1] == f"config.toml: {mine}"
    rows = json.loads(run("config", "show", "--json").stdout)
    assert rows["exclude"] == {"value": ["~/clients/*"], "from": "config.toml"}
    assert rows["patterns"]["value"] == {"ticket": "TICKET-\\d+"}


@pytest.mark.usefixtures("mine")
def test_key_is_masked_everywhere() -> None:
    outputs = [run("config", *words).stdout for words in (("show",), ("show", "--json"))]
    outputs.append(run("config", "get", "api_key").stdout)
    assert outputs[2] == f"osk_…{KEY[-4:]}\n"
    assert all(KEY not in output and KEY[-4:] in output for output in outputs)


@pytest.mark.parametrize(
    ("words", "table", "value"),
    [
        (("thinking", "true"), "privacy", True),
        (("privacy.redact", "FALSE"), "privacy", False),
        (("exclude", "a", "b c"), "privacy", ["a", "b c"]),
        (("exclude", '["x", "y"]'), "privacy", ["x", "y"]),
        (("allow", "osk_example"), "privacy", ["osk_example"]),
        (("estimate_tokens", "true"), None, True),
    ],
    ids=lambda words: "-".join(words) if isinstance(words, tuple) else "",
)
def test_set_changes_one_value_and_nothing_else(
    mine: Path, words: tuple[str, ...], table: str | None, value: object
) -> None:
    ran = run("config", "set", *words)
    assert (ran.returncode, ran.stderr) == (0, "")
    text = mine.read_text()
    document, expected = tomllib.loads(text), tomllib.loads(MINE)
    name = words[0].removeprefix("privacy.")
    (expected[table] if table else expected)[name] = value
    assert document == expected
    for comment in ("# my settings", "# at home", "# what may leave", "# not yet"):
        assert comment in text
    assert mine.stat().st_mode & 0o777 == 0o600


def test_patterns_are_set_and_unset_by_name(mine: Path) -> None:
    assert run("config", "set", "patterns.house", r"HOUSE-\d{4}").returncode == 0
    assert run("config", "get", "patterns.house").stdout == "HOUSE-\\d{4}\n"
    assert run("config", "unset", "patterns.house").returncode == 0
    assert mine.read_text() == MINE
    assert run("config", "unset", "exclude").returncode == 0
    assert run("config", "get", "exclude").stdout == ""
    assert run("config", "get", "thinking").stdout == "false\n"


def test_first_setting_creates_the_file(ours: Path) -> None:
    assert run("config", "set", "thinking", "true").returncode == 0
    assert (ours / "config.toml").read_text() == "[privacy]\nthinking = true\n"
    assert (ours / "config.toml").stat().st_mode & 0o777 == 0o600


def test_file_with_nothing_but_comments_keeps_them(ours: Path) -> None:
    ours.mkdir()
    (ours / "config.toml").write_text("# nothing yet\n")
    (ours / "config.toml").chmod(0o600)
    assert run("config", "set", "estimate_tokens", "true").returncode == 0
    assert (ours / "config.toml").read_text() == "# nothing yet\nestimate_tokens = true\n"


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (("set", "thinkin", "true"), 2, "no setting has this name"),
        (("set", "thinking", "maybe"), 2, "is either true or false"),
        (("set", "thinking", "true", "false"), 2, "takes one value"),
        (("set", "url", "https://x.convex.site"), 2, "a key belongs to one URL"),
        (("set", "api_key", KEY), 2, "a key belongs to one URL"),
        (("set", "patterns", "x"), 2, "every pattern has a name"),
        (("set", "prices", "x"), 2, "prices: is a table"),
        (("set", "patterns.x", "("), 4, "is not a regular expression"),
        (("set", "patterns.x", "a*"), 4, "matches the empty text"),
        (("set", "patterns.a b", "x"), 4, "the name of a pattern"),
        (("get", "nothing"), 2, "no setting has this name"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_unusable_value_is_not_written(
    mine: Path, words: tuple[str, ...], code: int, error: str
) -> None:
    ran = run("config", *words)
    assert ran.returncode == code
    assert error in ran.stderr
    assert mine.read_text() == MINE
    assert "nothing is sent" not in ran.stderr, "the old settings still apply"
    assert KEY not in ran.stderr.replace("config set", "")


def test_folder_in_place_of_the_config_is_reported(ours: Path) -> None:
    (ours / "config.toml").mkdir(parents=True)
    ran = run("sync")
    assert ran.returncode == 4
    assert ran.stderr == (
        f"{ours / 'config.toml'}: not a regular file.\n"
        "hint: Replace it by a file that only you can read and write; nothing is sent until then.\n"
    )


def test_invalid_file_is_not_written(mine: Path) -> None:
    mine.write_text("thinking = [")
    assert run("config", "set", "thinking", "true").returncode == 4
    assert mine.read_text() == "thinking = ["


def test_override_by_the_environment_is_reported(mine: Path) -> None:
    ran = run("config", "set", "thinking", "true", OPENSYNC_HOOKS_THINKING="0")
    assert "OPENSYNC_HOOKS_THINKING is set and overrides config.toml." in ran.stdout
    assert "thinking = true # not yet" in mine.read_text()


# ---- editing TOML --------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c-d", "with space", "ü"])
VALUES = st.one_of(
    st.booleans(), st.integers(-9, 9), st.text(max_size=8), st.lists(st.text(max_size=30))
)
DOCUMENTS = st.dictionaries(
    NAMES, VALUES | st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES)), max_size=4
)


@settings(max_examples=150, deadline=None)
@given(before=DOCUMENTS, after=DOCUMENTS)
def test_edited_text_has_exactly_the_new_values(
    before: toml_edit.Document, after: toml_edit.Document
) -> None:
    text = f"# a comment\n{tomli_w.dumps(before)}"
    changed = toml_edit.rewrite(text, after)
    assert tomllib.loads(changed) == after
    if before == after:
        assert changed == text


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("a = 1 # why\n", {"a": 2}, "a = 2 # why\n"),
        ("a = '#' # why\n", {"a": 2}, "a = 2 # why\n"),
        ("[t] # t\n\n# end\n", {"t": {"a": 1}}, "[t] # t\n\n# end\na = 1\n"),
        ("a = [ # one\n 1,\n]\nb = 2\n", {"b": 2}, "b = 2\n"),
        ("# c\nt = { a = 1 }\n", {"t": {"a": 2}}, "[t]\na = 2\n"),
        ("", {"a": {"b": {"c": 1}}}, "[a.b]\nc = 1\n"),
    ],
    ids=["comment", "# in a text", "table", "several lines", "inline table", "empty"],
)
def test_comments_stay_if_lines_can_be_edited(
    text: str, after: toml_edit.Document, expected: str
) -> None:
    assert toml_edit.rewrite(text, after) == expected


@pytest.mark.parametrize("text", ["privacy = 3", "privacy = []", "[privacy]\npatterns = 3"])
@pytest.mark.parametrize("words", ["set patterns.x y", "unset patterns.x", "get patterns.x"])
def test_value_in_place_of_a_table_is_reported(ours: Path, text: str, words: str) -> None:
    ours.mkdir()
    file = ours / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    ran = run("config", *words.split())
    assert ran.returncode == 4
    assert f"`{'patterns' if 'patterns' in text else 'privacy'}` is not a table" in ran.stderr
    assert file.read_text() == text
