"""The pages for a person: the list of sessions, one session, one long message, and the overview.

As with the routes, a request comes in and a response goes out; `access` decides who may read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from math import ceil

from opensync_hooks.destinations.store.search import SearchHit
from opensync_hooks.destinations.store.search_query import SearchQuery
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import OpenSyncError, UnreachableError
from opensync_hooks.model import Json
from opensync_hooks.server import session_html, sessions_html
from opensync_hooks.server.access import Access
from opensync_hooks.server.earlier_links import current_url, is_page_of_another_run
from opensync_hooks.server.exports import FORMATS, download
from opensync_hooks.server.filters import filter_form, parse_filters
from opensync_hooks.server.html import Html, day, element, join, link_url
from opensync_hooks.server.layout import notice, page
from opensync_hooks.server.messages_html import (
    MAX_CHARACTERS,
    View,
    anchor,
    conversation,
    first_text,
)
from opensync_hooks.server.overview import overview
from opensync_hooks.server.routes import Request, Response
from opensync_hooks.server.subagent_links import subagent_link
from opensync_hooks.server.tools_html import hint

SESSIONS_PER_PAGE = 50
HITS_PER_PAGE = 25
MESSAGES_PER_PAGE = 100
_MAX_SUBAGENTS = 2_000

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
    if request.method != "GET":
        return None
    if not access.is_page(request.path):
        return _earlier_run() if is_page_of_another_run(request.path) else None
    if not access.is_logged_in(cookies):
        return _locked()
    try:
        render = PAGES.get(request.path.removeprefix(access.pages_path))
        response = render(store, request.query) if render else None
        return response or page(
            "Page not found", element("p", "It may have been deleted."), status=404
        )
    except OpenSyncError as error:
        status = 503 if isinstance(error, UnreachableError) else 500
        return notice("The store cannot be read now", f"{error} {error.hint or ''}", status)
    except Exception as error:  # noqa: BLE001 - a bug must not break the connection without a word
        return notice("Internal error", f"{type(error).__name__} inside the server", 500)


def _locked() -> Response:
    title = "Only the person who started the server can open this page"
    return notice(title, "Open the latest link that `opensync-hooks serve` printed.", 403)


def _earlier_run() -> Response:
    text = "Open your bookmark or the latest link that `opensync-hooks serve` printed, and paste"
    title = "This address is from another run of the server"
    return notice(title, f"{text} this address into the search there.", 410)


def _page_number(query: Query) -> int:
    text = query.get("page", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 8 else 1


def _list(store: Store, fields: Query) -> Response:
    pasted = current_url(fields.get("q", ""))
    if pasted:
        return Response(303, b"", {"Location": pasted})
    filters, number = parse_filters(fields), _page_number(fields)
    query = filters.query
    length = HITS_PER_PAGE if query.as_fts() else SESSIONS_PER_PAGE
    skip = (number - 1) * length
    if query.as_fts():
        hits = store.search(query, skip, length + 1)
    else:
        rows = store.session_list(query, skip, length + 1, filters.order)
        hits = [*map(SearchHit, rows)]
    last = None if len(hits) > length else number
    hits = hits[:length]
    largest = max((hit.session["totalTokens"] for hit in hits), default=0)
    is_ranked = bool(query.as_fts())
    by_day = filters.order == "time" and not is_ranked
    entries = [(hit.session, _entry(store, hit, largest, query, by_day=by_day)) for hit in hits]
    if entries:
        heading = "Best matches first" if is_ranked else "By " + filters.order
        content = _by_day(entries) if by_day else _section(heading, entries)
    elif filters.fields or number > 1:
        content = element("p", "No session matches.")
    else:
        text = "No sessions yet. After a login, sessions go to your OpenSync instead."
        content = element("p", text)
    pager = sessions_html.pager("./", number, last, f"Page {number}", **filters.fields)
    form = filter_form(filters, store.filter_choices())
    body = element("div", content, Html() if last == 1 else pager, class_="results")
    heading = f"Sessions with “{query.text}”" if query.text else "Sessions"
    return page(heading, form, body, search=fields.get("q", ""), view="list")


def _by_day(entries: Iterable[tuple[Json, Html]]) -> Html:
    """Group the entries of sessions under the day of the session's last message."""
    groups = groupby(entries, key=lambda entry: day(entry[0]["lastMessageAt"]))
    return join(_section(heading, group) for heading, group in groups)


