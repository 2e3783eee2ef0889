"""The bug report: what is set up and what went wrong, without contents, secrets and names.

Everything in it passes through `Anonymizer`, which knows what users would not show: the home
folder, names of the user and the machine, hosts, projects, and every format of a secret.
"""

import getpass
import json
import os
import platform
import re
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from opensync_hooks import __version__
from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.cli import status_data
from opensync_hooks.cli.doctor.finding import Finding
from opensync_hooks.config import Config, Folders, load
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import OpenSyncError, as_opensync_error
from opensync_hooks.hook import paths
from opensync_hooks.privacy.redaction.redactor import Redactor
from opensync_hooks.system.files import atomic_write
from opensync_hooks.system.terminal import print_line

_LOG_LINES = 300
_PREFIXES = {name.partition("_")[0] for agent in AGENTS for name in agent.description.variables}
_VARIABLES = re.compile(
    rf"({'|'.join(sorted({'OPENSYNC', 'XDG', *_PREFIXES}))})_\w+|NO_PROXY|HTTPS?_PROXY",
    re.IGNORECASE,
)
_PROJECT = re.compile(r"([\\/]projects[\\/])[^\\/\s:]+")
_HOST = re.compile(r"(https?://)[^/\s:'\"]+")
_PATH = re.compile(r"(?<![\w.~>])/(?:[^\s/:'\"`,;)]+/)*([^\s/:'\"`,;)]*)")
_MIN_NAME_LENGTH = 2


def report(findings: Iterable[Finding], environ: Mapping[str, str] = os.environ) -> str:
    """Return the report as JSON. Never raises for what is broken, as the report is to show it."""
    document = {
        "opensync-hooks": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(terse=True),
        "checks": [asdict(finding) for finding in findings],
        "settings": _settings(environ),
        "status": _status(),
        "environment": sorted(name for name in environ if _VARIABLES.fullmatch(name)),
        "log": _log(Folders.from_environ(environ).state),
    }
    anonymous = Anonymizer.from_environ(environ).value(document)
    return json.dumps(anonymous, indent=2, ensure_ascii=False) + "\n"


def write(text: str, target: str) -> None:
    """Print the report for `-`; else write it to the file, or to a new file in the folder."""
    if target == "-":
        print(text, end="")  # noqa: T201
        return
    path = Path(target).absolute()
    if path.is_dir():
        path /= time.strftime("opensync-hooks-report-%Y%m%d-%H%M%S.json")
    atomic_write(path, text.encode("utf-8", "replace"))
    print_line(f"{path}: written. Read it before you share it.")


@dataclass(frozen=True, slots=True)
class Anonymizer:
    """Removes from any text what users would not show."""

    home: str
    names: tuple[str, ...]
    """Names of the user and the machine."""
    config: Config | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        home = paths.home(environ.get)
        names = {Path(home).name, socket.gethostname(), environ.get("HOSTNAME", "")}
        with suppress(OSError, KeyError):  # a user id without a name
            names.add(getpass.getuser())
        try:
            config = replace(load(environ), allow=())
        except OpenSyncError:
            config = None
        return cls(home, tuple(name for name in names if len(name) >= _MIN_NAME_LENGTH), config)

    def value(self, value: Any) -> Any:
        """Return a JSON value with every text in it anonymized."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(child) for key, child in value.items()}
        return [self.value(child) for child in value] if isinstance(value, list | tuple) else value

    def text(self, text: str) -> str:
        patterns = self.config.patterns if self.config else ()
        text = Redactor(patterns).redact(text)
        text = text.replace(self.home, "~") if len(self.home) > 1 else text
        text = _PROJECT.sub(r"\1<project>", text)
        text = _HOST.sub(r"\1<host>", text)
        text = _PATH.sub(_without_folders, text)
        for name in self.names:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "<name>", text)
        return text


def _without_folders(match: re.Match[str]) -> str:
    """Drop the folders of a path outside the home folder: they are names of projects."""
    path = match[0]
    if path.startswith(("/usr/", "/opt/", "/bin/")) or path.count("/") < 2:
        return path
    return f"/<folder>/{match[1]}"


def _settings(environ: Mapping[str, str]) -> dict[str, object]:
    """Return the settings. Lists and patterns are private, so only their lengths are included."""
    try:
        config = load(environ)
    except OpenSyncError as error:
        return {"unusable": str(error)}
    host = urlsplit(config.url or "").hostname or ""
    is_convex = host.endswith((".convex.site", ".convex.cloud"))
    return {
        "destination": ("convex" if is_convex else "self-hosted") if config.url else "embedded",
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
        status = status_data.gather().as_json()
    except Exception as error:  # noqa: BLE001 - the report is for when things are broken
        return str(as_opensync_error(error))
    status.pop("key", None)
    return status


def _log(folder: Path) -> list[str]:
    """Return the last lines of our log, which holds names and numbers, but no content."""
    lines: list[str] = []
    for path in folder.glob("*.log"):
        try:
            lines += path.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
    return sorted(lines)[-_LOG_LINES:]
