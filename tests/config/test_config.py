"""The key goes where the user said and nowhere else; a file nobody can use is said so."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensync_hooks import config
from opensync_hooks.config import Config, Folders
from opensync_hooks.config.credentials import forget_login, mask_key, save_login, server_key
from opensync_hooks.config.urls import base_url
from opensync_hooks.errors import NotConfiguredError, OpenSyncError, UsageError

ROOT = Path(__file__).parents[2]
KEY = "osk_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
OTHER = "osk_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
URL = "https://x.convex.site"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = Folders.from_environ(os.environ).settings
    assert tmp_path in found.parents
    found.parent.mkdir(mode=0o700, parents=True)
    return found


def write(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)


def login(url: str = URL, key: str = KEY) -> str:
    return f'url = "{url}"\napi_key = "{key}"\n'


# ---- the address ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://x.convex.cloud", "https://x.convex.site"),
        ("https://x.convex.site", "https://x.convex.site"),
        ("  https://X.Convex.Cloud/ \n", "https://x.convex.site"),
        ("HTTPS://x.convex.site", "https://x.convex.site"),
        ("https://x.eu-west-1.convex.cloud", "https://x.eu-west-1.convex.site"),
        ("https://sync.example.org", "https://sync.example.org"),
        ("https://sync.example.org/http/", "https://sync.example.org/http"),
        ("https://sync.example.org:3211", "https://sync.example.org:3211"),
        ("https://sync.example.org:8443/a/b//", "https://sync.example.org:8443/a/b"),
        ("https://convex.cloud.example.org", "https://convex.cloud.example.org"),
        ("https://x.convex.cloud.example.org", "https://x.convex.cloud.example.org"),
        ("https://example.org/x.convex.cloud", "https://example.org/x.convex.cloud"),
        ("https://bücher.example", "https://bücher.example"),
        ("http://localhost:3211", "http://localhost:3211"),
        ("http://127.0.0.1:3211/http", "http://127.0.0.1:3211/http"),
        ("http://[::1]:3211", "http://[::1]:3211"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_address_is_made_of_what_the_dashboard_shows(text: str, address: str) -> None:
    assert base_url(text) == address
    assert base_url(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x", "convex.site", "https://", "https:///path", "//x.convex.site", "ftp://x.org",
        "javascript:alert(1)", "file:///etc/passwd", "https://x.org:port", "https://x.org:99999",
        "https://[::1", "https://exa mple.org", "https://exam\\ple.org", "https://x.org%20", KEY,
        "https://x.org\0", "https://x..convex.site", "https://.x.org", f"https://{'x' * 64}.org",
    ],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    """It may be the key, pasted into the wrong place."""
    with pytest.raises(UsageError) as caught:
        base_url(text)
    assert str(caught.value) == "This is not a URL."
    assert "https://" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/?convex.cloud",
        "https://evil.example/#.convex.cloud",
        "https://x.convex.cloud@evil.example",
        "https://me:secret@x.convex.site",
        "https://me@x.convex.site",
        "https://evil.example\\@x.convex.cloud",
        "https://x.convex.site?key=secret",
    ],
)
def test_address_with_more_than_an_address_in_it_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"more than an address|not a URL") as caught:
        base_url(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "http://x.convex.site", "http://192.168.1.5:3211", "http://127.0.0.1.evil.example",
        "http://localhost.evil.example", "http://[2001:db8::1]", "http://127.0.0.2", "http://0",
    ],
)  # fmt: skip
def test_key_never_travels_unencrypted_to_another_machine(text: str) -> None:
    with pytest.raises(UsageError, match="unencrypted"):
        base_url(text)


@given(st.text() | st.from_regex(r"https?://[^/]{0,20}(:\d*)?(/.*)?"))
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        address = base_url(text)
    except UsageError:
        return
    assert address.startswith(("https://", "http://"))
    assert base_url(address) == address


# ---- where settings come from --------------------------------------------------------------------


def test_without_anything_the_embedded_store_is_the_destination() -> None:
    found = config.load({**os.environ})
    assert (found.url, found.api_key, found.thinking) == (None, None, False)


def test_file_says_where_to_send(path: Path) -> None:
    write(path, login("https://x.convex.cloud") + "[privacy]\nthinking = true\n")
    found = config.load()
    assert (found.url, found.api_key, found.thinking) == (URL, KEY, True)


def test_environment_wins(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, login() + "[privacy]\nthinking = true\n")
    monkeypatch.setenv("OPENSYNC_URL", "https://y.convex.cloud")
    monkeypatch.setenv("OPENSYNC_API_KEY", OTHER)
    monkeypatch.setenv("OPENSYNC_HOOKS_THINKING", "0")
    found = config.load()
    assert (found.url, found.api_key, found.thinking) == ("https://y.convex.site", OTHER, False)


@pytest.mark.parametrize(
    ("given_url", "given_key", "in_file", "expected"),
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
    path: Path, given_url: str | None, given_key: str | None, in_file: str, expected: Any
) -> None:
    write(path, in_file)
    given = {"OPENSYNC_URL": given_url, "OPENSYNC_API_KEY": given_key}
    found = config.load({**os.environ, **{k: v for k, v in given.items() if v is not None}})
    assert (found.url, found.api_key) == expected


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
    found = Folders.from_environ({"OPENSYNC_HOOKS_HOME": str(tmp_path)})
    assert {found.config, found.data, found.state} == {tmp_path}
    assert found.settings == tmp_path / "config.toml"
    assert found.ledger.parent == found.store.parent == found.spool.parent == found.locks.parent


# ---- a file that cannot be used ------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o660, 0o601], ids=oct)
def test_file_that_others_can_read_is_refused_with_its_cure(path: Path, mode: int) -> None:
    write(path, login(), mode)
    with pytest.raises(NotConfiguredError, match="other users can read it") as caught:
        config.load()
    assert str(path) in str(caught.value)
    assert caught.value.hint == f"chmod 600 {path}"


def test_cure_works_for_a_path_with_blanks(tmp_path: Path) -> None:
    """On a Mac every one of these paths has one: Library/Application Support."""
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
    "change",
    [
        lambda: save_login(os.environ, URL, KEY),
        lambda: forget_login(os.environ),
        lambda: server_key(os.environ),
    ],
    ids=["login", "logout", "server key"],
)
def test_file_that_cannot_be_read_is_never_written(path: Path, change: Callable[[], Any]) -> None:
    write(path, "mine = [")
    with pytest.raises(NotConfiguredError):
        change()
    assert path.read_text() == "mine = ["


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


# ---- secrets -------------------------------------------------------------------------------------


def test_keys_are_in_no_text_of_a_config(path: Path) -> None:
    write(path, login() + f'[server]\nkey = "{OTHER}"\n')
    found = config.load()
    assert (found.api_key, found.server_key) == (KEY, OTHER)
    for text in (repr(found), str(found), f"{found}"):
        assert KEY not in text
        assert OTHER not in text


@given(
    url=st.sampled_from(["", URL, KEY, f"https://{KEY}@x.org", f"http://x.org/{KEY}", "osk_"]),
    key=st.sampled_from(["", KEY, f"{KEY}…", f"{KEY} x", f"{KEY}\n{KEY}"]),
)
def test_no_error_whatever_repeats_the_key(url: str, key: str) -> None:
    given = {"OPENSYNC_URL": url, "OPENSYNC_API_KEY": key}
    said = ""
    try:
        config.load({**os.environ, **given})
    except OpenSyncError as error:
        said = str(error) + error.hint
    assert KEY not in said


@pytest.mark.parametrize(
    ("key", "shown"),
    [(KEY, "osk_…2345"), ("osk_short", "…"), ("", "…"), ("x" * 15, "…")],
)
def test_masked_key_can_be_told_but_not_used(key: str, shown: str) -> None:
    assert mask_key(key) == shown


# ---- what is written -----------------------------------------------------------------------------


def test_login_keeps_what_else_stands_in_the_file(path: Path) -> None:
    write(path, '[privacy]\nthinking = true\n[mine]\nnumbers = [1, 2]\ntext = "ü"\n')
    save_login(os.environ, URL, KEY)
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    assert document == {
        "url": URL,
        "api_key": KEY,
        "privacy": {"thinking": True},
        "mine": {"numbers": [1, 2], "text": "ü"},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    save_login(os.environ, "https://y.convex.site", OTHER)
    found = config.load()
    assert (found.url, found.api_key) == ("https://y.convex.site", OTHER)


def test_login_makes_the_file_and_its_folder_private() -> None:
    before = os.umask(0)
    try:
        save_login(os.environ, URL, KEY)
    finally:
        os.umask(before)
    path = Folders.from_environ(os.environ).settings
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_logout_takes_the_login_away_and_nothing_else(path: Path) -> None:
    write(path, login() + f'[server]\nkey = "{OTHER}"\n[mine]\na = 1\n')
    assert forget_login(os.environ) is True
    found = config.load()
    assert (found.url, found.api_key, found.server_key) == (None, None, OTHER)
    assert tomllib.loads(path.read_text())["mine"] == {"a": 1}
    assert KEY not in path.read_text()
    assert forget_login(os.environ) is False


def test_logout_leaves_no_empty_file_behind(path: Path) -> None:
    write(path, login())
    assert forget_login(os.environ) is True
    assert not path.exists()
    assert config.load().url is None


def test_login_mends_an_empty_file(path: Path) -> None:
    write(path, "")
    save_login(os.environ, URL, KEY)
    assert config.load().url == URL


def test_logout_without_a_login_leaves_the_file_as_it_is(path: Path) -> None:
    assert forget_login(os.environ) is False
    assert not path.exists()
    write(path, "# a comment of mine\n[mine]\na = 1\n")
    assert forget_login(os.environ) is False
    assert path.read_text() == "# a comment of mine\n[mine]\na = 1\n"


def test_servers_key_is_made_once_and_stays(path: Path) -> None:
    first = server_key(os.environ)
    assert first.startswith("osk_")
    assert len(first) == 36
    assert server_key(os.environ) == first
    save_login(os.environ, URL, KEY)
    assert server_key(os.environ) == first == config.load().server_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_processes_that_ask_at_once_get_the_same_key() -> None:
    script = (
        "import os, sys; from opensync_hooks.config.credentials import server_key\n"
        "print('ready', flush=True); sys.stdin.readline(); print(server_key(os.environ))"
    )
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(5)
    ]  # fmt: skip
    for one in asking:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    for one in asking:
        assert one.stdin
        one.stdin.write("\n")
        one.stdin.flush()
    keys = {one.communicate(timeout=30)[0].strip() for one in asking}
    assert keys == {config.load().server_key}


def test_config_cannot_be_changed_by_who_reads_it() -> None:
    found = config.load()
    assert isinstance(found, Config)
    with pytest.raises(AttributeError):
        found.url = "https://evil.example"  # type: ignore[misc]
