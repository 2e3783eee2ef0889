"""Which of the ledger's records belong to the account that a login leads to.

An account is one user at one URL. A key does not identify it: a renewed key is the same user's, and
two users share a URL. The first account at a URL has its records under the URL, as in every earlier
version; another one has them under the URL and a digest. The key itself is never written.
"""

from __future__ import annotations

from collections.abc import Callable

from opensync_hooks.config import Config
from opensync_hooks.ledger.ledger import Ledger

_MAX_PROBES = 5
"""The user may have deleted some sessions: one that is there is proof, one that is not is none."""

IsStored = Callable[[str, str], bool]
"""Takes a session's id and the destination's own id of it."""


def expected(ledger: Ledger, config: Config) -> str:
    """Return the account's name in the ledger, without asking the destination.

    A key that no run has used yet counts as another account's, unless it is the first key.
    """
    if config.url is None:
        return config.destination
    accounts = ledger.rows("SELECT destination FROM account WHERE login = ?", config.login_digest)
    if accounts:
        return str(accounts[0][0])
    is_first = not ledger.rows("SELECT 1 FROM account WHERE destination = ?", config.url)
    return config.url if is_first else _name(config)


def resolve(ledger: Ledger, config: Config, is_stored: IsStored) -> str:
    """Return the account's name in the ledger; a key's first use asks for sessions known there.

    Raises what `is_stored` and the ledger raise.
    """
    if config.url is None:
        return config.destination
    if not ledger.rows("SELECT 1 FROM account WHERE login = ?", config.login_digest):
        remember(ledger, config, _identify(ledger, config, config.url, is_stored))
    return expected(ledger, config)


def remember(ledger: Ledger, config: Config, name: str) -> None:
    """Have the login lead to the account of this name, unless another run was faster."""
    with ledger.transaction() as execute:
        execute("INSERT OR IGNORE INTO account VALUES (?, ?)", config.login_digest, name)


def _identify(ledger: Ledger, config: Config, url: str, is_stored: IsStored) -> str:
    names = ledger.rows(
        "SELECT DISTINCT destination FROM session"
        " WHERE destination = ? OR substr(destination, 1, length(?)) = ?",
        *(url, f"{url}#", f"{url}#"),
    )
    for (name,) in names:
        sessions = ledger.rows(
            "SELECT id, remote_id FROM session WHERE destination = ? AND remote_id IS NOT NULL"
            " ORDER BY synced_at DESC LIMIT ?",
            *(name, _MAX_PROBES),
        )
        if any(is_stored(*session) for session in sessions):
            return str(name)
    is_new_url = (url,) not in names
    return expected(ledger, config) if is_new_url else _name(config)


def _name(config: Config) -> str:
    return f"{config.url}#{config.login_digest[:16]}"
