"""The frame of every page: head, search, style, and the headers that keep a page to itself."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from opensync_hooks.agents import registry
from opensync_hooks.destinations.store.search import SearchQuery
from opensync_hooks.server.html import Html, element, join
from opensync_hooks.server.routes import Response

_STYLE = Html(files(__package__).joinpath("style.css").read_text(encoding="utf-8"))
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Nothing but this one style is loaded or run, whatever a text gets into a page."""


def page(title: str, *content: Html, search: Html, status: int = 200) -> Response:
    home = element("a", "Sessions", href="./")
    top = element("header", element("nav", home, aria_label="Home"), search)
    return _document(title, top, element("main", element("h1", title), *content), status=status)


def notice(title: str, text: str, status: int) -> Response:
    """A page for who has no other: without search and without links."""
    return _document(
        title, element("main", element("h1", title), element("p", text)), status=status
    )


def search_form(wanted: SearchQuery, agents: list[str]) -> Html:
    asks = "Search titles and texts"
    said = " ".join(wanted.words)
    words = element("input", type="search", name="q", value=said, aria_label=asks, placeholder=asks)
    kept = element("input", type="hidden", name="project", value=wanted.project)
    fields = [words, *([_agents(wanted, agents)] if len(agents) > 1 else ())]
    fields += [kept] if wanted.project else []
    button = element("button", "Search")
    return element("form", *fields, button, role="search", action="./")


def _agents(wanted: SearchQuery, agents: list[str]) -> Html:
    known = [("", "All agents"), *((one, registry.label(one)) for one in agents)]
    options = [
        element("option", label, value=value, selected=value == wanted.agent)
        for value, label in known
    ]
    return element("select", *options, name="agent", aria_label="Agent")


def _document(title: str, *body: Html, status: int) -> Response:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} - opensync-hooks"),
        element("style", _STYLE),
    )
    whole = join(
        (Html("<!doctype html>"), element("html", head, element("body", *body), lang="en"))
    )
    return Response(status, whole.encode(errors="replace"), HEADERS)
