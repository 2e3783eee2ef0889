"""A link to a message that was kept from an earlier run of the server leads there again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from opensync_hooks.config.credentials import new_key
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.earlier_links import current_url
from opensync_hooks.server.server import Server
from tests.page_reader import Page

TOKEN = "-aZ3" * 5 + "_9"
BASE = f"http://127.0.0.1:8642/{TOKEN}/"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as opened:
        for number in range(230):
            ids = {"sessionExternalId": "s", "externalId": f"m{number}"}
            body = {**ids, "role": "user", "textContent": f"text {number}", "createdAt": number}
            opened.put_message(body, {}, replaces=False)
        yield opened


def log_in(server: Server) -> tuple[requests.Session, str]:
    browser = requests.Session()
    browser.trust_env = False
    return browser, browser.get(server.login_url, timeout=30).url


def test_kept_link_leads_to_its_message_after_a_restart(store: Store) -> None:
    with Server(store, new_key()) as server:
        browser, home = log_in(server.start())
        session = store.session("s")
        assert session
        page = Page(browser.get(f"{home}session?id={session['session']['id']}", timeout=30).text)
        kept = home + next(link for link in page.links if "&at=" in link)
    with Server(store, new_key()) as server:
        browser, home = log_in(server.start())
        assert home not in kept
        port_now = kept.replace(kept.split("/")[2], home.split("/")[2])
        refused = browser.get(port_now, timeout=30)
        assert refused.status_code == 410
        assert "paste this address into the search there" in refused.text
        assert home.split("/")[3] not in refused.text
        answer = browser.get(home, params={"q": f" {kept} "}, timeout=30)
        assert answer.status_code == 200
        assert answer.url == home + kept.split("/", 4)[4]
        assert "text 0" in answer.text


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("session?id=a&at=b#m-b", "session?id=a&at=b#m-b"),
        ("session?id=a&page=3", "session?id=a&page=3"),
        ("message?id=a", "message?id=a"),
        ("overview?period=all", "overview?period=all"),
        ("session?id=a&x=1&id=c", "session?id=a"),
        (
            "session?id=a%0d%0aSet-Cookie:x&at=%2f%2fb",
            "session?id=a%0D%0ASet-Cookie%3Ax&at=%2F%2Fb",
        ),
        ("session?id=a#<b>", "session?id=a"),
        ("session", "session"),
    ],
)
def test_only_known_fields_are_taken_along(address: str, expected: str) -> None:
    assert current_url(BASE + address) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "kettle", BASE, BASE + "export?id=a", BASE + "session/x", "session?id=a",
        f"https://127.0.0.1/{TOKEN}/session", f"http://example.com/{TOKEN}/session?id=a",
        f"http://127.0.0.1:1/{TOKEN[1:]}/session?id=a", "http://[", "http://127.0.0.1:x/",
        f"javascript://127.0.0.1/{TOKEN}/session", f"see {BASE}session?id=a",
    ],
)  # fmt: skip
def test_other_texts_are_searched_for(text: str) -> None:
    assert current_url(text) == ""
