"""Where the user stands, on one screen: destination, sessions, queue, last error, hooks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from opensync_hooks import agents, house, loss
from opensync_hooks.backlog import Backlog, of_agents
from opensync_hooks.config import Config, Folders, load, mask
from opensync_hooks.errors import KeyRefusedError, OpenSyncError
from opensync_hooks.exclusion import Exclusions
from opensync_hooks.keepsake import Keepsakes
from opensync_hooks.ledger import Ledger
from opensync_hooks.queue import Item, Queue
from opensync_hooks.rest import Resting, as_json, in_words
from opensync_hooks.retry import Rest
from opensync_hooks.spool import Spool

_MOST_NAMED = 3
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Hooks:
    agent: str
    label: str
    found: bool
    registered: bool
    problem: str | None
    on_disk: int
    unsynced: int
    """Sessions that changed, or came, since the destination last had all of them."""


@dataclass(frozen=True, slots=True)
class Status:
    """Everything `status` says. Times are ms since 1970; `authorised` is unknown while offline."""

    destination: str
    key: str | None
    reachable: bool
    authorised: bool | None
    sessions: int
    messages: int
    last_sync: int | None
    waiting: int
    parked: int
    set_aside: tuple[Item, ...]
    """What `parked` counts, each with its reason."""
    rest: Rest | None
    """Why hooks do not ask the destination now."""
    lost: Mapping[str, int]
    """What could not be kept whole, by kind."""
    last_error: str | None
    last_error_at: int | None
    unpriced: tuple[str, ...]
    thinking: bool
    redact: bool
    file_contents: bool
    excluded: int
    agents: tuple[Hooks, ...]

    def as_json(self) -> dict[str, object]:
        at_rest = as_json(self.rest) if self.rest else None
        return {**asdict(self), "rest": at_rest}


def gather() -> Status:
    """Asks the destination, but changes nothing. Raises NotConfiguredError."""
    config = load()
    reachable, authorised, problem = _probe(config)
    with Ledger(config.folders.ledger) as ledger:
        summary = ledger.summary(_name(config))
        noted = ledger.noted("last error")
        backlog = of_agents(config, ledger, _name(config))
        queue = Queue(Spool(config.folders.spool), ledger, Keepsakes.of(config), _name(config))
        set_aside = tuple(item for item in queue.items() if item.state == "set aside")
        resting = Resting.of(ledger, config).holding()
        lost = loss.total(ledger, _name(config))
    spool = Spool(config.folders.spool)
    error, at = (problem, _now()) if problem else noted or (None, None)
    return Status(
        destination=_name(config),
        key=mask(config.api_key) if config.api_key else None,
        reachable=reachable,
        authorised=authorised,
        sessions=summary.sessions,
        messages=summary.messages,
        last_sync=summary.last_sync,
        waiting=spool.waiting(),
        parked=len(set_aside),
        set_aside=set_aside,
        rest=resting,
        lost=lost,
        last_error=error,
        last_error_at=at,
        unpriced=summary.unpriced,
        thinking=config.thinking,
        redact=config.redact,
        file_contents=config.file_contents,
        excluded=Exclusions.of(config).count(),
        agents=tuple(_hooks(backlog)),
    )


def _probe(config: Config) -> tuple[bool, bool | None, str | None]:
    """Whether the destination answers, whether it takes the key, and what is wrong otherwise."""
    try:
        with house.destination(config) as destination:
            destination.put_batch({})
    except KeyRefusedError as error:
        return True, False, str(error)
    except OpenSyncError as error:
        return False, None, str(error)
    return True, True, None


def _name(config: Config) -> str:
    return config.url or house.EMBEDDED


def _hooks(backlog: Mapping[str, Backlog]) -> Iterator[Hooks]:
    for agent in agents.ALL:
        state = agent.registered(os.environ.get)
        present = agent.present(os.environ.get)
        found = backlog.get(agent.name, Backlog())
        yield Hooks(
            agent=agent.name,
            label=agent.label,
            found=present,
            registered=state.works,
            problem=state.problem or None,
            on_disk=found.on_disk,
            unsynced=found.unsynced,
        )


def render(status: Status, folders: Folders) -> str:
    where = status.destination
    if where == house.EMBEDDED:
        where += f" ({folders.store}); `opensync-hooks login` sends to your OpenSync instead"
    lines = [
        ("Destination", where),
        ("Connected", _connected(status)),
        ("Sessions synced", f"{status.sessions} ({_several(status.messages, 'message')})"),
        ("Last sync", ago(status.last_sync)),
        ("Waiting", _several(status.waiting, "job") if status.waiting else "nothing"),
        ("Thinking", "sent" if status.thinking else "stays here"),
        ("Secrets", "masked" if status.redact else "sent as they are (redact = false)"),
        ("Files' contents", "sent" if status.file_contents else "stay here"),
        *((f"{hooks.label} hooks", _hooks_in_words(hooks)) for hooks in status.agents),
    ]
    if status.excluded:
        lines.append(("Excluded", f"{_several(status.excluded, 'session')}, as you asked"))
    if status.rest:
        lines.append(("Not asked now", in_words(status.rest, ago(status.rest.since))))
    lines += [("Set aside", line) for line in _set_aside(status.set_aside)]
    if status.lost:
        lines.append(("Not whole", ", ".join(f"{n} {kind}" for kind, n in status.lost.items())))
    if status.unpriced:
        lines.append(("No price for", ", ".join(status.unpriced)))
    if status.last_error:
        lines.append(("Last error", f"{status.last_error} ({ago(status.last_error_at)})"))
    width = max(len(name) for name, _ in lines) + 2
    return "\n".join(f"{name + ':':<{width}}{text}" for name, text in lines)


def _set_aside(items: tuple[Item, ...]) -> Iterator[str]:
    for item in items[:_MOST_NAMED]:
        message = "" if item.message is None else f" message {item.message}"
        said = f"{item.session_id}{message}: {item.reason}"
        yield "".join(letter if letter.isprintable() else "\ufffd" for letter in said)
    if len(items) > _MOST_NAMED:
        yield f"{len(items) - _MOST_NAMED} more: opensync-hooks queue list"


def _connected(status: Status) -> str:
    if not status.reachable:
        return "no"
    if status.authorised is False:
        return "no, the key is refused"
    return "yes" + (f", key {status.key}" if status.key else "")


def _hooks_in_words(hooks: Hooks) -> str:
    return _registration_in_words(hooks) + _backlog_in_words(hooks)


def _registration_in_words(hooks: Hooks) -> str:
    if hooks.problem:
        return hooks.problem
    if hooks.registered:
        return "registered"
    return "not registered: run install.py" if hooks.found else "agent not found"


def _backlog_in_words(hooks: Hooks) -> str:
    if not hooks.unsynced:
        return ""
    count = f"{hooks.unsynced} of {_several(hooks.on_disk, 'session')} not synced yet"
    return f"; {count}: opensync-hooks sync --agent {hooks.agent}"


def ago(at: int | None) -> str:
    """A time in the words that people use for it."""
    if at is None:
        return "never"
    seconds = max(0, _now() - at) // 1000
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{_several(seconds // size, unit)} ago"
    return "just now"


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _now() -> int:
    return time.time_ns() // 1_000_000
