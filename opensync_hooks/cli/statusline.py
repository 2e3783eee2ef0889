"""`usage --statusline`: one line for a prompt that waits for it; few modules are imported here."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from urllib.parse import quote

from opensync_hooks.destinations.store import usage
from opensync_hooks.hook import paths
from opensync_hooks.system.formatting import money

_WEEK = timedelta(days=6)


def print_statusline() -> int:
    """Print today's and the week's spending. The store is only read, so that nothing waits."""
    today = date.today()  # noqa: DTZ011 - the user's own day
    first_day = (today - _WEEK).isoformat()
    path = os.path.abspath(os.path.join(paths.data(os.environ.get), "store.db"))  # noqa: PTH100, PTH118
    try:
        uri = f"file:{quote(path)}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0)) as db:
            db.row_factory = sqlite3.Row
            groups, week = usage.group(db, "day", first_day)
    except sqlite3.Error:  # no store yet, or none of this version until a worker has opened it
        print("no spending known yet")
        return 0
    sums = groups.get(today.isoformat(), usage.UsageSums())
    tokens = sums.prompt_tokens + sums.completion_tokens
    print(f"{money(sums.cost)} today ({tokens:,.0f} tokens), {money(week.cost)} in 7 days")
    return 0
