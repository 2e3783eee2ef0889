"""Digests by which a source notices that what it reads on from is not as it was."""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

_MARSHAL_VERSION = 2
"""The last one that writes equal values alike, however often they are referred to."""


def of_name(name: str) -> int:
    """Return 64 bits. Two names with the same digest cost a whole read, and nothing else."""
    content = name.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)


class RowDigest:
    """A digest of rows as a database holds them, one after the other, none of them decoded."""

    def __init__(self, form: object) -> None:
        """`form`: whatever else decides what is read of the rows."""
        self._hash = blake2b(repr(form).encode("utf-8", "surrogatepass"), digest_size=16)

    def add(self, rows: Iterable[Any]) -> None:
        """Add rows of bytes, numbers and None, or of sequences of these."""
        for row in rows:
            self._hash.update(marshal.dumps(row, _MARSHAL_VERSION))

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
