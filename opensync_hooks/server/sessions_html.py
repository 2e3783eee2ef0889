"""Sessions as HTML: in a list, and the facts above a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from opensync_hooks.agents import registry
from opensync_hooks.destinations.store.search import SearchHit
from opensync_hooks.model import Json
from opensync_hooks.server.formatting import cost, day, moment, tokens
from opensync_hooks.server.html import NOTHING, Html, address, element, html, join
from opensync_hooks.server.messages_html import anchor
from opensync_hooks.system.formatting import count, duration

_BEFORE = 80
_AFTER = 160


def title(session: Json) -> str:
    return " ".join(str(session.get("title") or "").split()) or "Untitled"


def link(session: Json, text: str = "") -> Html:
    place = address("session", id=session["id"])
    return element("a", element("bdi", text or title(session)), href=place)


def by_day(entries: Iterable[tuple[Json, Html]]) -> Html:
    """Each session with its entry, under the day on which it was last spoken in."""
    days = groupby(entries, key=lambda one: day(one[0]["lastMessageAt"]))
    return join(
        element("section", element("h2", name), element("ol", *(one for _, one in of_day)))
        for name, of_day in days
    )


def entry(hit: SearchHit, *more: Html, words: tuple[str, ...] = ()) -> Html:
    head = element("h3", link(hit.session))
    said = (_excerpt(hit, words),) if hit.message_id else ()
    return element("li", head, _facts(hit.session), *said, *more)


def family(subagents: list[Json]) -> Html:
    """Folded: what a session's subagents said is part of what it says itself."""
    lines = [element("li", link(one), _facts(one)) for one in subagents]
    summary = element("summary", count(len(subagents), "subagent"))
    return element("details", summary, element("ol", *lines), class_="family")


def about(session: Json, relatives: Iterable[tuple[str, Html]]) -> Html:
    """All that is known of a session, as terms and their descriptions."""
    extra = session["extra"]
    facts: list[tuple[str, str]] = [
        *relatives,
        ("Agent", f"{_agent(session)} {extra.get('agentVersion') or ''}".strip()),
        ("Project", _project(session, str(session.get("projectPath") or ""))),
        ("Branch", str(extra.get("gitBranch") or "")),
        ("Model", " · ".join(str(session[n]) for n in ("model", "provider") if session.get(n))),
        ("Began", moment(session["createdAt"])),
        ("Last message", moment(session["lastMessageAt"])),
        ("Duration", duration(session["durationMs"] / 1000) if session.get("durationMs") else ""),
        ("Messages", f"{session['messageCount']:,}"),
        ("Tokens", tokens(session)),
        ("From cache", f"{extra['cacheReadTokens']:,}" if extra.get("cacheReadTokens") else ""),
        ("Cost", cost(session["cost"])),
        ("Id", str(session["externalId"])),
    ]
    known = (fact for fact in facts if fact[1])
    return element("dl", *(element("div", element("dt", a), element("dd", b)) for a, b in known))


def pager(path: str, number: int, last: int | None, where: str, **query: str) -> Html:
    """Links to the pages around this one; `last` is None where nobody knows how many there are."""

    def step(name: str, to: int, *, is_there: bool) -> Html:
        place = address(path, **query, page=str(to))
        return element("a", name, href=place) if is_there else NOTHING

    return element(
        "nav",
        step("First", 1, is_there=number > 2),
        step("Previous", number - 1, is_there=number > 1),
        element("span", where),
        step("Next", number + 1, is_there=last is None or number < last),
        step("Last", last or 0, is_there=last is not None and last > number + 1),
        aria_label="Pages",
    )


def _facts(session: Json) -> Html:
    facts = (
        moment(session["lastMessageAt"], "%H:%M") if "lastMessageAt" in session else "",
        _project(session, str(session.get("projectName") or "")),
        _agent(session),
        count(session["messageCount"], "message"),
        f"{session['totalTokens']:,} tokens" if session["totalTokens"] else "",
        cost(session["cost"]),
    )
    return element("p", join(filter(None, facts), " · "), class_="about")


def _agent(session: Json) -> str:
    return registry.label(str(session.get("source") or ""))


def _project(session: Json, name: str) -> Html:
    path = str(session.get("projectPath") or "")
    inner = element("bdi", name)
    return element("a", inner, href=address("./", project=path)) if name and path else html(name)


def _excerpt(hit: SearchHit, words: tuple[str, ...]) -> Html:
    """Some letters around the first word, which leads to its place in the conversation."""
    found = _pattern(words).search(hit.text)
    start = max(0, found.start() - _BEFORE) if found else 0
    end = (found.end() if found else 0) + _AFTER
    text = ("…" if start else "") + hit.text[start:end] + ("…" if end < len(hit.text) else "")
    pieces = _pattern(words).split(text)
    marked = join(element("mark", one) if at % 2 else one for at, one in enumerate(pieces))
    place = address("session", anchor(hit.message_id), id=hit.session["id"], at=hit.message_id)
    return element("p", element("a", marked, href=place, dir="auto"), class_="excerpt")


def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("(" + "|".join(map(re.escape, words)) + ")", re.IGNORECASE)
