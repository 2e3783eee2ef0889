"""The Python and the package that hooks and command run, and which installer manages them."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths
from opensync_hooks.setup import environment
from opensync_hooks.system import windows

_CACHE = re.compile(r"[\\/](\.?cache|caches|(archive|environments)-v\d+)[\\/]", re.IGNORECASE)
"""Caches by name, and the folders of uv's, which may be anywhere (`UV_CACHE_DIR`)."""
_INSTALL_PERMANENTLY = "install it with `uv tool install` or `pipx install`, then run this again"


@dataclass(frozen=True, slots=True)
class Installation:
    """The Python of one environment, and this package in it."""

    python: Path
    package: Path

    @property
    def program(self) -> Path:
        return self.python.with_name(f"{paths.NAME}.exe" if windows.IS_WINDOWS else paths.NAME)

    def script(self, agent: Agent) -> Path:
        """Return the agent's hook, within the package or in the clone of an editable install."""
        folders = [root / "hooks" for root in (self.package, self.package.parent)]
        candidates = [folder / agent.registration.script for folder in folders]
        return next((path for path in candidates if path.is_file()), candidates[0])

    def hook(self, agent: Agent) -> str:
        return hook_command(self.python, self.script(agent))


def running(environ: Mapping[str, str]) -> Installation:
    """Return the installation of this process, by the path that stays the same across updates."""
    package = Path(__file__).parents[1]
    link = environment.link(environ)
    if is_private(environ) and link.exists() and link.resolve() == Path(sys.prefix).resolve():
        within = package.resolve().relative_to(link.resolve())
        return Installation(environment.python(link), link / within)
    return Installation(Path(sys.executable), package)


def is_private(environ: Mapping[str, str]) -> bool:
    """Return whether this process runs in an environment that install.py built."""
    folders = (folder.resolve() for folder in environment.existing(environ))
    return Path(sys.prefix).resolve() in folders


def check(here: Installation, environ: Mapping[str, str]) -> None:
    """Raise OpenSyncError if hooks could not rely on the installation."""
    prefix = Path(sys.prefix)
    if not is_private(environ) and _CACHE.search(f"{prefix}/"):
        raise OpenSyncError(
            f"{prefix}: temporary environment. Nothing was registered.", _INSTALL_PERMANENTLY
        )
    proof = [str(here.python), "-I", "-c", environment.PROOF]
    if subprocess.run(proof, capture_output=True, check=False).returncode:
        raise OpenSyncError(
            f"{here.python}: hooks run without your user packages and without PYTHONPATH, and so "
            f"this Python does not find {paths.NAME}. Nothing was registered.",
            _INSTALL_PERMANENTLY,
        )


def uninstall_command() -> str:
    """Return the installer's command that removes this package; empty for a clone."""
    if "site-packages" not in Path(__file__).parts:
        return ""
    prefix = Path(sys.prefix)
    if (prefix / "pipx_metadata.json").is_file():
        return f"pipx uninstall {paths.NAME}"
    if (prefix / "uv-receipt.toml").is_file():
        return f"uv tool uninstall {paths.NAME}"
    return windows.command_line((sys.executable, "-m", "pip", "uninstall", paths.NAME))
