"""The pages for a person: the list of sessions, one session, one long message.

As with the routes, a request comes in and a response goes out; `access` decides who may read.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from itertools import groupby
from math import ceil
from sys import maxsize

from opensync_hooks.agents import registry
from opensync_hooks.destinations.store.search import SearchHit
from opensync_hooks.destinations.store.search_query import SearchQuery, parse_query
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import OpenSyncError, UnreachableError
from opensync_hooks.model import Json
from opensync_hooks.server import sessions_html
from opensync_hooks.server.access import Access
from opensync_hooks.server.html import Html, day, element, join, link_url
from opensync_hooks.server.messages_html import anchor, conversation
from opensync_hooks.server.routes import Request, Response

SESSIONS_PER_PAGE = 50
MESSAGES_PER_PAGE = 100
_MAX_SUBAGENTS = 2_000
_ALL = SearchQuery()
_EMPTY = Html()
_STYLE = Html(files(__package__).joinpath("style.css").read_text(encoding="utf-8"))
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # Nothing but this one style is loaded or run, whatever text gets into a page.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}

Query = Mapping[str, str]


def respond_with_page(
    store: Store, access: Access, request: Request, cookies: str
) -> Response | None:
    """Answer a request for a page; return None for any other request. Never raises."""
    if request.method == "GET" and request.path == "/":
        cookie = access.log_in(request.query.get("key", ""))
        if cookie is None:
            return _locked()
        return Response(303, b"", {"Location": access.pages_path, "Set-Cookie": cookie})
    if request.method != "GET" or not access.is_page(request.path):
        return None
    if not access.is_logged_in(cookies):
        return _locked()
    try:
        render = PAGES.get(request.path.removeprefix(access.pages_path))
        response = render(store, request.query) if render else None
        return response or _page(
            store, "Page not found", element("p", "It may have been deleted."), status=404
        )
    except OpenSyncError as error:
        status = 503 if isinstance(error, UnreachableError) else 500
        return _notice("The store cannot be read now", f"{error} {error.hint or ''}", status)
    except Exception as error:  # noqa: BLE001 - a bug must not break the connection without a word
        return _notice("Internal error", f"{type(error).__name__} inside the server", 500)


def _locked() -> Response:
    title = "Only the person who started the server can open this page"
    return _notice(title, "Open the latest link that `opensync-hooks serve` printed.", 403)


def _notice(title: str, text: str, status: int) -> Response:
    """Return a page without search and links, for readers who may see no other."""
    return _document(title, Html(), element("p", text), status=status)


def _page(
    store: Store, title: str, *content: Html, query: SearchQuery = _ALL, status: int = 200
) -> Response:
    home = element("nav", element("a", "Sessions", href="./"), aria_label="Home")
    header = element("header", home, _search_form(query, store.agents()))
    return _document(title, header, *content, status=status)


def _document(title: str, header: Html, *content: Html, status: int) -> Response:
    text = document(title, *content, header=header)
    return Response(status, text.encode(errors="replace"), _HEADERS)


def document(title: str, *content: Html, header: Html = _EMPTY) -> Html:
    """Return a whole HTML document, which loads nothing."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} - opensync-hooks"),
        element("style", _STYLE),
    )
    main = element("main", element("h1", title), *content)
    page = element("html", head, element("body", header, main), lang="en")
    return join((Html("<!doctype html>"), page))


def _search_form(query: SearchQuery, agents: list[str]) -> Html:
    label = "Search titles and messages"
    fields = [
        element(
            "input", type="search", name="q", value=query.text,
            aria_label=label, placeholder=label,
        )
    ]  # fmt: skip
    if len(agents) > 1:
        choices = [("", "All agents"), *((name, registry.label(name)) for name in agents)]
        options = [
            element("option", agent_label, value=name, selected=name == query.agent)
            for name, agent_label in choices
        ]
        fields.append(element("select", *options, name="agent", aria_label="Agent"))
    if query.project:
        fields.append(element("input", type="hidden", name="project", value=query.project))
    return element("form", *fields, element("button", "Search"), role="search", action="./")


