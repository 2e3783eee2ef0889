"""What a person types into a search, as the parts of a query. No input is refused.

kettle brass        both words, anywhere in the session
"copper kettle"     the words in this order
kett*               words that begin so
agent:opencode      also project:, model:, branch:, tool:, and before: or after: with a date or 7d
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from opensync_hooks.dataclass import dataclass
from opensync_hooks.system.moments import parse_moment

_TOKEN = re.compile(r'(?:(\w+):)?(?:"([^"]*)"?|(\S+))')
_MAX_TERMS = 20
_MAX_LENGTH = 1_000
# Scripts without spaces between words, of which FTS5 makes one long word: Thai, Lao, Burmese,
# Khmer, Chinese, Japanese.
_NO_SPACES = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"


@dataclass(frozen=True, slots=True)
class Term:
    text: str
    is_prefix: bool = False

    @property
    def has_words(self) -> bool:
        """Whether the index can find it; otherwise the texts themselves have to be read."""
        is_folded_alike = self.text.casefold() == self.text.lower()  # FTS5 knows no ß for ss
        has_letters = any(map(str.isalnum, self.text))
        return has_letters and is_folded_alike and not re.search(_NO_SPACES, self.text)

    def as_fts(self) -> str:
        """Return it as a string of FTS5, in which nothing has a special meaning."""
        quoted = self.text.replace('"', '""')
        return f'"{quoted}"{"*" if self.is_prefix else ""}'


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """All terms have to occur in the session, in any case; empty fields match everything."""

    terms: tuple[Term, ...] = ()
    agent: str = ""
    """How the source of its sessions begins."""
    project: str = ""
    """A folder, or its name."""
    model: str = ""
    """The one with most of the session's tokens."""
    branch: str = ""
    tool: str = ""
    after: int | None = None
    """Messages of this time or later, in ms since 1970."""
    before: int | None = None
    text: str = ""
    """What was typed."""

    @property
    def is_indexed(self) -> bool:
        return all(term.has_words for term in self.terms)

    def as_fts(self) -> str:
        """Return the expression that a message has to match; empty if any message does."""
        tool = f"tool : {Term(self.tool).as_fts()}" if self.tool else ""
        return " AND ".join(filter(None, (*map(Term.as_fts, self.terms), tool)))


def parse_query(text: str) -> SearchQuery:
    """Return the query that a person typed. What cannot be a filter is a word."""
    text = text.replace("\0", " ")[:_MAX_LENGTH].strip()
    query = SearchQuery(text=text)
    for match in _TOKEN.finditer(text):
        name, phrase, word = match.groups()
        value = word if phrase is None else phrase
        narrowed = _with_filter(query, name.casefold(), value) if name and value else None
        if narrowed:
            query = narrowed
        elif len(query.terms) < _MAX_TERMS:
            new = _terms(name, phrase, word)
            query = replace(query, terms=(*query.terms, *new)[:_MAX_TERMS])
    return query


def _terms(name: str | None, phrase: str | None, word: str | None) -> Iterator[Term]:
    if phrase is not None:
        if name:
            yield Term(name)
        if phrase.strip():
            yield Term(phrase)
        return
    text = f"{name}:{word}" if name else word or ""
    is_prefix = text.endswith("*") and text.strip("*") != ""
    yield Term(text.rstrip("*") if is_prefix else text, is_prefix)


def _with_filter(query: SearchQuery, name: str, value: str) -> SearchQuery | None:
    match name:
        case "agent":
            return replace(query, agent=value)
        case "project":
            return replace(query, project=value)
        case "model":
            return replace(query, model=value)
        case "branch":
            return replace(query, branch=value)
        case "tool":
            return replace(query, tool=value)
        case "after" if (moment := parse_moment(value)) is not None:
            return replace(query, after=moment)
        case "before" if (moment := parse_moment(value)) is not None:
            return replace(query, before=moment)
    return None
