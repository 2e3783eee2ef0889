"""A stored session as one file, in the formats of `export` and of the page."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from opensync_hooks.destinations.store import transcript
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import Json
from opensync_hooks.server import layout, messages_html, session_html, sessions_html
from opensync_hooks.server.routes import Response

Writer = Callable[[Json, Iterable[Json]], Iterator[str]]
"""Takes a session and its messages, and yields the pieces of the file."""


def _html(session: Json, messages: Iterable[Json]) -> Iterator[str]:
    content = messages_html.conversation(iter(messages), messages_html.View())
    facts = session_html.facts(session, ())
    yield layout.document(sessions_html.title(session), facts, content)


FORMATS: Mapping[str, tuple[str, Writer]] = {
    "md": ("Markdown", transcript.markdown),
    "html": ("HTML", _html),
    "jsonl": ("JSON lines", transcript.json_lines),
}
"""A name for people and the writer of each format."""
_MEDIA_TYPES = {"md": "text/markdown", "html": "text/html", "jsonl": "application/jsonl"}


def download(store: Store, fields: Mapping[str, str]) -> Response | None:
    """Answer with a session as a file to save; None for an unknown session or format."""
    session = store.session_summary(fields.get("id", ""))
    form = fields.get("format", "")
    if session is None or form not in FORMATS:
        return None
    pieces = FORMATS[form][1](session, store.messages(session["id"]))
    name = re.sub(r"[^A-Za-z0-9]+", "-", sessions_html.title(session)).strip("-")[:80] or "session"
    headers = {
        "Content-Type": f"{_MEDIA_TYPES[form]}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
    }
    return Response(200, "".join(pieces).encode(errors="replace"), headers)
