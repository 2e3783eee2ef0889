"""The pages on which a person reads the store: the list of sessions, a session, a long message.

A request comes in, an answer goes out, as with the routes; who may ask, `access` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import ceil
from sys import maxsize

from opensync_hooks.agents import registry
from opensync_hooks.destinations.store.search import SearchHit, SearchQuery
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import OpenSyncError, UnreachableError
from opensync_hooks.model import Json
from opensync_hooks.server import sessions_html
from opensync_hooks.server.access import Access
from opensync_hooks.server.html import NOTHING, Html, address, element
from opensync_hooks.server.layout import notice, page, search_form
from opensync_hooks.server.messages_html import anchor, conversation
from opensync_hooks.server.routes import Request, Response

MOST_SESSIONS = 50
MOST_MESSAGES = 100
_MOST_SUBAGENTS = 2_000
_MOST_WORDS = 20

_ALL = SearchQuery()
_SILENCE = element("p", "No message is here.")

Query = Mapping[str, str]


def respond_with_page(
    store: Store, access: Access, request: Request, cookies: str
) -> Response | None:
    """None for what is no page. Never raises."""
    if request.method == "GET" and request.path == "/":
        return _entrance(access, request.query.get("key", ""))
    if request.method != "GET" or not access.is_home(request.path):
        return None
    if not access.is_reader(cookies):
        return _closed()
    try:
        return _opened(store, request.path.removeprefix(access.home), request.query)
    except OpenSyncError as error:
        status = 503 if isinstance(error, UnreachableError) else 500
        return notice("This cannot be read now", f"{error} {error.hint or ''}", status)
    except Exception as error:  # noqa: BLE001 - a bug must not end the connection without a word
        return notice("A mistake of ours", f"{type(error).__name__} inside the server", 500)


def _entrance(access: Access, key: str) -> Response:
    cookie = access.enter(key)
    if cookie is None:
        return _closed()
    return Response(303, b"", {"Location": access.home, "Set-Cookie": cookie})


def _closed() -> Response:
    said = "Open the newest address that `opensync-hooks serve` shows in its terminal."
    return notice("Only for who started it", said, 403)


def _opened(store: Store, name: str, query: Query) -> Response:
    made = PAGES.get(name)
    return (made and made(store, query)) or _page(
        store, "Nothing is here", element("p", "It may have been deleted."), status=404
    )


def _page(
    store: Store, title: str, *content: Html, wanted: SearchQuery = _ALL, status: int = 200
) -> Response:
    return page(title, *content, search=search_form(wanted, store.agents()), status=status)


# ---- the list ------------------------------------------------------------------------------------


def _list(store: Store, query: Query) -> Response:
    wanted, number = _wanted(query), _number(query)
    hits = store.search(wanted, (number - 1) * MOST_SESSIONS, MOST_SESSIONS + 1)
    entries = [(hit.session, _entry(store, hit, wanted)) for hit in hits[:MOST_SESSIONS]]
    content = sessions_html.by_day(entries) if entries else _nothing(wanted, number)
    last = None if len(hits) > MOST_SESSIONS else number
    asked = {name: query[name] for name in ("q", "agent", "project") if name in query}
    pager = sessions_html.pager("./", number, last, f"Page {number}", **asked)
    around = pager if last != 1 else NOTHING
    return _page(store, _heading(wanted), content, around, wanted=wanted)


def _wanted(query: Query) -> SearchQuery:
    words = tuple(query.get("q", "").split()[:_MOST_WORDS])
    return SearchQuery(words, query.get("agent", ""), query.get("project", ""))


def _number(query: Query) -> int:
    asked = query.get("page", "")
    return max(1, int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 1


def _heading(wanted: SearchQuery) -> str:
    words = f" with “{' '.join(wanted.words)}”" if wanted.words else ""
    of = f" of {registry.label(wanted.agent)}" if wanted.agent else ""
    place = f" in {wanted.project}" if wanted.project else ""
    return f"Sessions{of}{words}{place}"


def _nothing(wanted: SearchQuery, number: int) -> Html:
    if wanted != _ALL or number > 1:
        return element("p", "No session is left that has all of that.")
    said = "No session is kept here yet. After a login, they go to your OpenSync instead."
    return element("p", said)


def _entry(store: Store, hit: SearchHit, wanted: SearchQuery) -> Html:
    """A subagent that has the words says whose it is; else it is shown with its parent."""
    if wanted.words:
        above = [element("p", *one, class_="about") for one in _relatives(store, hit.session)]
        return sessions_html.entry(hit, *above, words=wanted.words)
    return sessions_html.entry(hit, _family(store, hit.session))


# ---- one session ---------------------------------------------------------------------------------


def _session(store: Store, query: Query) -> Response | None:
    session = store.session_summary(query.get("id", ""))
    if session is None:
        return None
    number = (
        store.message_position(query["at"]) // MOST_MESSAGES + 1
        if "at" in query
        else _number(query)
    )
    said = conversation(_messages(store, session["id"], number))
    around = _around(session, number)
    facts = sessions_html.about(session, _relatives(store, session))
    content = (facts, _family(store, session), around, said or _SILENCE, around)
    return _page(store, sessions_html.title(session), *content)


def _around(session: Json, number: int) -> Html:
    """Links to the other pages of a conversation that has more than one."""
    total = session["messageCount"]
    if total <= MOST_MESSAGES and number == 1:
        return NOTHING
    first, last = (number - 1) * MOST_MESSAGES, ceil(total / MOST_MESSAGES)
    where = f"Messages {first + 1:,} to {min(first + MOST_MESSAGES, total):,} of {total:,}"
    return sessions_html.pager("session", number, last, where, id=session["id"])


def _messages(store: Store, session_id: str, number: int) -> Iterator[Json]:
    """One by one: together they may be more than the memory has room for."""
    ids = store.message_ids(session_id, (number - 1) * MOST_MESSAGES, MOST_MESSAGES)
    return (one for one in map(store.message, ids) if one)


def _relatives(store: Store, session: Json) -> list[tuple[str, Html]]:
    """The sessions that this one comes from, as far as they are here."""
    kinds = (("Subagent of ", "parentExternalId"), ("Fork of ", "forkedFromExternalId"))
    named = [(kind, session["extra"].get(name)) for kind, name in kinds]
    found = [(kind, store.session_summary(key)) for kind, key in named if isinstance(key, str)]
    return [(kind, sessions_html.link(one)) for kind, one in found if one]


def _family(store: Store, session: Json) -> Html:
    if not session["subagentCount"]:
        return NOTHING
    found = store.sessions(_MOST_SUBAGENTS, parent=session["externalId"])
    return sessions_html.family(sorted(found, key=lambda one: float(one["createdAt"])))


def _message(store: Store, query: Query) -> Response | None:
    found = store.message(query.get("id", ""))
    session = found and store.session_summary(found["session"])
    if not found or not session:
        return None
    place = address("session", anchor(found["id"]), id=session["id"], at=found["id"])
    back = element("p", element("a", "Back to the session", href=place))
    return _page(
        store, sessions_html.title(session), back, conversation(iter((found,)), room=maxsize)
    )


PAGES: dict[str, Callable[[Store, Query], Response | None]] = {
    "": _list,
    "session": _session,
    "message": _message,
}
