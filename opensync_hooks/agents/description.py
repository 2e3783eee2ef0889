"""The facts about an agent that other modules need, as one value."""

from collections.abc import Callable

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import HookFacts


@dataclass(frozen=True, slots=True)
class Description:
    """The facts about one agent that are true on every machine."""

    name: str
    """The name in commands, in file names of ours and on the wire."""
    label: str
    """The name that its users know."""
    variables: tuple[str, ...]
    """The environment variables that say where a hook's session is; the worker may have others."""
    oldest_version: tuple[int, ...]
    """The first version that fires the hooks that we register."""
    tested_major: int | None = None
    """The newest major version that this package was tried with, where major versions count."""
    hook_answer: bytes = b""
    """What its hook has to print, whatever became of the event."""
    payload_fields: frozenset[str] = frozenset()
    """Fields that give its payload away in a hook that was registered with another agent."""
    resume_command: str = ""
    """The agent's own command that continues a session, with `{id}` in place of the session's."""
    opensync_name: str = ""
    """The name under which OpenSync shows its sessions, where that is another one."""


HookFactsLookup = Callable[[str], HookFacts]
"""Returns what hooks have reported about the session with this id."""
