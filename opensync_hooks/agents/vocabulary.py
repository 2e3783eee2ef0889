"""Sets of names that an agent writes. Each agent declares its own beside its reader."""

from __future__ import annotations

from collections.abc import Container, Iterator

from opensync_hooks.model import Json


def words(text: str) -> frozenset[str]:
    """Return the words of a text, which has any number of them on a line."""
    return frozenset(text.split())


def unknown_fields(
    value: Json, names: Container[str], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Yield name and value of each field whose name, `field` or `field.field`, is not listed.

    What is inside of a field is looked at only if `field.` is listed.
    """
    for name, child in value.items():
        path = f"{prefix}{name}"
        if path not in names:
            yield path, child
        elif isinstance(child, dict) and f"{path}." in names:
            yield from unknown_fields(child, names, f"{path}.")
