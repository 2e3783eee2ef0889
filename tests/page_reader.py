"""A page as a browser parses it, and what must never be in one."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_TAGS = (
    "a article aside b bdi blockquote body button code dd del details div dl dt em form g h1 h2 h3"
    " h4 h5 h6 head header hr html input label li link main mark meta nav ol option p pre rect"
    " script section select span strong style summary svg table tbody td th thead time title tr ul"
)
_ATTRIBUTES = (
    "action aria-current aria-hidden aria-label charset class content data-live data-part"
    " data-version datetime dir download form height href id lang name open placeholder"
    " preserveaspectratio rel role rx scope selected start tabindex title type value viewbox width"
    " x y"
)
TAGS = frozenset(_TAGS.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
LINK_STARTS = ("./", "session?", "message?", "overview", "export?", "#")
"""Where a link of ours leads; the others are in texts, and open another site on a click only."""
FOREIGN_LINK = re.compile(r"https?://", re.IGNORECASE)
VOID = frozenset({"hr", "input", "link", "meta"})


class Page(HTMLParser):
    """Raises AssertionError for what no page of ours has, such as a script or a foreign link."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.foreign_links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self._texts: list[str] = []
        self._open: list[str] = []
        self.headings: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == [], "every element is closed"
        assert len(set(self.ids)) == len(self.ids)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        attributes = dict(attrs)
        assert len(attributes) == len(attrs)
        assert attributes.keys() <= ATTRIBUTES, attributes
        self.tags.append(tag)
        if tag == "link":
            assert str(attributes["href"]).startswith("data:image/svg+xml,"), attributes
        elif "href" in attributes:
            self._add_link(str(attributes["href"]), attributes.get("rel") or "")
        if "id" in attributes:
            self.ids.append(str(attributes["id"]))
        if tag in {"h1", "h2", "h3"}:
            self.headings.append("")
        if tag not in VOID:
            self._open.append(tag)

    def _add_link(self, url: str, relation: str) -> None:
        if FOREIGN_LINK.match(url):
            assert relation == "noopener noreferrer", url
            self.foreign_links.append(url)
        else:
            assert url.startswith(LINK_STARTS), url
            self.links.append(url)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open[-1:]):
            self._texts.append(data)
        if {"h1", "h2", "h3"} & set(self._open):
            self.headings[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)
