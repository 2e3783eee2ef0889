"""The pages for reading the embedded store, over a real connection."""

from __future__ import annotations

import hmac
import json
import re
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import requests

from opensync_hooks.cli import main
from opensync_hooks.config.credentials import new_key
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import OpenSyncError, UnreachableError, UnusableDestinationError
from opensync_hooks.model import Json
from opensync_hooks.server.html import without_controls
from opensync_hooks.server.pages import HITS_PER_PAGE, MESSAGES_PER_PAGE, SESSIONS_PER_PAGE
from opensync_hooks.server.server import Server
from tests import cursor_home
from tests.opencode_home import OpenCodeHome
from tests.page_reader import Page

BEGAN = 1_790_000_000_000
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)><a href=javascript:alert(3)>x</a>"
    " </title></style></pre></details></textarea><!-- --><?x?><![CDATA[ &lt;b&gt; &#60;i&#62;"
    " \u202eright\u202c \u2066to\u2069 \0 \x1b]0;title\x07 \x1b[8mhidden\x1b[0m \x9b31m \x7f \u2028"
    " https://evil.example/?q=1 ```"
)


class Browser:
    """Keeps cookies as browsers do; `get` takes paths relative to the list of sessions."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = requests.Session()
        self.http.trust_env = False
        self.home = ""

    def log_in(self) -> requests.Response:
        answer = self.http.get(self.server.login_url, timeout=10)
        self.home = answer.url
        return answer

    @property
    def cookie(self) -> str:
        ((name, value),) = self.http.cookies.items()
        return f"{name}={value}"

    def get(self, path: str = "", **options: Any) -> requests.Response:
        return self.http.get(self.home + path, timeout=30, **options)

    def read(self, path: str = "") -> Page:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return Page(answer.text)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as store:
        yield store


@pytest.fixture
def server(store: Store) -> Iterator[Server]:
    with Server(store, new_key()) as listening:
        yield listening.start()


@pytest.fixture
def browser(server: Server) -> Iterator[Browser]:
    logged_in = Browser(server)
    with logged_in.http:
        logged_in.log_in()
        yield logged_in


def text(content: str) -> Json:
    return {"type": "text", "content": content}


def put(store: Store, key: str, at: int = 0, parent: str | None = None, **fields: Any) -> str:
    body = {"externalId": key, "title": f"Title {key}", "createdAt": BEGAN + at, **fields}
    return store.put_session(body, {"parentExternalId": parent} if parent else {})


def say(
    store: Store,
    session: str,
    text_content: str,
    at: int = 0,
    *parts: Json,
    role: str = "user",
    **extra: Any,
) -> str:
    body: Json = {
        "sessionExternalId": session,
        "externalId": f"{session}:{at}:{text_content[:20]}",
        "role": role,
    }
    body |= {"textContent": text_content, "createdAt": BEGAN + at}
    body["parts"] = list(parts) or [text(text_content)]
    return store.put_message(body, extra, replaces=True)


def call(name: str, arguments: Any, **more: Any) -> Json:
    return {"type": "tool-call", "content": {"id": "c1", "name": name, "args": arguments, **more}}


def result(output: Any, **more: Any) -> Json:
    return {"type": "tool-result", "content": {"id": "c1", "name": "x", "result": output, **more}}


def titles(page: Page) -> list[str]:
    return [heading for heading in page.headings if heading.startswith("Title")]


# ---- access --------------------------------------------------------------------------------------


def test_login_link_opens_the_list(browser: Browser, server: Server) -> None:
    login_url = server.login_url
    answer = requests.get(login_url, timeout=10, allow_redirects=False)
    assert (answer.status_code, answer.content) == (303, b"")
    home = answer.headers["Location"]
    cookie = answer.headers["Set-Cookie"]
    assert f"; Path={home}; HttpOnly; SameSite=Strict" in cookie
    assert cookie.startswith(f"opensync_hooks_{server.server_port}=")
    assert login_url.partition("key=")[2] not in cookie + home
    assert len(home) > 20
    assert browser.get().status_code == 200
    assert "key=" not in browser.home


def test_cookie_is_sent_to_our_pages_only(browser: Browser, server: Server, tmp_path: Path) -> None:
    """Browsers send the cookies of 127.0.0.1 to all its ports, even another user's."""
    request = requests.Request("GET", f"http://127.0.0.1:{server.server_port + 1}/session?id=x")
    assert "Cookie" not in browser.http.prepare_request(request).headers
    with Store(tmp_path / "other.db") as store, Server(store, new_key()) as other:
        browser.http.get(other.start().login_url, timeout=10)
        assert browser.get().status_code == 200, "two servers side by side"


