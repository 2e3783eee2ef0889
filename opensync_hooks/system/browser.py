"""The user's browser."""

import os
import sys


def open_in_browser(url: str) -> bool:
    """Open an address; return whether a browser was started. Other users can see the address."""
    import webbrowser  # noqa: PLC0415 - only `serve --open` needs it

    is_desktop = sys.platform in ("win32", "darwin")
    if not is_desktop and not {"BROWSER", "DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        return False  # a text browser would take over the terminal
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
