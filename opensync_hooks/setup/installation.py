"""The Python and the package that hooks and command point to, and who keeps them up to date."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths
from opensync_hooks.setup import environment

_CACHE = re.compile(r"[\\/](\.?cache|caches)[\\/]", re.IGNORECASE)
_LASTING = "install it to stay, with `uv tool install` or `pipx install`, then run it again"


@dataclass(frozen=True, slots=True)
class Installation:
    """What hooks run: the Python of one environment, and this package in it."""

    python: Path
    package: Path

    @property
    def program(self) -> Path:
        return self.python.with_name(paths.NAME)

    def script(self, agent: Agent) -> Path:
        """Beside the package's modules, or in the clone that an editable installation points to."""
        places = [
            root / "hooks" / agent.registration.script
            for root in (self.package, self.package.parent)
        ]
        return next((path for path in places if path.is_file()), places[0])

    def hook(self, agent: Agent) -> str:
        return hook_command(self.python, self.script(agent))


def running(environ: Mapping[str, str]) -> Installation:
    """The one that this process runs in; in the private one by the path that stays."""
    package = Path(__file__).parents[1]
    link = environment.link(environ)
    if is_private(environ) and link.exists() and link.resolve() == Path(sys.prefix).resolve():
        within = package.resolve().relative_to(link.resolve())
        return Installation(environment.python(link), link / within)
    return Installation(Path(sys.executable), package)


def is_private(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in an environment that install.py made."""
    ours = (place.resolve() for place in environment.made(environ))
    return Path(sys.prefix).resolve() in ours


def check(here: Installation, environ: Mapping[str, str]) -> None:
    """Raises OpenSyncError where hooks could not rely on it."""
    prefix = Path(sys.prefix)
    if not is_private(environ) and _CACHE.search(f"{prefix}/"):
        raise OpenSyncError(
            f"{prefix}: this environment is a passing one. Nothing was registered.", _LASTING
        )
    proof = [str(here.python), "-I", "-c", environment.PROOF]
    if subprocess.run(proof, capture_output=True, check=False).returncode:
        raise OpenSyncError(
            f"{here.python}: hooks run without your user packages and without PYTHONPATH, and so "
            f"it does not find {paths.NAME}. Nothing was registered.",
            _LASTING,
        )


def removal() -> str:
    """How the package goes that this process runs from: by who installed it; a clone needs none."""
    if "site-packages" not in Path(__file__).parts:
        return ""
    prefix = Path(sys.prefix)
    if (prefix / "pipx_metadata.json").is_file():
        return f"pipx uninstall {paths.NAME}"
    if (prefix / "uv-receipt.toml").is_file():
        return f"uv tool uninstall {paths.NAME}"
    return shlex.join((sys.executable, "-m", "pip", "uninstall", paths.NAME))
