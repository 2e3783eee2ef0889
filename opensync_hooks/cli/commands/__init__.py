"""The commands of `opensync-hooks`, one module each; COMMANDS has the order of the help."""

from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.commands.config import CONFIG
from opensync_hooks.cli.commands.doctor import DOCTOR
from opensync_hooks.cli.commands.install import INSTALL
from opensync_hooks.cli.commands.login import LOGIN, LOGOUT
from opensync_hooks.cli.commands.queue import QUEUE
from opensync_hooks.cli.commands.serve import SERVE
from opensync_hooks.cli.commands.status import STATUS
from opensync_hooks.cli.commands.sync import SYNC
from opensync_hooks.cli.commands.uninstall import UNINSTALL
from opensync_hooks.cli.commands.verify import VERIFY
from opensync_hooks.cli.commands.version import VERSION

__all__ = ["COMMANDS", "Command"]

COMMANDS: tuple[Command, ...] = (
    INSTALL,
    STATUS,
    SYNC,
    QUEUE,
    VERIFY,
    DOCTOR,
    LOGIN,
    LOGOUT,
    CONFIG,
    SERVE,
    UNINSTALL,
    VERSION,
)