def _page_number(query: Query) -> int:
    text = query.get("page", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 8 else 1


def _list(store: Store, fields: Query) -> Response:
    query = parse_query(fields.get("q", ""))
    query = replace(
        query,
        agent=query.agent or fields.get("agent", ""),
        project=query.project or fields.get("project", ""),
    )
    number = _page_number(fields)
    hits = store.search(query, (number - 1) * SESSIONS_PER_PAGE, SESSIONS_PER_PAGE + 1)
    entries = [(hit.session, _entry(store, hit, query)) for hit in hits[:SESSIONS_PER_PAGE]]
    content = _by_day(entries)
    if not entries and query == _ALL and number == 1:
        text = "No sessions yet. After a login, sessions go to your OpenSync instead."
        content = element("p", text)
    elif not entries:
        content = element("p", "No session matches.")
    last = None if len(hits) > SESSIONS_PER_PAGE else number
    kept = {name: fields[name] for name in ("q", "agent", "project") if name in fields}
    pager = sessions_html.pager("./", number, last, f"Page {number}", **kept)
    return _page(store, _heading(query), content, Html() if last == 1 else pager, query=query)


def _by_day(entries: Iterable[tuple[Json, Html]]) -> Html:
    """Group the entries of sessions under the day of the session's last message."""
    groups = groupby(entries, key=lambda entry: day(entry[0]["lastMessageAt"]))
    return join(
        element("section", element("h2", heading), element("ol", *(html for _, html in group)))
        for heading, group in groups
    )


def _heading(query: SearchQuery) -> str:
    agent = f" of {registry.label(query.agent)}" if query.agent else ""
    words = f" with “{query.text}”" if query.text else ""
    project = f" in {query.project}" if query.project else ""
    return f"Sessions{agent}{words}{project}"


def _entry(store: Store, hit: SearchHit, query: SearchQuery) -> Html:
    """A subagent that matches a search names its parent; otherwise it is shown below it."""
    if not query.as_fts():
        return sessions_html.entry(hit, _subagents(store, hit.session))
    relatives = _relatives(store, hit.session)
    lines = [element("p", term + " ", link, class_="about") for term, link in relatives]
    return sessions_html.entry(hit, *lines)


def _session(store: Store, fields: Query) -> Response | None:
    session = store.session_summary(fields.get("id", ""))
    if session is None:
        return None
    number = _page_number(fields)
    if "at" in fields:
        number = store.message_position(fields["at"]) // MESSAGES_PER_PAGE + 1
    # One by one: together, the messages may not fit into memory.
    ids = store.message_ids(session["id"], (number - 1) * MESSAGES_PER_PAGE, MESSAGES_PER_PAGE)
    messages = conversation(message for message in map(store.message, ids) if message)
    pager = _message_pager(session, number)
    content = (
        sessions_html.facts(session, _relatives(store, session)),
        _subagents(store, session),
        pager,
        messages or element("p", "No messages here."),
        pager,
    )
    return _page(store, sessions_html.title(session), *content)


def _message_pager(session: Json, number: int) -> Html:
    total = session["messageCount"]
    if total <= MESSAGES_PER_PAGE and number == 1:
        return Html()
    skipped, last = (number - 1) * MESSAGES_PER_PAGE, ceil(total / MESSAGES_PER_PAGE)
    end = min(skipped + MESSAGES_PER_PAGE, total)
    position = f"Messages {skipped + 1:,} to {end:,} of {total:,}"
    return sessions_html.pager("session", number, last, position, id=session["id"])


def _relatives(store: Store, session: Json) -> list[tuple[str, Html]]:
    """Return links to the sessions that this one comes from, if the store has them."""
    fields = (("Subagent of", "parentExternalId"), ("Fork of", "forkedFromExternalId"))
    links = []
    for term, name in fields:
        key = session["extra"].get(name)
        relative = store.session_summary(key) if isinstance(key, str) else None
        if relative:
            links.append((term, sessions_html.link(relative)))
    return links


def _subagents(store: Store, session: Json) -> Html:
    if not session["subagentCount"]:
        return Html()
    sessions = store.sessions(_MAX_SUBAGENTS, parent=session["externalId"])
    return sessions_html.subagents(sorted(sessions, key=lambda child: float(child["createdAt"])))


def _message(store: Store, fields: Query) -> Response | None:
    message = store.message(fields.get("id", ""))
    session = message and store.session_summary(message["session"])
    if not message or not session:
        return None
    url = link_url("session", anchor(message["id"]), id=session["id"], at=message["id"])
    back = element("p", element("a", "Back to the session", href=url))
    content = conversation(iter((message,)), max_characters=maxsize)
    return _page(store, sessions_html.title(session), back, content)


PAGES: dict[str, Callable[[Store, Query], Response | None]] = {
    "": _list,
    "session": _session,
    "message": _message,
}