def test_login_link_works_once_and_is_replaced(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_urls: list[str] = []
    server.access.on_login = lambda: new_urls.append(server.login_url)
    first = server.login_url
    for _ in range(2):  # browsers prefetch links
        assert requests.get(first, timeout=10, allow_redirects=False).status_code == 303
    assert new_urls == [server.login_url] != [first]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 11)
    assert requests.get(first, timeout=10, allow_redirects=False).status_code == 403
    assert requests.get(new_urls[0], timeout=10, allow_redirects=False).status_code == 303


@pytest.mark.parametrize("query", ["", "?key=", "?key=x", "?key=%ff", "?q=x", "?key=osk_{key}"])
def test_stranger_reads_how_to_log_in(server: Server, query: str) -> None:
    answer = requests.get(f"{server.url}/{query}", timeout=10)
    assert answer.status_code == 403
    assert "Open the latest link that `opensync-hooks serve` printed." in Page(answer.text).text
    assert "Set-Cookie" not in answer.headers


def test_empty_login_key_opens_nothing(server: Server) -> None:
    """Before the first login, the used key is empty."""
    assert requests.get(f"{server.url}/?key=", timeout=10).status_code == 403


def test_path_and_cookie_are_both_needed(browser: Browser, server: Server) -> None:
    cookie = {"Cookie": browser.cookie}
    for path in ("", "session?id=x", "message?id=x"):
        for headers in ({}, {"Cookie": browser.cookie + "x"}, {"Cookie": "a=b"}):
            assert requests.get(browser.home + path, headers=headers, timeout=10).status_code == 403
        assert requests.get(browser.home + path, headers=cookie, timeout=10).status_code != 403
    for path in ("/", "/session", "/x/", browser.home.removeprefix(server.url)[:-2] + "/"):
        answer = requests.get(server.url + path, headers=cookie, timeout=10)
        assert answer.status_code == (403 if path == "/" else 404)


@pytest.mark.parametrize(
    "form",
    ["{0}", "a=b; {0}", "{1}=x; {0}", "{0}; {1}=x", 'a="; {0}', "a;;={0};{0}", "é= ;  {0} "],
)
def test_cookies_of_other_servers_do_not_lock_the_reader_out(
    browser: Browser, server: Server, form: str
) -> None:
    name = f"opensync_hooks_{server.server_port}"
    headers = {"Cookie": form.format(browser.cookie, name).encode()}
    assert requests.get(browser.home, headers=headers, timeout=10).status_code == 200


def test_api_key_opens_no_page_and_the_cookie_no_route(tmp_path: Path) -> None:
    key = new_key()
    with Store(tmp_path / "s.db") as store, Server(store, key) as server:
        browser = Browser(server.start())
        with browser.http:
            browser.log_in()
            bearer = {"Authorization": f"Bearer {key}"}
            assert requests.get(browser.home, headers=bearer, timeout=10).status_code == 403
            assert requests.get(f"{server.url}/?key={key}", timeout=10).status_code == 403
            cookie = {"Cookie": browser.cookie}
            answer = requests.get(f"{server.url}/api/sessions", headers=cookie, timeout=10)
            assert answer.status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost"}, 200),
    ],
)
def test_foreign_web_page_is_refused_even_with_the_cookie(
    browser: Browser, headers: dict[str, str], status: int
) -> None:
    cookie = {"Cookie": browser.cookie}
    answer = requests.get(browser.home, headers={**cookie, **headers}, timeout=10)
    assert answer.status_code == status
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_pages_are_read_only(browser: Browser, method: str) -> None:
    assert browser.http.request(method, browser.home, timeout=10).status_code == 404


