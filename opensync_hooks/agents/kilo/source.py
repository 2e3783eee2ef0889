"""Reads Kilo Code's sessions, which have the form of OpenCode's."""

from functools import partial

from opensync_hooks.agents.kilo import KILO
from opensync_hooks.agents.opencode import source

open_source = partial(source.open_source, product=KILO)
