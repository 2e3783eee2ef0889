"""A report for a bug: what is set up and what went wrong, without content, secrets and names.

Whatever goes in passes through `Discretion`, which knows what a user would not show: the home
folder, the user's and the machine's names, hosts, projects, and every format of a secret.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opensync_hooks import __version__
from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.cli import status_data
from opensync_hooks.cli.doctor.finding import Finding
from opensync_hooks.config import Config, Folders, load
from opensync_hooks.errors import BugError, OpenSyncError
from opensync_hooks.hook import paths
from opensync_hooks.privacy.redaction.redactor import Redactor
from opensync_hooks.system.files import atomic_write

_LOG_LINES = 300
_PREFIXES = {name.partition("_")[0] for agent in AGENTS for name in agent.description.variables}
_KNOWN = re.compile(
    rf"({'|'.join(sorted({'OPENSYNC', 'XDG', *_PREFIXES}))})_\w+|NO_PROXY|HTTPS?_PROXY",
    re.IGNORECASE,
)
_PROJECT = re.compile(r"([\\/]projects[\\/])[^\\/\s:]+")
_HOST = re.compile(r"(https?://)[^/\s:'\"]+")
_FOLDER = re.compile(r"(?<![\w.~>])/(?:[^\s/:'\"`,;)]+/)*([^\s/:'\"`,;)]*)")
_SHORTEST_NAME = 2


def report(found: list[Finding], environ: Mapping[str, str] = os.environ) -> str:
    """The report as JSON. Never raises for what is broken: that is what it is to show."""
    discretion = Discretion.of(environ)
    told = {
        "opensync-hooks": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(terse=True),
        "checks": [asdict(one) for one in found],
        "settings": _settings(environ),
        "status": _status(),
        "environment": sorted(name for name in environ if _KNOWN.fullmatch(name)),
        "log": list(_log(Folders.from_environ(environ).state)),
    }
    return json.dumps(discretion.value(told), indent=2, ensure_ascii=False) + "\n"


def deliver(text: str, to: str) -> None:
    """Print the report for `-`, else write it to the file, or into a folder, named by the time."""
    if to == "-":
        print(text, end="")  # noqa: T201 - asked for
        return
    path = Path(to).absolute()
    if path.is_dir():
        path /= time.strftime("opensync-hooks-report-%Y%m%d-%H%M%S.json")
    atomic_write(path, text.encode("utf-8", "replace"))
    print(f"{path}: written. Read it before you send it to anybody.")  # noqa: T201


@dataclass(frozen=True, slots=True)
class Discretion:
    """Takes out of any text what a user would not show."""

    home: str
    names: tuple[str, ...]
    """The user's and the machine's."""
    config: Config | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Discretion:
        home = paths.home(environ.get)
        names = {_user(), Path(home).name, socket.gethostname(), environ.get("HOSTNAME", "")}
        try:
            config = replace(load(environ), allow=())
        except OpenSyncError:
            config = None
        return cls(home, tuple(one for one in names if len(one) >= _SHORTEST_NAME), config)

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value

    def text(self, text: str) -> str:
        patterns = self.config.patterns if self.config else ()
        text = Redactor(patterns, lambda _: False, Counter()).text(text)
        text = text.replace(self.home, "~") if len(self.home) > 1 else text
        text = _PROJECT.sub(r"\1<project>", text)
        text = _HOST.sub(r"\1<host>", text)
        text = _FOLDER.sub(_foreign, text)
        for name in self.names:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "<name>", text)
        return text


def _foreign(found: re.Match[str]) -> str:
    """A path outside the home folder, without its folders, which are names of projects."""
    whole = found[0]
    if whole.startswith(("/usr/", "/opt/", "/bin/")) or whole.count("/") < 2:
        return whole
    return f"/<folder>/{found[1]}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return ""


def _settings(environ: Mapping[str, str]) -> dict[str, object]:
    """What is set, but of lists and the user's own patterns only how long they are."""
    try:
        config = load(environ)
    except OpenSyncError as error:
        return {"unusable": str(error)}
    host = urlsplit(config.url or "").hostname or ""
    known = host.endswith((".convex.site", ".convex.cloud"))
    return {
        "destination": ("convex" if known else "self-hosted") if config.url else "embedded",
        "key": bool(config.api_key),
        "thinking": config.thinking,
        "redact": config.redact,
        "file_contents": config.file_contents,
        "estimate_tokens": config.estimate_tokens,
        "patterns": len(config.patterns),
        "allow": len(config.allow),
        "exclude": len(config.exclude),
    }


def _status() -> object:
    try:
        told = status_data.gather().as_json()
    except OpenSyncError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - the report is for when things are broken
        return str(BugError(error))
    told.pop("key", None)
    return told


def _log(state: Path) -> Iterator[str]:
    """The last lines of our own log, which holds names and numbers, and no content."""
    lines: list[str] = []
    for path in sorted(state.glob("*.log")):
        try:
            lines += path.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
    yield from sorted(lines)[-_LOG_LINES:]