def _section(heading: str, entries: Iterable[tuple[Json, Html]]) -> Html:
    rows = element("ol", *(html for _, html in entries), class_="sessions")
    return element("section", element("h2", heading), rows)


def _entry(
    store: Store, hit: SearchHit, largest: float, query: SearchQuery, *, by_day: bool
) -> Html:
    """A subagent that matches a search names its parent; otherwise it is shown below it."""
    if not query.as_fts():
        children = _subagents(store, hit.session)
        more = (sessions_html.subagents(children),) if children else ()
        return sessions_html.entry(hit, largest, *more, is_below_day=by_day)
    relatives = _relatives(store, hit.session)
    lines = [element("p", term + " ", link, class_="about") for term, link in relatives]
    return sessions_html.entry(hit, largest, *lines)


def _session(store: Store, fields: Query) -> Response | None:
    session = store.session_summary(fields.get("id", ""))
    if session is None:
        return None
    version = store.session_version(session["id"])  # read before the messages: see script.js
    number, last = _page_number(fields), max(1, ceil(session["messageCount"] / MESSAGES_PER_PAGE))
    if "at" in fields:
        number = store.message_position(fields["at"]) // MESSAGES_PER_PAGE + 1
    children = _subagents(store, session)
    view = View(MAX_CHARACTERS, _permanent_url, subagent_link(store, session, children))
    prompts: list[tuple[str, str]] = []
    messages = conversation(_messages(store, session, number, prompts), view)
    # Always there, so that the script can fill it when the session has grown.
    pager = element("div", _message_pager(session, number, last), data_part="pager")
    live = {"data_live": link_url("version", id=session["id"]), "data_version": version}
    beside = [
        session_html.outline(prompts),
        sessions_html.subagents(children) if children else Html(),
        session_html.facts(session, _relatives(store, session)),
    ]
    formats = {form: label for form, (label, _) in FORMATS.items()}
    return page(
        sessions_html.title(session),
        session_html.headline(session),
        element(
            "div",
            pager,
            element(
                "div", messages or element("p", "No messages here."), class_="conversation",
                **(live if number == last else {}),
            ),
            pager,
            class_="results",
        ),
        session_html.aside(session, formats, *beside),
        view="session",
    )  # fmt: skip


def _messages(
    store: Store, session: Json, number: int, prompts: list[tuple[str, str]]
) -> Iterator[Json]:
    """Yield the messages of a page, and add what its prompts begin with to `prompts`."""
    # One by one: together, the messages may not fit into memory.
    ids = store.message_ids(session["id"], (number - 1) * MESSAGES_PER_PAGE, MESSAGES_PER_PAGE)
    for message in map(store.message, ids):
        if message and message["role"] == "user":
            prompts.append((message["id"], hint(first_text(message)) or "…"))
        if message:
            yield message


def _permanent_url(message: Json) -> str:
    """Return an address that stays right however long the session becomes."""
    return link_url("session", anchor(message["id"]), id=message["session"], at=message["id"])


def _message_pager(session: Json, number: int, last: int) -> Html:
    total = session["messageCount"]
    if total <= MESSAGES_PER_PAGE and number == 1:
        return Html()
    skipped = (number - 1) * MESSAGES_PER_PAGE
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


def _subagents(store: Store, session: Json) -> list[Json]:
    if not session["subagentCount"]:
        return []
    sessions = store.sessions(_MAX_SUBAGENTS, parent=session["externalId"])
    return sorted(sessions, key=lambda child: float(child["createdAt"]))


def _message(store: Store, fields: Query) -> Response | None:
    message = store.message(fields.get("id", ""))
    session = message and store.session_summary(message["session"])
    if not message or not session:
        return None
    back = element("p", element("a", "Back to the session", href=_permanent_url(message)))
    links = subagent_link(store, session, _subagents(store, session))
    content = conversation(iter((message,)), View(url=_permanent_url, subagent_link=links))
    return page(sessions_html.title(session), back, content)


def _version(store: Store, fields: Query) -> Response | None:
    """Answer the script of an open session, which asks whether there is something new."""
    version = store.session_version(fields.get("id", ""))
    return Response(200, version.encode(), {"Content-Type": "text/plain"}) if version else None


PAGES: dict[str, Callable[[Store, Query], Response | None]] = {
    "": _list,
    "session": _session,
    "message": _message,
    "overview": overview,
    "version": _version,
    "export": download,
}