def test_secrets_are_compared_in_constant_time(
    browser: Browser, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []

    def record(text_bytes: bytes, secret: bytes) -> bool:
        compared.append(secret.decode())
        return hmac.compare_digest(text_bytes, secret)

    monkeypatch.setattr("opensync_hooks.server.access.compare_digest", record)
    browser.get()
    requests.get(f"{server.url}/?key=x", timeout=10)
    secrets = {browser.cookie.partition("=")[2], server.login_url.partition("=")[2]}
    assert secrets <= set(compared)
    assert browser.home.removeprefix(server.url) in compared


def test_server_does_not_log_page_views(
    server: Server, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    put(store, "s")
    browser = Browser(server)
    with browser.http:
        browser.log_in()
        browser.get("?q=Title")
        requests.get(server.url + "/?key=wrong", timeout=10)
    assert capfd.readouterr() == ("", "")


def hash_source(text_of_element: str) -> str:
    return f"'sha256-{b64encode(sha256(text_of_element.encode()).digest()).decode()}'"


# ---- headers -------------------------------------------------------------------------------------


def test_every_page_allows_nothing_but_its_own_style(
    browser: Browser, server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = put(store, "s")
    message = say(store, "s", "hi")
    paths = ("", "?q=x", f"session?id={session}", f"message?id={message}", "session?id=none", "x")
    answers = [browser.get(path) for path in paths]
    answers.append(requests.get(server.url, timeout=10))
    monkeypatch.setattr(store, "filter_choices", lambda: 1 // 0)
    answers.append(browser.get())
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404, 404, 403, 500]
    for answer in answers:
        style = answer.text.partition("<style>")[2].partition("</style>")[0]
        script = answer.text.partition("<script>")[2].partition("</script>")[0]
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert policy[0] == "default-src 'none'"
        assert policy[1] == f"style-src {hash_source(style)}"
        assert not script or policy[2] == f"script-src {hash_source(script)}"
        assert policy[3:] == [
            "connect-src 'self'", "img-src data:", "form-action 'self'", "base-uri 'none'",
            "frame-ancestors 'none'",
        ]  # fmt: skip
        assert answer.text.count("<script") <= 1
        assert not any(name in script for name in ("innerHTML", "insertAdjacent", "eval(", "http"))
        expected = {
            "Content-Type": "text/html; charset=utf-8",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        }
        assert answer.headers.items() >= expected.items()
        assert "url(" not in style
        assert "@import" not in style
        page = Page(answer.text)
        assert "main" in page.tags
        assert answer.text.startswith('<!doctype html><html lang="en">')


# ---- the list ------------------------------------------------------------------------------------


def test_sessions_are_sorted_by_their_last_message(browser: Browser, store: Store) -> None:
    for key, at in (("old", 5), ("new", 900_000), ("middle", 60_000)):
        put(store, key)
        say(store, key, "hi", at)
    put(store, "silent", 30_000)
    page = browser.read()
    assert titles(page) == ["Title new", "Title middle", "Title silent", "Title old"]


def test_entry_shows_the_facts_of_a_session(browser: Browser, store: Store) -> None:
    put(
        store, "s", source="cursor", projectName="app", projectPath="/work/app",
        promptTokens=12_000, completionTokens=345, cost=1.5,
    )  # fmt: skip
    say(store, "s", "hi")
    page = browser.read()
    assert "Cursor · " in page.text
    assert " · app" in page.text
    assert "1 message 12k tokens $1.50" in page.text
    assert "./?project=%2Fwork%2Fapp" in page.links


def test_page_of_a_session_has_the_agents_count_and_what_has_no_price(
    browser: Browser, store: Store
) -> None:
    extra = {"agentCost": 1.75, "agentCostIsGuess": True, "unpriced": ["<b>m</b> (fast)"]}
    key = store.put_session({"externalId": "s", "cost": 1.5, "createdAt": BEGAN}, extra)
    put(store, "sub", parent="s")
    shown = browser.read(f"session?id={key}").text
    assert "$1.75 (with its subagents, a guess)" in shown
    assert "<b>m</b> (fast)" in shown
    plain = browser.read(f"session?id={put(store, 'other', cost=1.5)}").text
    assert "count" not in plain
    assert "No price" not in plain


def test_subagents_are_listed_below_their_parent(browser: Browser, store: Store) -> None:
    parent = put(store, "main")
    children = [put(store, f"sub{n}", n + 1, parent="main", title=f"Helper {n}") for n in range(2)]
    put(store, "lost", parent="not here")
    page = browser.read()
    assert titles(page) == ["Title main", "Title lost"] or titles(page)[::-1] == [
        "Title main", "Title lost",
    ]  # fmt: skip
    assert "2 subagents" in page.text
    assert {f"session?id={child_id}" for child_id in children} <= set(page.links)
    child = browser.read(f"session?id={children[0]}")
    assert f"session?id={parent}" in child.links
    assert "Subagent of" in child.text
    assert {f"session?id={child_id}" for child_id in children} <= set(
        browser.read(f"session?id={parent}").links
    )


def test_sessions_with_circular_parents_can_all_be_reached(browser: Browser, store: Store) -> None:
    put(store, "self", parent="self")
    put(store, "a", parent="c")
    put(store, "b", parent="a")
    put(store, "c", parent="b")
    page = browser.read()
    sessions = [store.session_summary(key) for key in ("self", "a", "b", "c")]
    listed = {link.partition("=")[2] for link in page.links if link.startswith("session?")}
    reached = set(listed)
    for session_id in listed:
        links = browser.read(f"session?id={session_id}").links
        reached |= {link.partition("=")[2] for link in links if link.startswith("session?")}
    assert {session["id"] for session in sessions if session} <= reached


def test_many_sessions_are_paged(browser: Browser, store: Store) -> None:
    count = 2 * SESSIONS_PER_PAGE + 3
    store.put_batch(
        {"sessions": [{"externalId": str(n), "title": f"Title {n}"} for n in range(count)]}
    )
    listed, url = [], ""
    for _ in range(3):
        page = browser.read(url)
        listed += titles(page)
        url = next((link for link in reversed(page.links) if "page=" in link), "")
    assert len(set(listed)) == len(listed) == count
    assert url == "./?page=2", "the last page links to the previous one only"
    assert "No session matches." in browser.read("?page=99").text
    for invalid in ("0", "-1", "x", "9" * 40, "%00", "²"):
        assert titles(browser.read(f"?page={invalid}")) == listed[:SESSIONS_PER_PAGE]


def test_empty_store_has_a_page(browser: Browser) -> None:
    assert "No sessions yet." in browser.read().text


def test_list_is_filtered_by_agent_and_project(browser: Browser, store: Store) -> None:
    put(store, "1", source="claude-code", projectPath="/a", projectName="a")
    put(store, "2", source="opencode", projectPath="/a", projectName="a")
    put(store, "3", source="claude-code", projectPath="/b&c", projectName="b&c")
    assert sorted(titles(browser.read("?agent=claude-code"))) == ["Title 1", "Title 3"]
    assert sorted(titles(browser.read("?project=/a"))) == ["Title 1", "Title 2"]
    assert titles(browser.read("?project=/b%26c&agent=claude-code")) == ["Title 3"]
    page = browser.get("?agent=opencode&project=/a").text
    assert '<option value="opencode" selected>OpenCode</option>' in page
    assert '<option value="/a" selected>/a</option>' in page
    assert titles(browser.read("?agent=' OR 1=1 --")) == []


def test_list_is_filtered_by_model_branch_and_day(browser: Browser, store: Store) -> None:
    day_ms = 86_400_000
    for key, model, branch, at in (
        ("1", "opus", "main", 0), ("2", "haiku", "main", day_ms), ("3", "opus", "x/y", 2 * day_ms),
    ):  # fmt: skip
        body = {"externalId": key, "title": f"Title {key}", "model": model, "createdAt": BEGAN + at}
        store.put_session(body, {"gitBranch": branch})
    store.put_session({"externalId": "4", "title": "Title 4", "createdAt": BEGAN}, {})
    first, second = (
        datetime.fromtimestamp((BEGAN + at) / 1000).astimezone().date() for at in (0, day_ms)
    )
    for query, keys in {
        "?model=opus": "13", "?branch=main": "12", "?branch=x/y&model=opus": "3",
        "?model=opus&branch=none": "", "?q=model:haiku": "2", "?q=branch:x/y": "3",
        f"?from={second}": "23", f"?to={first}": "14", f"?from={second}&to={second}": "2",
        "?from=never&to=2026-13-45": "1234", "?from=0001-01-01&to=9999-12-31": "1234",
        "?q=before:2001-01-01&from=2002-01-01": "",
    }.items():  # fmt: skip
        assert sorted(titles(browser.read(query))) == [f"Title {key}" for key in keys], query
    html = browser.get("?branch=main").text
    assert '<option value="main" selected>main</option>' in html
    assert '<details class="filters" open>' in html


def test_list_is_sorted_as_asked(browser: Browser, store: Store) -> None:
    put(store, "1", 3, cost=1, promptTokens=5)
    put(store, "2", 2, cost=3, promptTokens=7)
    put(store, "3", 1, cost=2, promptTokens=6)
    say(store, "3", "hello", 1)
    for order, keys in {
        "time": "123", "cost": "231", "tokens": "231", "messages": "321", "x": "123", "": "123"
    }.items():  # fmt: skip
        assert titles(browser.read(f"?sort={order}")) == [f"Title {key}" for key in keys], order


def test_pages_keep_their_filters(browser: Browser, store: Store) -> None:
    sessions = [{"externalId": str(n), "model": "m&m"} for n in range(60)]
    store.put_batch({"sessions": sessions})
    links = browser.read("?model=m%26m&sort=cost&from=2020-01-01&evil=1").links
    assert "./?model=m%26m&from=2020-01-01&sort=cost&page=2" in links


# ---- search --------------------------------------------------------------------------------------


def test_search_covers_titles_and_texts_and_links_to_the_message(
    browser: Browser, store: Store
) -> None:
    first = put(store, "1", title="Title of the harbour")
    put(store, "2")
    for n in range(MESSAGES_PER_PAGE + 5):
        say(store, "2", f"number {n}", n)
    matching = say(
        store, "2", "x" * 500 + " the Harbour at night, 50% off_season", 200, role="assistant"
    )
    put(store, "3", parent="2")
    say(store, "3", "nothing about it")
    page = browser.read("?q=hArBoUr")
    assert sorted(titles(page)) == ["Title 2", "Title of the harbour"]
    assert f"session?id={first}" in page.links
    url = next(link for link in page.links if "&at=" in link)
    assert url.endswith(f"&at={matching}#m-{matching}")
    assert "…" in page.text
    assert "<mark>Harbour</mark>" in browser.get("?q=hArBoUr").text
    session_page = browser.read(url.partition("#")[0])
    assert f"m-{matching}" in session_page.ids
    assert "Messages 101 to 106 of 106" in session_page.text


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("harbour night", 1),
        ("night title", 1),
        ("harbour day", 0),
        ("50%", 1),
        ("5_%", 0),
        ("ÜBER", 1),
        ("straße", 1),
        ("behind", 1),
        ("' OR 1=1 --", 0),
        ("(", 0),
        ("<b>", 1),
        ("%", 1),
        ("\\", 0),
        ("\0", 1),
        ("   ", 1),
        ("a " * 5_000, 1),
    ],
)
def test_every_word_has_to_occur_literally(
    browser: Browser, store: Store, words: str, count: int
) -> None:
    put(store, "1")
    say(store, "1", "the harbour; a <b> of 50%", 1)
    say(store, "1", "at night über der STRASSE \0 behind the NUL", 2)
    answer = browser.get(params={"q": words}) if words else browser.get()
    assert answer.status_code == 200
    assert len(titles(Page(answer.text))) == count


def test_search_links_to_the_newest_message_with_all_words(browser: Browser, store: Store) -> None:
    put(store, "s")
    texts = ("blue red", "red blue", "red")
    ids = [say(store, "s", words, at) for at, words in enumerate(texts)]
    page = browser.read("?q=RED+blue+red")
    assert [link.partition("#m-")[2] for link in page.links if "#m-" in link] == [ids[1]]


def test_search_names_the_parent_of_a_subagent(browser: Browser, store: Store) -> None:
    put(store, "main")
    put(store, "sub", 1, parent="main", title="Title sub")
    say(store, "sub", "a needle", 5)
    page = browser.read("?q=needle")
    assert titles(page) == ["Title sub"]
    assert "Subagent of Title main" in page.text


def test_search_results_are_paged_with_the_same_words(browser: Browser, store: Store) -> None:
    count = HITS_PER_PAGE + 10
    sessions = [{"externalId": str(n), "title": f"Title {n} öl & gas"} for n in range(count)]
    store.put_batch({"sessions": sessions})
    page = browser.read("?q=öl+%26")
    next_pages = [link for link in page.links if "page=2" in link]
    assert len(titles(page)) == HITS_PER_PAGE
    assert next_pages == ["./?q=%C3%B6l+%26&page=2"]
    assert len(titles(browser.read(next_pages[0]))) == 10


# ---- a session -----------------------------------------------------------------------------------


def test_conversation_is_in_order_with_tool_calls_folded(browser: Browser, store: Store) -> None:
    session = put(
        store, "s", source="claude-code", model="opus", provider="anthropic", durationMs=61_000,
        promptTokens=900, completionTokens=80, cost=0.0042,
    )  # fmt: skip
    say(store, "s", "Please look", 1_000)
    say(store, "s", "<reminder>\nof the agent", 2_000, role="system")
    parts = (text("I look."), call("Bash", {"command": "ls -l", "deep": [1]}), result("a.txt"))
    say(store, "s", "I look.", 3_000, *parts, role="assistant")
    say(store, "s", "There it is.\n```py\nx = 1\n```\nDone.", 4_000, role="assistant")
    page = browser.read(f"session?id={session}")
    order = ["Please look", "System", "of the agent", "I look.", "Bash", "ls -l", "a.txt", "x = 1"]
    positions = [page.text.index(words) for words in order]
    assert positions == sorted(positions)
    assert page.headings == ["Title s", "Prompt", "Answer"]
    html = browser.get(f"session?id={session}").text
    assert '<details class="tool"><summary><b>Bash</b> <code>ls -l</code></summary>' in html
    assert '<details class="injected"><summary><b>System</b> &lt;reminder&gt; of the agent' in html
    assert '<pre dir="auto"><code>x = 1</code></pre>' in html
    for fact in ("Tokens in900", "Tokens out80", "$0.0042", "opus · anthropic", "Claude Code"):
        assert fact in page.text
    assert "Agent at work1 minute" in page.text


def test_failed_calls_and_undone_messages_are_marked(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    parts = (text("[undone] Try"), call("Bash", {"command": "x"}), result("no", isError=True))
    say(store, "s", "[undone] Try", 1, *parts, undone=True)
    html = browser.get(f"session?id={session}").text
    assert '<article class="message user undone"' in html
    assert "<strong>undone</strong>" in html
    assert "<strong>failed</strong>" in html
    assert "[undone]" not in Page(html).text


def test_calls_are_shown_with_their_results(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    parts: list[Json] = [
        result("early"),
        call("First", "just text"),
        {"type": "tool-result", "content": {"result": {"a": ["orphan"]}}},
        {"type": "tool-call", "content": {"name": "Second"}},
        {"type": "tool-call", "content": None},
        {"type": "tool-result", "content": "bare"},
        {"type": "reasoning", "content": "I think"},
        {"type": "step-start", "content": {"snapshot": 1}},
        {"type": "text", "content": {"text": "wrapped"}},
        {"type": "text", "content": [1, 2]},
    ]
    say(store, "s", "", 1, *parts, role="assistant")
    page = browser.read(f"session?id={session}")
    for words in ("just text", "orphan", "Second", "bare", "I think", "snapshot", "wrapped"):
        assert words in page.text
    assert page.text.count("early") == 1
    assert page.text.index("First") < page.text.index("early")
    assert "Thinking" in page.text
    assert "step-start" in page.text


def test_call_that_started_a_subagent_links_to_it(browser: Browser, store: Store) -> None:
    session = put(store, "main")
    by_id = put(store, "main:agent-0a1b2c3d4e", 1, parent="main", title="By its id")
    by_prompt = put(store, "other", 2, parent="main", title="By its prompt")
    for key in ("twin1", "twin2"):
        put(store, key, 3, parent="main", title="Doubtful")
        say(store, key, "Do the same.", 3)
    say(store, "other", "Count the files.", 2)
    parts = [
        {"type": "tool-call", "content": {"id": "1", "name": "Task", "args": {"prompt": "Look."}}},
        {"type": "tool-result", "content": {"id": "1", "result": "agentId: 0a1b2c3d4e (internal)"}},
        {"type": "tool-call", "content": {"name": "x", "args": {"prompt": "Count the files."}}},
        {"type": "tool-call", "content": {"name": "x", "args": {"prompt": "Do the same."}}},
        {"type": "tool-call", "content": {"name": "x", "args": "Count the files"}},
    ]
    say(store, "main", "", 9, *parts, role="assistant")
    html = browser.get(f"session?id={session}").text
    links = re.findall(r'class="subagent">Subagent: <a href="session\?id=(\w+)"', html)
    assert links == [by_id, by_prompt]


def test_message_has_its_tokens_cost_and_a_lasting_link(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    body = {
        "sessionExternalId": "s", "externalId": "m", "role": "assistant", "textContent": "Done.",
        "promptTokens": 12_345, "completionTokens": 67, "createdAt": BEGAN, "model": "opus",
    }  # fmt: skip
    extra = {"cost": 0.0123, "cacheReadTokens": 11_000, "cacheWrite5mTokens": 1_200}
    message = store.put_message(body, extra, replaces=True)
    html = browser.get(f"session?id={session}").text
    assert "12,345 in, 67 out · $0.01" in html
    assert 'title="11,000 read from the cache, 1,200 written to the cache"' in html
    assert f"session?id={session}&at={message}#m-{message}" in Page(html).links


def test_open_session_is_told_what_is_new(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    say(store, "s", "one", 1)
    html = browser.get(f"session?id={session}").text
    shown = re.search(r'data-live="([^"]+)" data-version="([^"]+)"', html)
    assert shown
    assert browser.get(shown[1]).text == shown[2]
    store.now = lambda: BEGAN
    say(store, "s", "two", 2)
    assert browser.get(shown[1]).text != shown[2]
    assert browser.get("version?id=x").status_code == 404


def test_changes_of_files_are_shown_where_they_are_kept(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    edit = {"file_path": "/f", "old_string": "a\n<b>", "new_string": "a\nc"}
    say(store, "s", "", 1, call("Edit", edit), role="assistant")
    html = browser.get(f"session?id={session}").text
    assert '<span class="removed">-&lt;b&gt;\n</span><span class="added">+c\n</span>' in html
    assert '<details class="tool" open>' in html


def test_short_injected_texts_are_notes(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    say(store, "s", "<bash-input>ls</bash-input>", 1, role="system")
    say(store, "s", "[Request interrupted by user]", 2, role="system")
    html = browser.get(f"session?id={session}").text
    assert '<p class="note" dir="auto"><b>Shell command</b> ls</p>' in html
    assert '<p class="note" dir="auto"><b>System</b> Request interrupted by user</p>' in html


def test_page_can_be_used_without_a_pointer(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    for path in ("", f"session?id={session}", "overview"):
        page = browser.read(path)
        assert page.links[0] == "#content", "the first link skips what every page has"
        assert "content" in page.ids


def test_text_content_is_shown_if_no_part_has_a_text(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    say(store, "s", "only here", 1, call("Bash", {}))
    assert "only here" in browser.read(f"session?id={session}").text


def test_long_session_is_paged(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    messages = [
        {
            "sessionExternalId": "s",
            "externalId": str(n),
            "role": "user",
            "parts": [text(f"number {n}.")],
        }
        for n in range(3 * MESSAGES_PER_PAGE + 1)
    ]
    assert store.put_batch({"messages": messages}).messages == len(messages)
    ids: list[str] = []
    url = f"session?id={session}"
    while len(ids) < len(messages):
        page = browser.read(url)
        ids += [name for name in page.ids if name.startswith("m-")]
        next_page = f"page={len(ids) // MESSAGES_PER_PAGE + 1}"
        url = next((link for link in page.links if next_page in link), "")
    assert len(set(ids)) == len(ids) == len(messages)
    assert "number 300." in browser.read(f"session?id={session}&page=4").text
    assert "No messages here." in browser.read(f"session?id={session}&page=9").text
    assert "number 0." in browser.read(f"session?id={session}&page=x").text


def test_huge_messages_are_truncated_except_on_their_own_page(
    browser: Browser, store: Store
) -> None:
    """Neither the browser nor the server may need memory for all messages at once."""
    session = put(store, "s")
    big = "&" * 800_000
    for n in range(30):
        parts = (text("start"), call("Bash", {"command": "x" * 500_000}), result(big + "END"))
        huge = say(store, "s", f"n {n}", n, *parts, role="assistant")
    tracemalloc.start()
    try:
        page = browser.get(f"session?id={session}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(page.text) < 30 * 200_000
    assert peak < 60_000_000, "all messages have 40 MB before they are HTML"
    assert page.text.count("Show the whole message") == 30
    assert f"message?id={huge}" in Page(page.text).links
    message_page = browser.read(f"message?id={huge}")
    assert big + "END" in message_page.text
    assert "Show the whole message" not in message_page.text
    assert f"session?id={session}&at={huge}#m-{huge}" in message_page.links


def test_huge_text_is_shown_as_it_is(browser: Browser, store: Store) -> None:
    """Rendering it would keep the server busy for seconds."""
    put(store, "s")
    words = "**a** <b>\n" * 40_000
    for text_content, shown in ((words, "**a** &lt;b&gt;"), (words[:1_000], "<strong>a</strong>")):
        message = say(store, "s", text_content, len(text_content))
        assert shown in browser.get(f"message?id={message}").text


def test_message_of_thousands_of_parts_is_truncated(browser: Browser, store: Store) -> None:
    session = put(store, "s")
    say(store, "s", "x", 1, *({"type": "text", "content": "."} for _ in range(8_000)))
    answer = browser.get(f"session?id={session}")
    assert len(answer.text) < 200_000
    assert "Show the whole message" in answer.text


@pytest.mark.parametrize(
    "path", ["session", "session?id=", "session?id=x", "message?id=x", "sess", "%2e"]
)
def test_unknown_page_is_not_found(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "Page not found" in Page(answer.text).text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnreachableError("/x: the disk is full.", "Free some space."), 503),
        (UnusableDestinationError("/x: is damaged."), 500),
        (RuntimeError("a secret"), 500),
    ],
)
def test_internal_error_has_a_page(
    browser: Browser, store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(store, "filter_choices", fail)
    answer = browser.get()
    expected = (
        f"{error} {error.hint}".strip() if isinstance(error, OpenSyncError) else "RuntimeError"
    )
    assert answer.status_code == status
    assert expected in Page(answer.text).text
    assert "a secret" not in answer.text


def test_damaged_row_hides_no_other(browser: Browser, store: Store) -> None:
    session = put(store, "s", durationMs=5)
    for n in range(3):
        say(store, "s", f"text {n}", n)
    with store._file.writing() as db:
        db.execute(
            "UPDATE message SET parts = '[1, {', createdAt = 1e300 WHERE createdAt = ?", (BEGAN,)
        )
        db.execute("UPDATE message SET parts = '[5, {}]' WHERE createdAt = ?", (BEGAN + 1,))
    page = browser.read(f"session?id={session}")
    assert "this row of the store is damaged" in page.text
    assert "text 2" in page.text
    assert "unknown time" in page.text


# ---- hostile texts -------------------------------------------------------------------------------


def test_hostile_text_stays_text_in_every_field(browser: Browser, store: Store) -> None:
    names = ("title", "projectPath", "projectName", "model", "provider", "source")
    body = {"externalId": f"s{HOSTILE}", "createdAt": BEGAN, **dict.fromkeys(names, HOSTILE)}
    extra = {"gitBranch": HOSTILE, "agentVersion": HOSTILE, "forkedFromExternalId": HOSTILE}
    session = store.put_session(body, {**extra, "parentExternalId": "p"})
    put(store, "p", -1, title=HOSTILE)
    content = {"id": HOSTILE, "name": HOSTILE, "title": HOSTILE}
    parts = [
        text(HOSTILE),
        {"type": "tool-call", "content": {**content, "args": {"<b onclick=x>": HOSTILE}}},
        {"type": "tool-result", "content": {**content, "result": HOSTILE}},
        {"type": "tool-result", "content": {"name": HOSTILE, "result": [HOSTILE]}},
        {"type": HOSTILE, "content": HOSTILE},
    ]
    for role in ("user", "assistant", "system", "tool", "unknown"):
        message_body: Json = {
            "sessionExternalId": f"s{HOSTILE}", "externalId": f"{role}{HOSTILE}", "role": role,
            "textContent": HOSTILE, "parts": parts, "model": HOSTILE,
        }  # fmt: skip
        message = store.put_message(message_body, {"undone": role == "tool"}, replaces=True)
    search = {"q": HOSTILE, "project": HOSTILE, "agent": HOSTILE}
    for path, query in (
        ("", {}), ("", {"q": "script"}), ("", search), ("session", {"id": session}),
        ("message", {"id": message}), ("session", {"id": HOSTILE}), (HOSTILE, {}),
    ):  # fmt: skip
        answer = browser.get(path, params=query)
        page = Page(answer.text)
        assert not set(answer.text) & set("\0\x1b\x07\x7f\x9b\u202e\u202c\u2066\u2069\u2028")
        assert "evil.example" not in " ".join(link for link in page.links if link[:3] != "./?")
        assert set(page.foreign_links) <= {"https://evil.example/?q=1"}
        if query:
            assert "<script>alert(1)</script>" in page.text or query == {"id": HOSTILE}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("10%\r20%\r\n30%", "10%\n20%\n30%"),
        ("\x1b[1;31mred\x1b[0m \x1b[2J\x1b[?25lx", "red x"),
        ("\x1b]0;x\x07", "[U+001B]]0;x[U+0007]"),
        ("a\u202eb\u2069", "a[U+202E]b[U+2069]"),
        ("\0\x85\u200f", "[U+0000][U+0085][U+200F]"),
        ("\ud83d half", "[U+D83D] half"),
        ("größe 😀 👩\u200d🚀 שלום نم\u200cک", "größe 😀 👩\u200d🚀 שלום نم\u200cک"),
    ],
)
def test_control_characters_are_shown_by_number(raw: str, shown: str) -> None:
    assert without_controls(raw) == shown


# ---- limits --------------------------------------------------------------------------------------


def test_body_of_a_page_request_is_not_kept(browser: Browser, server: Server) -> None:
    tracemalloc.start()
    try:
        for url in (browser.home, server.url + "/"):
            answer = browser.http.request("GET", url, data=b"x" * 12_000_000, timeout=20)
            assert answer.status_code == (200 if url == browser.home else 403)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000, "the client holds 12 MB, the server nothing"
    headers = {"Content-Length": "x"}
    answer = browser.http.request("GET", browser.home, headers=headers, timeout=10)
    assert answer.status_code == 411


# ---- real sessions -------------------------------------------------------------------------------


def test_recorded_sessions_of_all_agents_are_shown_in_full(
    home: Path, ours: Path, recorded: int
) -> None:
    OpenCodeHome(home).put("1.18.33")
    with closing(cursor_home.Editor(home)) as editor:
        draft = editor.draft("s1")
        draft.add_turn(1)
        draft.add_tool_call("read_file_v2")
        draft.save(name="A session of the editor")
    assert main.main(["sync", "--all"]) == 0
    with Store(ours / "store.db") as store, Server(store, new_key()) as server:
        browser = Browser(server.start())
        with browser.http:
            browser.log_in()
            assert len(store.session_ids()) > recorded
            agents = store.filter_choices()["agent"]
            assert agents == ["claude-code", "cursor-sync", "opencode"]
            _read_everything(browser, store)


def _read_everything(browser: Browser, store: Store) -> None:
    listed = set(browser.read().links)
    for summary in store.sessions(1_000):
        url = f"session?id={summary['id']}"
        assert url in listed, summary
        page = browser.read(url)
        session = store.session(summary["id"])
        assert session
        for message in session["messages"]:
            assert f"m-{message['id']}" in page.ids
            for part in message["parts"]:
                for words in _texts(part):
                    if message["role"] == "system":  # names of elements are labels there
                        words_of_text = re.sub(r"</?[a-z_-]+>", " ", words)
                        assert all(word in page.text for word in _flat(words_of_text).split())
                    else:
                        assert _flat(words) in _flat(page.text), words


def _texts(part: Json) -> Iterator[str]:
    content = part["content"]
    if isinstance(content, str):
        yield content.removeprefix("[undone] ")
    elif part["type"] == "tool-result":
        yield content["result"]
    else:
        yield from (value for value in content["args"].values() if isinstance(value, str))


def _flat(text: str) -> str:
    """Return the words alone: marks of Markdown are not shown, and numbers of lists are no text."""
    shown = without_controls(unescape(json.loads(json.dumps(text))))
    return " ".join(word for word in re.findall(r"[^\W_]+", shown) if not word.isdigit())


def test_day_is_shown_wherever_the_list_is_not_by_day(browser: Browser, store: Store) -> None:
    put(store, "s", title="Kettle")
    put(store, "t", 86_400_000, title="Kettle and pot")
    day = datetime.fromtimestamp(BEGAN / 1000).astimezone()
    date = f"{day.day} {day:%b %Y}, {day:%H:%M}"
    assert date not in browser.read().text
    for query in ("?sort=cost", "?q=kettle"):
        assert date in browser.read(query).text
    assert "Best matches first" in browser.read("?q=kettle").headings
