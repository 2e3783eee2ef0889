"""What takes the place of a value that is nested too deeply to be cleaned or sent."""

from __future__ import annotations


class Omitted(str):
    """A note in place of a value. It is counted by its type: an agent may write the same words."""

    __slots__ = ()


TOO_DEEP = Omitted("[nested too deeply to be kept]")
