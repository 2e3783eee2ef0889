"""To which destination a session goes, where projects have destinations of their own.

Fails closed: a session with the projects of two destinations stays here, and so does one that
another destination has already, as nobody has decided that both may know it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from opensync_hooks.config import Config
from opensync_hooks.ledger import accounts
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Session
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.privacy.project_rules import matching_glob

Route = tuple[str | None, str | None]
"""Why a session does not go to the destination that is being served, and the name of that to which
it goes; the name of the destination without one is empty. None and None for one that goes there.
"""
_THIS_ONE: Route = (None, None)


def route(session: Session, config: Config, ledger: Ledger, *, is_main: bool, force: bool) -> Route:
    """Return whether the session goes to the destination of `config`.

    A rule on a project holds for every folder that the session worked in. A subagent goes with its
    session (which `is_main`), unless it worked in a project of another destination: then it stays
    here. With `force`, the session may be at another destination as well.
    """
    names = list(_names(session, config))
    if not is_main:
        foreign = [name for name in names if name != config.destination_name]
        return (
            (f"it worked in a project of the destination `{foreign[0]}`", None)
            if foreign
            else _THIS_ONE
        )
    if len(names) > 1:
        both = " and ".join(f"`{name}`" for name in names)
        return f"its projects belong to two destinations in config.toml, {both}", None
    name = names[0] if names else ""
    if name != config.destination_name:
        title = f"the destination `{name}`" if name else "the destination without a name"
        return f"its project belongs to {title}", name
    url = None if force else next(_urls_that_have(session, config, ledger), None)
    if url is None:
        return _THIS_ONE
    option = f" --destination {name}" if name else ""
    again = f"`opensync-hooks sync{option} --force SESSION` sends it here as well"
    return f"it was delivered to {url} before; {again}", None


def undecided(config: Config) -> Exclusions:
    """Return the sessions that no destination gets until the user says which.

    Apart from the rules of privacy: these hold on when a project is gone, and `--force` is none.
    """
    return Exclusions(config.folders.state / "undecided")


def _names(session: Session, config: Config) -> Iterator[str]:
    folders = dict.fromkeys(filter(None, (session.project_path, *session.folders)))
    for destination in config.destinations:
        if any(matching_glob(folder, destination.projects) for folder in folders):
            yield destination.name


def _urls_that_have(session: Session, config: Config, ledger: Ledger) -> Iterator[str]:
    for destination in config.destinations:
        if destination.name == config.destination_name or destination.url is None:
            continue
        other = replace(config, url=destination.url, api_key=destination.api_key)
        account = accounts.expected(ledger, other)
        record = SessionRecord(ledger, account, session.agent, session.id)
        is_own_account = account == accounts.expected(ledger, config)
        if not is_own_account and record.remote_session() is not None:
            yield destination.url
