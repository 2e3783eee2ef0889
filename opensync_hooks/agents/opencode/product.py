"""OpenCode or a fork of it: the names that differ between them, as one value."""

from __future__ import annotations

from opensync_hooks.agents.description import Description
from opensync_hooks.dataclass import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Product:
    description: Description
    folder: str
    """The name of its folders for data and settings, and of its database."""
    variables: str
    """What the names of its environment variables begin with."""
    programs: tuple[str, ...]
    home_folders: tuple[str, ...]
    """Further folders with settings and plugins in the user's home; the first has the program."""
    settings_files: tuple[str, ...]
    npm_package: str
    """The package that it installs for plugins."""
    older_databases: tuple[str, ...] = ()
    """Patterns of the databases that an earlier version left in the data folder."""
    first_with_default_export: Version = ()
    """Earlier versions do not start with a plugin that exports a default object."""
    first_without_functions: Version | None = None
    """From this version on, a plugin without a default object is not loaded."""

    adds_subagent_costs: bool = False
    """Whether the cost of a message includes that of the subagents it started."""

    def variable(self, name: str) -> str:
        return f"{self.variables}_{name}"
