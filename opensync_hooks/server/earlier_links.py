"""Links from earlier runs of the server, whose pages had another secret path.

A path or a cookie that outlives the server would reach whoever listens on its port while it is
down. So such a link opens nothing by itself: pasted into the search, it leads to the same message.
"""

import re
from urllib.parse import parse_qs, urlsplit

from opensync_hooks.server.html import link_url

_PATH = re.compile(r"/[\w-]{22}/(|session|message|overview)", re.ASCII)
_FRAGMENT = re.compile(r"[\w-]*", re.ASCII)
_FIELDS = ("id", "at", "page", "period")


def is_page_of_another_run(path: str) -> bool:
    return _PATH.fullmatch(path) is not None


def current_url(text: str) -> str:
    """Return where a pasted link leads in this run, relative to the pages, or an empty text."""
    try:
        url = urlsplit(text.strip())
    except ValueError:
        return ""
    path = _PATH.fullmatch(url.path)
    if path is None or not path[1] or url.scheme != "http" or url.hostname != "127.0.0.1":
        return ""
    query = parse_qs(url.query)
    fragment = url.fragment if _FRAGMENT.fullmatch(url.fragment) else ""
    return link_url(path[1], fragment, **{key: query[key][0] for key in _FIELDS if key in query})
