"""A page on the user's own disk that opens the pages of a running server: a bookmark that lasts.

It has the login link of this run, which works once, in a file that only the user can read. A cookie
or a key that outlives the server would be sent to whoever listens on its port while it is down; a
link as the argument of a browser could be read by every user of the machine.
"""

import os
from pathlib import Path

from opensync_hooks.errors import UsageError
from opensync_hooks.server.html import Html, element, join
from opensync_hooks.server.layout import document
from opensync_hooks.system.files import atomic_write, read_file

_MARK = "<!-- bookmark of opensync-hooks -->\n"


class Bookmark:
    """One file. Raises UsageError where it cannot be written, or is not a bookmark of ours."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._check()

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def point_to(self, login_url: str) -> None:
        """Make the page lead to this link."""
        link = element("a", "Open your sessions", href=login_url)
        refresh = element("meta", http_equiv="refresh", content=f"0; url={login_url}")
        self._write(join((refresh, element("p", link))))

    def retire(self) -> None:
        """Make the page say how to start the server."""
        command = element("pre", f"opensync-hooks serve --bookmark '{self.path}'")
        self._write(join((element("p", "The server is not running. Start it with"), command)))

    def _write(self, content: Html) -> None:
        self._check()  # again: it may have been replaced since
        page = _MARK + document("Your sessions", content)
        try:
            atomic_write(self.path, page.encode(), durable=False)
        except OSError as error:
            raise UsageError(
                f"{self.path}: cannot be written ({error.strerror}).",
                "Name a file in a folder of your own.",
            ) from error

    def _check(self) -> None:
        if os.path.lexists(self.path) and not self._is_ours():
            raise UsageError(
                f"{self.path}: exists already, and is not a bookmark of ours.",
                "Name a file that does not exist yet.",
            )

    def _is_ours(self) -> bool:
        try:
            return read_file(self.path).startswith(_MARK.encode())
        except OSError:
            return False
