"""One session as HTML: what is stored about it, beside its conversation."""

from collections.abc import Iterable, Mapping, Sequence

from opensync_hooks.agents import registry
from opensync_hooks.model import Json
from opensync_hooks.server import sessions_html
from opensync_hooks.server.html import Html, compact, cost, element, join, link_url, timestamp
from opensync_hooks.server.messages_html import anchor
from opensync_hooks.system.formatting import count, duration

_MAX_OUTLINE = 100


def headline(session: Json) -> Html:
    """Return the facts that one looks for first, on one line."""
    total = session["totalTokens"]
    numbers = (
        count(session["messageCount"], "message"),
        f"{compact(total)} tokens" if total else "",
        cost(session["cost"]),
    )
    line = join((timestamp(session["createdAt"]), *filter(None, numbers)), " · ")
    about = sessions_html.about({**session, "lastMessageAt": None})
    return element("div", about, element("p", line), class_="headline", data_part="headline")


def facts(session: Json, relatives: Iterable[tuple[str, Html]]) -> Html:
    """All that is stored about a session, as a list of terms; empty values are left out."""
    extra = session["extra"]
    written = sum(extra.get(f"cacheWrite{span}Tokens") or 0 for span in ("5m", "1h"))
    elapsed = (session.get("lastMessageAt") or 0) - session["createdAt"]
    rows: list[tuple[str, str]] = [
        *relatives,
        ("Agent", _agent(session)),
        ("Project", str(session.get("projectPath") or "")),
        ("Branch", str(extra.get("gitBranch") or "")),
        ("Model", _joined(session.get("model"), session.get("provider"))),
        ("Started", timestamp(session["createdAt"])),
        ("Last message", timestamp(session["lastMessageAt"])),
        ("First to last message", _duration(elapsed)),
        ("Agent at work", _duration(session.get("durationMs") or 0)),
        ("Messages", f"{session['messageCount']:,}"),
        ("Tokens in", _number(session["promptTokens"])),
        ("Read from cache", _number(extra.get("cacheReadTokens"))),
        ("Written to cache", _number(written)),
        ("Tokens out", _number(session["completionTokens"])),
        ("Cost", cost(session["cost"])),
        ("By the agent's count", _agent_cost(session)),
        ("No price for", ", ".join(map(str, extra.get("unpriced") or ()))),
    ]
    terms = [(element("dt", term), element("dd", text)) for term, text in rows if text]
    return element("dl", *(element("div", *term) for term in terms), data_part="facts")


def aside(session: Json, formats: Mapping[str, str], *content: Html) -> Html:
    """Return what is shown beside the conversation; `formats`: those of exports, with labels."""
    links = [
        element("a", label, href=link_url("export", id=session["id"], format=form), download=True)
        for form, label in formats.items()
    ]
    resume = f"opensync-hooks resume {session['externalId']}"
    return element(
        "aside",
        *content,
        element("p", "Export: ", join(links, " · ")),
        element("details", element("summary", "Continue it"), element("pre", resume)),
        aria_label="About this session",
    )


def outline(prompts: Sequence[tuple[str, str]]) -> Html:
    """Return links to the prompts of the page, if there is something to choose."""
    if len(prompts) < 2:
        return Html()
    links = (
        element("li", element("a", text, href=f"#{anchor(message_id)}", dir="auto"))
        for message_id, text in prompts[:_MAX_OUTLINE]
    )
    heading = element("summary", count(len(prompts), "prompt"))
    return element(
        "details", heading, element("ol", *links), class_="outline", data_part="outline", open=True
    )


def _agent(session: Json) -> str:
    name = registry.label(str(session.get("source") or ""))
    return f"{name} {session['extra'].get('agentVersion') or ''}".strip()


def _joined(*texts: object) -> str:
    return " · ".join(str(text) for text in texts if text)


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) and value else ""


def _duration(milliseconds: float) -> str:
    """Return a length of time; empty for less than a second."""
    return duration(milliseconds / 1000) if milliseconds >= 1000 else ""


def _agent_cost(session: Json) -> str:
    """Return what the agent itself counts, also for calls that left no response."""
    text = cost(session["extra"].get("agentCost"))
    notes = ["with its subagents"] if session.get("subagentCount") else []
    notes += ["a guess"] if session["extra"].get("agentCostIsGuess") else []
    return f"{text} ({', '.join(notes)})" if text and notes else text
