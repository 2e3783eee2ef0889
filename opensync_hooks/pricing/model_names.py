"""The names of models: one spelling for what vendors, clouds and agents write differently."""

from collections.abc import Iterator
from typing import NamedTuple

from opensync_hooks.system.patterns import compiled

# `openrouter/anthropic/`, `models/`, a Bedrock ARN; then `us.anthropic.`, whose labels must be free
# of digits, or the dot of `gpt-5.1` would end one.
_ROUTE = r"^(?:.*/)?(?:[a-z-]+\.)*"
# Paths of Google's API, and those of a Bedrock ARN, name no gateway.
_NO_GATEWAY = r"models/|arn:"
_VERTEX = r"(?:projects/.*)?publishers/"
# A region before the name, as in `bedrock/us-east-1/`, is one of AWS. Zones of others, as in
# `azure/eu/`, and the clouds for governments have price lists of their own, which nobody here has.
_REGION = r"(?:^|/)[a-z]{2}-[a-z]+-\d/"
# Claude costs the same more at a location of Vertex as in a region of AWS.
_LOCATION = r"/locations/(?!global/)[^/]+/publishers/anthropic/"
_ZONE = r"(?:^|/)(?:us|eu|apac)/|(?:^|[/:.])us-gov\b"
# Bedrock puts the maker before the name, and the geography before that. Without `global.`, a call
# stays in one, which has a price of its own.
_BEDROCK = r"(?:^|[/:])((?:[a-z-]+\.)*)[a-z-]+\.[a-z]"
# Cursor and old Claude ids put the version first: `claude-4.5-sonnet`, `claude-3-haiku`.
_VERSION_FIRST = r"^claude-(\d(?:-\d)?)-([a-z]+)"
# What may follow a model's name without changing its price. `-max`, `:free` and bare numbers are
# missing on purpose: they mark other models or other prices.
_SUFFIX = (
    r"(?:-20\d{2}-?[01]\d-?[0-3]\d"  # a snapshot's date
    r"|-latest|-default|-preview|(?<=-preview)-\d\d-\d{2,4}"
    r"|-v1|-v\d:\d+|-00\d"  # revisions of Bedrock and of Google
    r"|\[1m\]"  # Claude Code's long context: the token count decides whether it costs more
    r"|:beta|[-:]thinking|-(?:none|minimal|low|medium|high|xhigh)"  # effort buys more tokens
    r")$"
)
_VARIANT = r"[-:](fast|batch)$"
_EFFORT_BEFORE_FAST = r"-(?:none|minimal|low|medium|high|xhigh)(?=-fast$)"
_MAX_SUFFIXES = 6  # a bound, because a transcript may hold any text as a model's name


class Spelling(NamedTuple):
    """One name that a model may have in the price table."""

    name: str
    terms: tuple[str, ...]
    """What the id says beside the name: `fast`, `batch`, `regional` for Bedrock, and `zone`."""


def canonical(model: str) -> str:
    """Return the name in lower case, without its route, with dashes, the version last."""
    name = compiled(_ROUTE).sub("", model.strip().lower())
    return compiled(_VERSION_FIRST).sub(r"claude-\2-\1", name.replace(".", "-").replace("@", "-"))


def spellings(model: str) -> Iterator[Spelling]:
    """Yield the canonical name, then the same with one suffix less at a time."""
    name = canonical(model)
    route = model.strip().lower()
    bedrock = compiled(_BEDROCK).search(route)
    is_regional = (bedrock and bedrock[1] != "global.") or compiled(_REGION).search(route)
    is_regional = is_regional or compiled(_LOCATION).search(route)
    terms = ("regional",) if is_regional else ()
    if compiled(_ZONE).search(route):
        terms = ("zone",)
    has_variant = False
    for _ in range(_MAX_SUFFIXES):
        yield Spelling(name, terms)
        shorter = compiled(_EFFORT_BEFORE_FAST).sub("", compiled(_SUFFIX).sub("", name))
        variant = compiled(_VARIANT).search(name)
        if shorter == name and variant and not has_variant:
            shorter, terms, has_variant = name[: variant.start()], (*terms, variant[1]), True
        if shorter == name:
            return
        name = shorter


def gateways(model: str) -> tuple[str, ...]:
    """Return the names before the model's own, of all that may have prices of their own."""
    route = model.strip().lower()
    names = () if compiled(_NO_GATEWAY).match(route) else tuple(route.split("/")[:-1])
    is_region = compiled(_REGION).match
    names = tuple(name for name in names if name != "global" and not is_region(f"{name}/"))
    if compiled(_VERTEX).match(route):
        names = ("vertex_ai",)
    bedrock = compiled(_BEDROCK).search(route)
    return (*names, "bedrock") if bedrock else names
