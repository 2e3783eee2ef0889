"""Counts Kilo Code's sessions by the rules for OpenCode's."""

from functools import partial

from opensync_hooks.agents.kilo import DESCRIPTION
from opensync_hooks.agents.opencode import census

take_census = partial(census.take_census, name=DESCRIPTION.name)
