"""Read and change what the user has set: config.toml and environment variables."""

from opensync_hooks.config.config import EMBEDDED_STORE, Config, load
from opensync_hooks.config.folders import Folders

__all__ = ["EMBEDDED_STORE", "Config", "Folders", "load"]
