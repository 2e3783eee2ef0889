"""Puts our plugin into Kilo Code's folder, as into OpenCode's."""

from opensync_hooks.agents.kilo import KILO
from opensync_hooks.agents.opencode.registration import OpenCodeRegistration

REGISTRATION = OpenCodeRegistration(KILO)
