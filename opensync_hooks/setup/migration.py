"""Migrate from the npm plugins, with consent: use their login, then take their hooks out.

The login is checked first, so that nobody is left with neither of the two.
"""

import argparse
from collections.abc import Mapping

from opensync_hooks.agents.settings_files.file_change import apply_all
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup import npm_plugins
from opensync_hooks.setup.npm_plugins import InstalledPlugin
from opensync_hooks.setup.options import selected_agents
from opensync_hooks.system.terminal import (
    can_ask,
    confirm,
    print_error,
    print_lines,
    print_row,
    short_path,
)


def preview(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Print the plugins, and with `--take-over` what would change in their files."""
    for plugin in _relevant(arguments, environ):
        _introduce(plugin)
        if arguments.take_over:
            for change in plugin.changes():
                print_lines(change.diff())


def offer(arguments: argparse.Namespace, environ: Mapping[str, str]) -> list[InstalledPlugin]:
    """Migrate if the user agrees; returns the plugins that no longer send."""
    plugins = _relevant(arguments, environ)
    for plugin in plugins:
        _introduce(plugin)
    if arguments.take_over and not plugins:
        print_row("Found", "none of OpenSync's npm plugins")
    if not plugins or arguments.keep_old or not _has_consent(arguments, plugins):
        return []
    url = existing_login(environ)
    if url:
        print_row("Login", f"stays as it is: {url}")
    elif not _use_first_working_login(plugins, environ):
        return []
    return [plugin for plugin in plugins if _take_out(plugin)]


def existing_login(environ: Mapping[str, str]) -> str | None:
    """Return the URL that sessions go to; None for the embedded store or unusable settings."""
    try:
        from opensync_hooks import config  # noqa: PLC0415 - a clone alone lacks its packages
    except ImportError:
        return environ.get("OPENSYNC_URL")
    try:
        return config.load(environ).url
    except OpenSyncError:  # every command reports it, and hooks can be registered all the same
        return None


def _relevant(arguments: argparse.Namespace, environ: Mapping[str, str]) -> list[InstalledPlugin]:
    """Return the plugins on this machine; without a login of ours, also those only logged in."""
    plugins = npm_plugins.find(environ, selected_agents(arguments))
    if existing_login(environ):
        return [plugin for plugin in plugins if plugin.error or plugin.changes()]
    return plugins


def _introduce(plugin: InstalledPlugin) -> None:
    files = ", ".join(short_path(change.path) for change in plugin.changes())
    state = f"registered in {files}" if files else "not registered"
    print_row("Found", f"{plugin.package}, {state}")
    if plugin.login:
        print_row("", f"its login in {plugin.login.origin}")
    if plugin.error:
        print_row("", str(plugin.error))
        print_row("", plugin.error.hint)


def _has_consent(arguments: argparse.Namespace, plugins: list[InstalledPlugin]) -> bool:
    if arguments.take_over:
        return True
    is_registered = any(plugin.changes() for plugin in plugins)
    if can_ask():
        login = "Use this login, and take" if any(plugin.login for plugin in plugins) else "Take"
        hooks = f"{login} these hooks out? Files are backed up."
        return confirm(hooks if is_registered else "Use this login?")
    if is_registered:
        print_row("", "both send your sessions now: run this again with --take-over or --keep-old")
    else:
        print_row("", "run this again with --take-over to use its login")
    return False


def _use_first_working_login(plugins: list[InstalledPlugin], environ: Mapping[str, str]) -> bool:
    """Save the first login that the server accepts; also True if the plugins have none."""
    from opensync_hooks.config.credentials import save_login  # noqa: PLC0415 - as above
    from opensync_hooks.config.urls import base_url  # noqa: PLC0415
    from opensync_hooks.destinations.opensync.login_check import check_login  # noqa: PLC0415

    logins = {(p.login.url, p.login.key): p.login for p in plugins if p.login}
    for login in logins.values():
        try:
            url = base_url(login.url)
            check_login(url, login.key, accepted_before=False)
            save_login(environ, url, login.key)
        except OpenSyncError as error:
            print_error(OpenSyncError(f"{login.origin}: {error}", error.hint))
        else:
            print_row("Login", f"sessions go to {url} from now on, as {login.origin} had it")
            return True
    if logins:
        print_row("", "so the old plugins stay active; run `opensync-hooks login`, then this again")
    return not logins


def _take_out(plugin: InstalledPlugin) -> bool:
    """Take the plugin out of its agent's files; returns whether that was possible."""
    if plugin.error:
        return False
    for change in (change for plan in plugin.plans for change in apply_all(plan)):
        print_row("Removed", f"{plugin.package} from {short_path(change.path)}")
        print_row("", f"the previous file: {short_path(change.side_files[0].path)}")
    print_row("", "the sessions that it sent keep their rows in OpenSync")
    print_row("", f"to remove its program: npm uninstall -g {plugin.package}")
    return True
