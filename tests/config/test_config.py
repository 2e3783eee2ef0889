"""Settings come from the environment and config.toml; an unusable file is named with a fix."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from opensync_hooks import config
from opensync_hooks.config import Config, Folders
from opensync_hooks.errors import NotConfiguredError, OpenSyncError
from tests.config.documents import KEY, OTHER, URL, login, write


def test_without_settings_the_embedded_store_is_the_destination() -> None:
    loaded = config.load({**os.environ})
    assert (loaded.url, loaded.api_key, loaded.thinking) == (None, None, False)


def test_without_a_file_no_parser_is_imported() -> None:
    code = "import sys; from opensync_hooks import config; config.load(); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "opensync_hooks.config" in completed.stdout.split()
    assert "tomllib" not in completed.stdout.split()


def test_file_says_where_to_send(path: Path) -> None:
    write(path, login("https://x.convex.cloud") + "[privacy]\nthinking = true\n")
    loaded = config.load()
    assert (loaded.url, loaded.api_key, loaded.thinking) == (URL, KEY, True)


def test_environment_wins(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, login() + "[privacy]\nthinking = true\n")
    monkeypatch.setenv("OPENSYNC_URL", "https://y.convex.cloud")
    monkeypatch.setenv("OPENSYNC_API_KEY", OTHER)
    monkeypatch.setenv("OPENSYNC_HOOKS_THINKING", "0")
    loaded = config.load()
    assert (loaded.url, loaded.api_key, loaded.thinking) == ("https://y.convex.site", OTHER, False)


@pytest.mark.parametrize(
    ("url", "key", "in_file", "expected"),
    [
        (None, OTHER, login(), (URL, OTHER)),
        ("https://x.convex.cloud/", None, login(), (URL, KEY)),
        (URL, None, f'api_key = "{KEY}"', (URL, KEY)),
        (URL, f" {KEY}\n", "", (URL, KEY)),
        (None, KEY, "\n", (None, None)),
        ("", "", login(), (URL, KEY)),
    ],
    ids=["key", "same URL", "URL for a lone key", "both, with blanks", "lone key", "empty"],
)
def test_environment_and_file_complete_each_other(
    path: Path, url: str | None, key: str | None, in_file: str, expected: Any
) -> None:
    write(path, in_file)
    variables = {"OPENSYNC_URL": url, "OPENSYNC_API_KEY": key}
    variables_set = {name: value for name, value in variables.items() if value is not None}
    loaded = config.load(os.environ | variables_set)
    assert (loaded.url, loaded.api_key) == expected


def test_key_of_the_file_is_not_sent_to_another_url(path: Path) -> None:
    """Whoever can set a variable, as a project's settings can, would get the key else."""
    write(path, login())
    with pytest.raises(NotConfiguredError, match="no API key is set") as caught:
        config.load({**os.environ, "OPENSYNC_URL": "https://evil.example"})
    assert "https://evil.example" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "sent"),
    [("1", True), ("TRUE", True), (" yes ", True), ("on", True), ("0", False), ("", False),
     ("off", False), ("maybe", False)],
)  # fmt: skip
def test_thinking_is_sent_only_on_a_clear_word(value: str, sent: bool) -> None:
    assert config.load({**os.environ, "OPENSYNC_HOOKS_THINKING": value}).thinking is sent


def test_one_variable_moves_all_folders(tmp_path: Path) -> None:
    folders = Folders.from_environ({"OPENSYNC_HOOKS_HOME": str(tmp_path)})
    assert {folders.config, folders.data, folders.state} == {tmp_path}
    assert folders.settings == tmp_path / "config.toml"
    paths = (folders.ledger, folders.store, folders.spool, folders.locks)
    assert {path.parent for path in paths} == {tmp_path}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o660, 0o601], ids=oct)
def test_file_that_others_can_read_is_refused_with_its_cure(path: Path, mode: int) -> None:
    write(path, login(), mode)
    with pytest.raises(NotConfiguredError, match="other users can read it") as caught:
        config.load()
    assert str(path) in str(caught.value)
    assert caught.value.hint == f"chmod 600 {path}"


def test_fix_works_for_a_path_with_spaces(tmp_path: Path) -> None:
    """On macOS all of these paths have one: Library/Application Support."""
    home = tmp_path / "Application Support"
    home.mkdir()
    environ = {"OPENSYNC_HOOKS_HOME": str(home)}
    write(home / "config.toml", login(), 0o644)
    with pytest.raises(NotConfiguredError) as caught:
        config.load(environ)
    subprocess.run(["sh", "-c", caught.value.hint], check=True)
    assert config.load(environ).url == URL


