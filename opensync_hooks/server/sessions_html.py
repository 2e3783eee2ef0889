"""Sessions as HTML: the rows of a list, and links to them."""

from collections.abc import Iterable

from opensync_hooks.agents import registry
from opensync_hooks.destinations.store.search import SearchHit
from opensync_hooks.model import Json
from opensync_hooks.server.html import (
    Html,
    compact,
    cost,
    element,
    join,
    link_url,
    timestamp,
    to_html,
)
from opensync_hooks.server.messages_html import anchor
from opensync_hooks.system.formatting import count

_BAR_WIDTH = 100
_COLORS = 6
_WIRE_NAMES = tuple(registry.opensync_name(name) for name in registry.NAMES)


def title(session: Json) -> str:
    return " ".join(str(session.get("title") or "").split()) or "Untitled"


def link(session: Json) -> Html:
    url = link_url("session", id=session["id"])
    return element("a", element("bdi", title(session)), href=url)


def entry(hit: SearchHit, largest: float, *more: Html, is_below_day: bool = False) -> Html:
    """Return a row of the list; `largest` is the most tokens of its sessions."""
    session = hit.session
    excerpt = (_excerpt(hit),) if hit.message_id else ()
    head = element(
        "div", element("h3", link(session)), about(session, is_below_day=is_below_day), *excerpt
    )
    return element("li", head, _numbers(session, largest), *more)


def subagents(sessions: list[Json]) -> Html:
    """A folded list: what subagents say is part of what their session says."""
    lines = [element("li", link(session), " ", _numbers(session, 0)) for session in sessions]
    total = cost(sum(session["cost"] for session in sessions))
    heading = join(filter(None, (count(len(sessions), "subagent"), total)), " · ")
    lists = element("summary", heading), element("ol", *lines)
    return element("details", *lists, class_="subagents")


def about(session: Json, *, is_below_day: bool = False) -> Html:
    """Where and when a session was, on one line; below the heading of a day without its date."""
    form = "%H:%M" if is_below_day else "{0.day} %b %Y, %H:%M"
    texts = (
        agent(session),
        timestamp(session["lastMessageAt"], form) if session.get("lastMessageAt") else "",
        project(session, str(session.get("projectName") or "")),
        filtered("branch", session["extra"].get("gitBranch")),
        filtered("model", session.get("model")),
    )
    return element("p", join(filter(None, texts), " · "), class_="about")


def agent(session: Json) -> Html:
    """Return the agent's name, in a color of its own."""
    name = str(session.get("source") or "")
    index = _WIRE_NAMES.index(name) if name in _WIRE_NAMES else _COLORS - 1
    label = registry.label(name)
    return element("span", label, class_=f"agent agent-{index % _COLORS}") if label else Html()


def project(session: Json, name: str) -> Html:
    path = str(session.get("projectPath") or "")
    if not name or not path:
        return to_html(name)
    return element("a", element("bdi", name), href=link_url("./", project=path))


def filtered(name: str, value: object) -> Html:
    """Return a value as a link to all sessions that have it."""
    text = str(value or "")
    url = link_url("./", **{name: text})
    return element("a", element("bdi", text), href=url) if text else Html()


def pager(path: str, number: int, last: int | None, position: str, **query: str) -> Html:
    """Links to other pages; `last` is None as long as more pages follow."""

    def step(name: str, target: int, *, exists: bool) -> Html:
        url = link_url(path, **query, page=str(target))
        return element("a", name, href=url) if exists else Html()

    return element(
        "nav",
        step("First", 1, exists=number > 2),
        step("Previous", number - 1, exists=number > 1),
        element("span", position),
        step("Next", number + 1, exists=last is None or number < last),
        step("Last", last or 0, exists=last is not None and last > number + 1),
        aria_label="Pages of the list",
        class_="pager",
    )


def _numbers(session: Json, largest: float) -> Html:
    """Return the size and the cost of a session; its bar is as long as its share of the largest."""
    total = session["totalTokens"]
    price = cost(session["cost"])
    if not price and total and session["extra"].get("unpriced"):
        price = "no price"
    cells: Iterable[Html] = (
        element("span", count(session["messageCount"], "message")),
        element("span", f"{compact(total)} tokens" if total else ""),
        element("b", price),
        _bar(total / largest) if total and largest else Html(),
    )
    return element("div", join(cells, " "), class_="numbers")


def _bar(share: float) -> Html:
    # Not proportional: one huge session would make all others look alike.
    width = max(1, round(_BAR_WIDTH * share**0.5))
    rect = element("rect", width=str(width), height="4", rx="2")
    attributes = {"viewBox": f"0 0 {_BAR_WIDTH} 4", "preserveAspectRatio": "none"}
    return element("svg", rect, class_="bar", aria_hidden="true", **attributes)


def _excerpt(hit: SearchHit) -> Html:
    """Return the text around the words, as a link to its message."""
    pieces = (element("mark", piece) if i % 2 else piece for i, piece in enumerate(hit.snippet))
    url = link_url("session", anchor(hit.message_id), id=hit.session["id"], at=hit.message_id)
    return element("p", element("a", join(pieces), href=url, dir="auto"), class_="excerpt")
