"""The document around every page: its one style, its one script, and what a browser may load.

Both are allowed by their hashes, so that nothing else is loaded or run, whatever text gets into a
page.
"""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from urllib.parse import quote

from opensync_hooks.server.html import Html, element, join
from opensync_hooks.server.routes import Response

_EMPTY = Html()
_ICON = """<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path fill='#2f6db5'
 d='M3 2h10a2 2 0 0 1 2 2v5a2 2 0 0 1-2 2H8l-4 4v-4H3a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2z'/></svg>"""
_ICON_URL = f"data:image/svg+xml,{quote(_ICON)}"


def _resource(name: str) -> Html:
    return Html(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


_STYLE, _SCRIPT = _resource("style.css"), _resource("script.js")
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": f"default-src 'none'; style-src {_hash(_STYLE)}; "
    f"script-src {_hash(_SCRIPT)}; connect-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def page(
    title: str, *content: Html, search: str = "", view: str = "", status: int = 200
) -> Response:
    """Return a page with the search, where `search` is shown; `view` names its layout."""
    links = (("Sessions", "./"), ("Overview", "overview"))
    nav = element("nav", *(element("a", name, href=url) for name, url in links), aria_label="Pages")
    skip = element("a", "Skip to the content", class_="skip", href="#content")
    header = join((skip, element("header", nav, _search_form(search))))
    text = document(title, *content, header=header, view=view, script=_SCRIPT)
    return Response(status, text.encode(errors="replace"), HEADERS)


def notice(title: str, text: str, status: int) -> Response:
    """Return a page without search and links, for readers who may see no other."""
    content = document(title, element("p", text))
    return Response(status, content.encode(errors="replace"), HEADERS)


def document(
    title: str, *content: Html, header: Html = _EMPTY, view: str = "", script: Html = _EMPTY
) -> Html:
    """Return a whole HTML document, which loads nothing."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} - opensync-hooks"),
        element("link", rel="icon", href=Html(_ICON_URL)),
        element("style", _STYLE),
    )
    main = element("main", element("h1", title), *content, id="content", class_=view or False)
    body = (header, main, element("script", script) if script else _EMPTY)
    return join((Html("<!doctype html>"), element("html", head, element("body", *body), lang="en")))


def _search_form(text: str) -> Html:
    label = "Search titles, messages and tools"
    words = element(
        "input", type="search", name="q", value=text, aria_label=label, placeholder="Search ( / )"
    )
    return element(
        "form", words, element("button", "Search"), role="search", action="./", id="search"
    )