@pytest.mark.parametrize(
    "text",
    [
        f'url = "{URL}"\napi_key = "{KEY}', f"{KEY}", f"api_key = {KEY}", "a = 1\na = 2", "= 1",
        f'api_key = "{KEY}"\n[server\n', b'url = "\xff\xfe"', b"\xff\xfe\0", "a = " + "[" * 5000,
        f"n = {'9' * 5000}", f'["{KEY}"]\n["{KEY}"]',
    ],
    ids=[
        "open quote", "lone key", "no quotes", "twice", "no name", "open table", "no UTF-8",
        "UTF-16", "too deep", "too long a number", "table twice",
    ],
)  # fmt: skip
def test_broken_file_is_named_with_a_cure_and_without_the_key(
    path: Path, text: str | bytes
) -> None:
    write(path, text)
    with pytest.raises(NotConfiguredError, match="not valid TOML") as caught:
        config.load()
    assert str(path) in str(caught.value)
    assert caught.value.hint
    assert KEY not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("url = 7", "`url` is not a string"),
        (f'url = "{URL}"\napi_key = 7', "`api_key` is not a string"),
        ('server = "x"', "`server` is not a table"),
        ("privacy = 1", "`privacy` is not a table"),
        ("[server]\nkey = 1", "`key` is not a string"),
        ('[privacy]\nthinking = "no"', "`thinking` is neither true nor false"),
        (login(url="x.convex.site"), "This is not a URL"),
        (login(url="http://x.convex.site"), "unencrypted"),
        (f'url = "{URL}"', "no API key is set"),
        (login(key="osk_ä"), "characters that no key has"),
        (login(key="osk_a\\nb"), "characters that no key has"),
        (f'api_key = "{KEY}"', "an API key without a `url`"),
        ("[privacy]\nexlude = ['x']", r"\[privacy\] has no setting `exlude`"),
        (f"[privacy]\n{KEY} = 1", "has no setting with one of its names"),
        ("exclude = ['x']", r"`exclude` is outside \[privacy\]"),
        ("", "is empty"),
    ],
    ids=lambda text: text.split("\n")[-1][:30],
)
def test_value_that_cannot_be_used_is_named_with_a_cure(
    path: Path, text: str, complaint: str
) -> None:
    write(path, text)
    with pytest.raises(NotConfiguredError, match=complaint) as caught:
        config.load()
    assert caught.value.hint
    assert "osk_" not in str(caught.value)


def test_address_in_the_environment_is_named_as_such() -> None:
    with pytest.raises(NotConfiguredError, match="OPENSYNC_URL"):
        config.load({**os.environ, "OPENSYNC_URL": "x", "OPENSYNC_API_KEY": KEY})


@pytest.mark.parametrize("below_a_file", [False, True], ids=["a folder", "below a file"])
def test_file_that_cannot_be_opened_is_not_taken_for_none(path: Path, below_a_file: bool) -> None:
    if below_a_file:
        path.parent.rmdir()
        path.parent.touch()
    else:
        path.mkdir()
    with pytest.raises(NotConfiguredError) as caught:
        config.load()
    assert str(path) in str(caught.value)


def test_no_text_form_of_a_config_shows_keys(path: Path) -> None:
    write(path, login() + f'[server]\nkey = "{OTHER}"\n')
    loaded = config.load()
    assert (loaded.api_key, loaded.server_key) == (KEY, OTHER)
    for text in (repr(loaded), str(loaded), f"{loaded}"):
        assert KEY not in text
        assert OTHER not in text


@hypothesis.given(
    url=st.sampled_from(["", URL, KEY, f"https://{KEY}@x.org", f"http://x.org/{KEY}", "osk_"]),
    key=st.sampled_from(["", KEY, f"{KEY}…", f"{KEY} x", f"{KEY}\n{KEY}"]),
)
def test_no_error_repeats_the_key(url: str, key: str) -> None:
    message = ""
    try:
        config.load({**os.environ, "OPENSYNC_URL": url, "OPENSYNC_API_KEY": key})
    except OpenSyncError as error:
        message = str(error) + error.hint
    assert KEY not in message


def test_config_is_immutable() -> None:
    loaded = config.load()
    assert isinstance(loaded, Config)
    with pytest.raises(AttributeError):
        loaded.url = "https://evil.example"  # type: ignore[misc]
