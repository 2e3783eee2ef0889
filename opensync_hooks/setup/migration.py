"""From the npm plugins to this package: their login taken over, their hooks out, with consent only.

In this order: the login is checked first, so that nobody is left with neither of the two.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from opensync_hooks.agents.settings_files.file_change import apply_all
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup import npm_plugins
from opensync_hooks.setup.npm_plugins import Found
from opensync_hooks.setup.options import chosen
from opensync_hooks.setup.report import agrees, complain, is_terminal, row, say, short


def preview(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    for one in _concerning(options, environ):
        _introduce(one)
        if options.take_over:
            say("\n".join(change.diff() for change in one.changes()))


def offer(options: argparse.Namespace, environ: Mapping[str, str]) -> list[Found]:
    """Change over where the user agrees; those plugins that no longer send."""
    found = _concerning(options, environ)
    for one in found:
        _introduce(one)
    if options.take_over and not found:
        row("Found", "none of OpenSync's npm plugins")
    if not found or options.keep_old or not _agreed(options, found):
        return []
    known = known_login(environ)
    if known:
        row("Login", f"stays as it is: {known}")
    elif not _take_login(found, environ):
        return []
    return [one for one in found if _retire(one)]


def known_login(environ: Mapping[str, str]) -> str | None:
    """Where sessions go already, if not to the embedded store."""
    try:
        from opensync_hooks import config  # noqa: PLC0415 - a bare clone lacks what it needs
    except ImportError:
        return environ.get("OPENSYNC_URL")
    try:
        return config.load(environ).url
    except OpenSyncError:  # every command says so; hooks can be registered all the same
        return None


def _concerning(options: argparse.Namespace, environ: Mapping[str, str]) -> list[Found]:
    """A login alone is of no interest where there is one of ours."""
    found = npm_plugins.find(environ, chosen(options))
    sending = [one for one in found if one.trouble or one.changes()]
    return sending if known_login(environ) else found


def _introduce(one: Found) -> None:
    changes = one.changes()
    where = ", ".join(short(change.path) for change in changes)
    row("Found", f"{one.package}, " + (f"registered in {where}" if where else "not registered"))
    if one.login:
        row("", f"its login in {one.login.place}")
    if one.trouble:
        row("", str(one.trouble))
        row("", one.trouble.hint)


def _agreed(options: argparse.Namespace, found: list[Found]) -> bool:
    if options.take_over:
        return True
    if is_terminal():
        return agrees(_question(found))
    if any(one.changes() for one in found):
        row("", "both send your sessions now: run this again with --take-over, or --keep-old")
    else:
        row("", "run this again with --take-over to use its login")
    return False


def _question(found: list[Found]) -> str:
    login = any(one.login for one in found)
    if not any(one.changes() for one in found):
        return "Use this login?"
    return (
        f"{'Use this login, and take' if login else 'Take'} these hooks out? Files are backed up."
    )


def _take_login(found: list[Found], environ: Mapping[str, str]) -> bool:
    """The first login that works becomes ours. True also where there is none to be taken."""
    logins = list(
        {(one.login.url, one.login.key): one.login for one in found if one.login}.values()
    )
    for login in logins:
        try:
            url = _log_in(login.url, login.key, environ)
        except OpenSyncError as error:
            complain(f"{login.place}: {error}", error.hint)
        else:
            row("Login", f"sessions go to {url} from now on, as {login.place} had it")
            return True
    if logins:
        row("", "so the old plugins stay as they are; `opensync-hooks login`, then run this again")
    return not logins


def _log_in(url: str, key: str, environ: Mapping[str, str]) -> str:
    from opensync_hooks.config.credentials import save_login  # noqa: PLC0415
    from opensync_hooks.config.urls import base_url  # noqa: PLC0415
    from opensync_hooks.destinations.opensync.login_check import check_login  # noqa: PLC0415

    url = base_url(url)
    check_login(url, key, accepted_before=False)
    save_login(environ, url, key)
    return url


def _retire(one: Found) -> bool:
    if one.trouble:
        return False
    done = [change for planner in one.planners for change in apply_all(planner)]
    for change in done:
        row("Retired", f"{one.package}, out of {short(change.path)}")
        row("", f"that file as it was: {short(change.side_files[0].path)}")
    row("", "the sessions that it sent keep their rows in OpenSync")
    row("", f"its program goes with: npm uninstall -g {one.package}")
    return True
