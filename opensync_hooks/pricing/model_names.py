"""The names of models: one spelling for what vendors, clouds and agents write differently."""

import re
from collections.abc import Iterator

# `openrouter/anthropic/`, `models/`, a Bedrock ARN; then `us.anthropic.`, whose labels must be free
# of digits, or the dot of `gpt-5.1` would end one.
_ROUTE = re.compile(r"^(?:.*/)?(?:[a-z-]+\.)*")
# Cursor and old Claude ids put the version first: `claude-4.5-sonnet`, `claude-3-haiku`.
_VERSION_FIRST = re.compile(r"^claude-(\d(?:-\d)?)-([a-z]+)")
# What may follow a model's name without changing its price. `-fast`, `-max`, `:free` and bare
# numbers are missing on purpose: they mark other models or other prices.
_SUFFIX = re.compile(
    r"(?:-20\d{2}-?[01]\d-?[0-3]\d"  # a snapshot's date
    r"|-latest|-preview|(?<=-preview)-\d\d-\d{2,4}"
    r"|-v1|-v\d:\d+|-00\d"  # revisions of Bedrock and of Google
    r"|\[1m\]"  # Claude Code's long context: the token count decides whether it costs more
    r"|:beta|[-:]thinking|-(?:none|minimal|low|medium|high|xhigh)"  # effort buys more tokens
    r")$"
)
_MAX_SUFFIXES = 4  # a bound, because a transcript may hold any text as a model's name


def canonical(model: str) -> str:
    """Return the name in lower case, without its route, with dashes, the version last."""
    name = _ROUTE.sub("", model.strip().lower())
    return _VERSION_FIRST.sub(r"claude-\2-\1", name.replace(".", "-").replace("@", "-"))


def spellings(model: str) -> Iterator[str]:
    """Yield the canonical name, then the same with one suffix less at a time."""
    name = canonical(model)
    yield name
    for _ in range(_MAX_SUFFIXES):
        name = _SUFFIX.sub("", name)
        yield name
