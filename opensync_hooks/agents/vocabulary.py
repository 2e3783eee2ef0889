"""Sets of names that an agent writes. Each agent declares its own beside its reader."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text, which has any number of them on a line."""
    return frozenset(text.split())
