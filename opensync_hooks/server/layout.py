"""The frame of every page: header, search form, style, and the headers that protect it."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from opensync_hooks.agents import registry
from opensync_hooks.destinations.store.search import SearchQuery
from opensync_hooks.server.html import Html, element, join
from opensync_hooks.server.routes import Response

_STYLE = Html(files(__package__).joinpath("style.css").read_text(encoding="utf-8"))
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # Nothing but this one style is loaded or run, whatever text gets into a page.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def page(title: str, *content: Html, search: Html, status: int = 200) -> Response:
    home = element("nav", element("a", "Sessions", href="./"), aria_label="Home")
    main = element("main", element("h1", title), *content)
    return _document(title, element("header", home, search), main, status=status)


def notice(title: str, text: str, status: int) -> Response:
    """Return a page without search and links, for readers who may see no other."""
    main = element("main", element("h1", title), element("p", text))
    return _document(title, main, status=status)


def search_form(query: SearchQuery, agents: list[str]) -> Html:
    label = "Search titles and messages"
    fields = [
        element(
            "input", type="search", name="q", value=" ".join(query.words),
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


def _document(title: str, *body: Html, status: int) -> Response:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} - opensync-hooks"),
        element("style", _STYLE),
    )
    document = element("html", head, element("body", *body), lang="en")
    text = join((Html("<!doctype html>"), document))
    return Response(status, text.encode(errors="replace"), HEADERS)
