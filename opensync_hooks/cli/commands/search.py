"""`search`: finds sessions of the embedded store by what was said and done in them."""

import argparse
import json
import os
import sys
from itertools import cycle

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.config import Folders
from opensync_hooks.destinations.store.search import SearchHit
from opensync_hooks.destinations.store.search_query import parse_query
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.html import day
from opensync_hooks.system.terminal import print_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    filters = "agent:, project:, model:, branch:, tool:, before:, after:"
    syntax = f'words, "phrases", beginnings*, {filters}'
    parser.add_argument("words", nargs="+", metavar="WORDS", help=syntax)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="default: 20 sessions")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _search(arguments: argparse.Namespace) -> int:
    query = parse_query(" ".join(map(_as_typed, arguments.words)))
    with Store(Folders.from_environ(os.environ).store) as store:
        build_index(store)
        hits = store.search(query, 0, max(0, arguments.limit))
    if arguments.json:
        print(json.dumps([_as_json(hit) for hit in hits], indent=2))
        return 0
    for hit in hits:
        _print_hit(hit)
    if not hits:
        print("No session matches.")
        if not any("*" in word for word in arguments.words):
            print("Words match as a whole; with a * at its end, a word also matches longer ones.")
    return 0


def _as_typed(argument: str) -> str:
    """Restore the quotes of a phrase, which the shell has removed."""
    is_phrase = " " in argument and '"' not in argument
    name, colon, value = argument.partition(":")
    if is_phrase and colon and name.isalpha():
        return f'{name}:"{value}"'
    return f'"{argument}"' if is_phrase else argument


def build_index(store: Store) -> None:
    """Index what an earlier version has stored, once, with a progress line."""
    index = store.search_index
    if not index.is_available:
        text = "This Python's SQLite has no full-text search (FTS5): all texts are read instead."
        print(text, file=sys.stderr)
    backlog = index.backlog()
    progress = Progress(backlog, "message")
    while backlog and (number := index.add_batch()):
        progress.step(number)
    progress.clear()


def _as_json(hit: SearchHit) -> dict[str, object]:
    session = hit.session
    names = ("externalId", "title", "source", "projectPath", "lastMessageAt")
    anchor = f"&at={hit.message_id}#m-{hit.message_id}" if hit.message_id else ""
    return {
        **{name: session[name] for name in names if name in session},
        "messageId": hit.message_id or None,
        "snippet": "".join(hit.snippet),
        "matches": list(hit.snippet[1::2]),
        "page": f"session?id={session['id']}{anchor}",
    }


def _print_hit(hit: SearchHit) -> None:
    session = hit.session
    print_line(" ".join(str(session.get("title") or "Untitled").split()))
    names = ("externalId", "source", "projectName")
    facts = (*(session.get(name) for name in names), day(session["lastMessageAt"]))
    print_line("  " + " · ".join(str(fact) for fact in facts if fact))
    if hit.snippet:
        marks = zip(hit.snippet, cycle((False, True)), strict=False)
        print_line("  " + "".join(f"[{text}]" if is_match else text for text, is_match in marks))


SEARCH = Command(
    "search",
    "find sessions of the embedded store by what was said and done in them",
    _search,
    'opensync-hooks search kettle "copper tea" project:attic after:7d',
    _add_arguments,
)
