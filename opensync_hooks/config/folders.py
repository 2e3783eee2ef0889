"""The folders and files of this user, by the conventions of the platform."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from opensync_hooks.dataclass import dataclass
from opensync_hooks.hook import paths


@dataclass(frozen=True, slots=True)
class Folders:
    """The three folders that hold all of our files. None of them needs to exist yet."""

    config: Path
    data: Path
    state: Path
    environment: str = ""
    """Which queue is meant: each environment with settings of its own has one."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        env = environ.get
        config, data, state = paths.config(env), paths.data(env), paths.state(env)
        return cls(Path(config), Path(data), Path(state), paths.environment(env))

    @property
    def settings(self) -> Path:
        return self.config / "config.toml"

    @property
    def store(self) -> Path:
        return self.data / "store.db"

    @property
    def prices(self) -> Path:
        """A price table that the user gave us, newer than the bundled one."""
        return self.data / "prices.json"

    @property
    def spool(self) -> Path:
        return self.state / f"spool{self.environment}"

    @property
    def locks(self) -> Path:
        return self.state / "locks"

    @property
    def ledger(self) -> Path:
        return self.state / "ledger.db"
