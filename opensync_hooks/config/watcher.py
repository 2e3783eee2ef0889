"""Settings for a process that lives for minutes: config.toml is read again only after a change."""

import os
import time
from collections.abc import Mapping

from opensync_hooks import config
from opensync_hooks.config import Config, Folders

_COARSE_NS = 2_000_000_000
"""The clock tick of the coarsest file system."""


class ConfigWatcher:
    """The settings as they are now."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._path = Folders.from_environ(environ).settings
        self._stamp: tuple[int, ...] | None = None
        self._config: Config | None = None

    def load(self) -> Config:
        """Return the same object for as long as nothing was changed. Raises NotConfiguredError."""
        stamp = self._file_stamp()
        if self._config is None or stamp is None or stamp != self._stamp:
            loaded = config.load(self._environ)
            if loaded != self._config:
                self._config = loaded
            self._stamp = stamp
        return self._config

    def _file_stamp(self) -> tuple[int, ...] | None:
        """Return what tells one version of the file from another; None where nothing does yet."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return ()
        except OSError:
            return None
        if abs(time.time_ns() - status.st_mtime_ns) < _COARSE_NS:
            return None  # another change within the same tick would leave no trace
        return (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
