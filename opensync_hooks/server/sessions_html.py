"""Sessions as HTML: entries of the list, and the facts above a conversation."""

from collections.abc import Iterable

from opensync_hooks.agents import registry
from opensync_hooks.destinations.store.search import SearchHit
from opensync_hooks.model import Json
from opensync_hooks.server.html import Html, element, join, link_url, timestamp, to_html, tokens
from opensync_hooks.server.messages_html import anchor
from opensync_hooks.system.formatting import count, duration


def title(session: Json) -> str:
    return " ".join(str(session.get("title") or "").split()) or "Untitled"


def link(session: Json) -> Html:
    url = link_url("session", id=session["id"])
    return element("a", element("bdi", title(session)), href=url)


def entry(hit: SearchHit, *more: Html) -> Html:
    excerpt = (_excerpt(hit),) if hit.message_id else ()
    return element("li", element("h3", link(hit.session)), _summary(hit.session), *excerpt, *more)


def subagents(sessions: list[Json]) -> Html:
    """A folded list: what subagents say is part of what their session says."""
    lines = [element("li", link(session), _summary(session)) for session in sessions]
    heading = element("summary", count(len(sessions), "subagent"))
    return element("details", heading, element("ol", *lines), class_="subagents")


def facts(session: Json, relatives: Iterable[tuple[str, Html]]) -> Html:
    """All that is stored about a session, as a list of terms; empty values are left out."""
    extra = session["extra"]
    model = " · ".join(str(session[key]) for key in ("model", "provider") if session.get(key))
    rows: list[tuple[str, str]] = [
        *relatives,
        ("Agent", f"{_agent(session)} {extra.get('agentVersion') or ''}".strip()),
        ("Project", _project(session, str(session.get("projectPath") or ""))),
        ("Branch", str(extra.get("gitBranch") or "")),
        ("Model", model),
        ("Started", timestamp(session["createdAt"])),
        ("Last message", timestamp(session["lastMessageAt"])),
        ("Agent at work", _duration(session.get("durationMs") or 0)),
        ("Messages", f"{session['messageCount']:,}"),
        ("Tokens", tokens(session)),
        ("From cache", f"{extra['cacheReadTokens']:,}" if extra.get("cacheReadTokens") else ""),
        ("Cost", _cost(session["cost"])),
        ("By the agent's count", _agent_cost(session)),
        ("No price for", ", ".join(map(str, extra.get("unpriced") or ()))),
        ("ID", str(session["externalId"])),
    ]
    terms = [(element("dt", term), element("dd", text)) for term, text in rows if text]
    return element("dl", *(element("div", *term) for term in terms))


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
        aria_label="Pages",
    )


def _duration(milliseconds: float) -> str:
    """Return the time of all responses together; empty for less than a second."""
    return duration(milliseconds / 1000) if milliseconds >= 1000 else ""


def _cost(dollars: float) -> str:
    """`$1.20`; empty for zero, which a model without a known price has too."""
    return f"${dollars:,.2f}" if dollars >= 0.01 else f"${dollars:.4f}" if dollars > 0 else ""


def _agent_cost(session: Json) -> str:
    """Return what the agent itself counts, also for calls that left no response."""
    cost = session["extra"].get("agentCost")
    text = _cost(cost) if isinstance(cost, int | float) else ""
    facts = ["with its subagents"] if session.get("subagentCount") else []
    facts += ["a guess"] if session["extra"].get("agentCostIsGuess") else []
    return f"{text} ({', '.join(facts)})" if text and facts else text


def _summary(session: Json) -> Html:
    texts = (
        timestamp(session["lastMessageAt"], "%H:%M") if "lastMessageAt" in session else "",
        _project(session, str(session.get("projectName") or "")),
        _agent(session),
        count(session["messageCount"], "message"),
        f"{session['totalTokens']:,} tokens" if session["totalTokens"] else "",
        _cost(session["cost"]),
    )
    return element("p", join(filter(None, texts), " · "), class_="about")


def _agent(session: Json) -> str:
    return registry.label(str(session.get("source") or ""))


def _project(session: Json, name: str) -> Html:
    path = str(session.get("projectPath") or "")
    if not name or not path:
        return to_html(name)
    return element("a", element("bdi", name), href=link_url("./", project=path))


def _excerpt(hit: SearchHit) -> Html:
    """Return the text around the words, as a link to its message."""
    pieces = (element("mark", piece) if i % 2 else piece for i, piece in enumerate(hit.snippet))
    url = link_url("session", anchor(hit.message_id), id=hit.session["id"], at=hit.message_id)
    return element("p", element("a", join(pieces), href=url, dir="auto"), class_="excerpt")
