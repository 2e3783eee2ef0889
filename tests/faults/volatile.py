"""What a disk holds after a power cut: what was synced, and any part of what was not.

There are two kinds of file system; a program may rely only on what both guarantee:

    loose     each change of a name and each block of data reaches the disk by itself, in any order;
              after fsync(2) of a file its data is there, after that of a folder the names in it
    journal   names and sizes reach it in order, all that came before any fsync(2); data whenever

A file may have its full length and hold zeros, or be shorter, or empty: with both kinds, data that
was not synced is written at any time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.recording import (
    FOLDER,
    Call,
    Cut,
    Names,
    Outside,
    Recording,
    Sync,
    SyncNames,
    Tree,
    Write,
)

_UNITS = (512, 4_096, 1 << 30)
"""A sector, a page, all of one call."""
_CHANCES = (0.0, 0.0, 0.5, 0.9, 1.0, 1.0)


@dataclass(slots=True)
class _Disk:
    """The calls so far, each with whether it was synced."""

    contents: dict[int, bytes]
    data: dict[int, list[Write | Cut]] = field(default_factory=dict)
    synced: dict[int, int] = field(default_factory=dict)
    """How many of a file's `data` are on the disk."""
    names: list[tuple[Names, int]] = field(default_factory=list)
    """With their place among all calls."""
    settled: set[int] = field(default_factory=set)
    """Those of `names` that are on the disk, by that place."""
    journal: int = 0
    """The calls before it were made before the last sync of anything."""

    def take(self, index: int, call: Call) -> None:
        match call:
            case Write() | Cut():
                self.data.setdefault(call.file, []).append(call)
            case Names():
                self.names.append((call, index))
            case Sync():
                self.synced[call.file] = len(self.data.get(call.file, ()))
                self.journal = index
            case SyncNames():
                self.settled |= {at for name, at in self.names if _touches(name, call.folder)}
                self.journal = index
            case Outside():
                pass


def _touches(call: Names, folder: str) -> bool:
    return any((name.rpartition("/")[0] or ".") == folder for name, _ in call.changed)


def crashed(recording: Recording, moment: int, dice: random.Random) -> Tree:
    """Return what may be on the disk if the power fails after that many calls."""
    disk = _Disk(recording.contents)
    for index, call in enumerate(recording.calls[:moment]):
        disk.take(index, call)
    upto = dice.randint(disk.journal, moment) if dice.random() < 0.4 else None
    names = _names(recording, disk, upto, dice)
    files = {file: _content(disk, file, dice) for file in sorted(set(names.values()) - {FOLDER})}
    tree = {name: None if file == FOLDER else files[file] for name, file in sorted(names.items())}
    return {name: content for name, content in tree.items() if _has_folder(name, tree)}


def final_tree(recording: Recording) -> Tree:
    """Return what is on the disk if nothing is lost."""
    disk = _Disk(recording.contents)
    for index, call in enumerate(recording.calls):
        disk.take(index, call)
        disk.settled.add(index)
    disk.synced = {file: len(calls) for file, calls in disk.data.items()}
    names = _names(recording, disk, None, random.Random(0))  # noqa: S311
    return {
        name: None if file == FOLDER else _content(disk, file, random.Random(0))  # noqa: S311
        for name, file in names.items()
    }


def _names(
    recording: Recording, disk: _Disk, upto: int | None, dice: random.Random
) -> dict[str, int]:
    tree = recording.first.copy()
    chance = dice.choice(_CHANCES)
    for call, index in disk.names:
        is_there = index in disk.settled if upto is None else index < upto
        is_kept = is_there or (upto is None and dice.random() < chance)
        for name, file in call.changed if is_kept else ():
            if file is None:
                tree.pop(name, None)
            else:
                tree[name] = file
    return tree


def _has_folder(name: str, tree: Tree) -> bool:
    """Return whether the folder of a name exists: files are lost with their folder."""
    parent = name.rpartition("/")[0]
    return not parent or (parent in tree and tree[parent] is None and _has_folder(parent, tree))


def _content(disk: _Disk, file: int, dice: random.Random) -> bytes:
    calls, synced = disk.data.get(file, []), disk.synced.get(file, 0)
    content = bytearray(disk.contents.get(file, b""))
    for call in calls[:synced]:
        _apply(content, call)
    if len(calls) == synced:
        return bytes(content)
    chance, unit = dice.choice(_CHANCES), dice.choice(_UNITS)
    for call in _parts(calls[synced:], unit):
        if dice.random() < chance:
            _apply(content, call)
    return _sized(content, calls, disk.contents.get(file, b""), dice)


def _sized(
    content: bytearray, calls: Sequence[Write | Cut], first: bytes, dice: random.Random
) -> bytes:
    """Return the content, sometimes with its final size and zeros instead of missing data."""
    if dice.random() < 0.3:
        all_of_it = bytearray(first)
        for call in calls:
            _apply(all_of_it, call)
        content.extend(bytes(max(0, len(all_of_it) - len(content))))
    return bytes(content)


def _parts(calls: Sequence[Write | Cut], unit: int) -> Iterator[Write | Cut]:
    """Split each write into pieces that reach the disk separately."""
    for call in calls:
        if isinstance(call, Cut):
            yield call
            continue
        at, end = call.at, call.at + len(call.data)
        while at < end:
            upto = min(end, (at // unit + 1) * unit)
            yield Write(call.file, at, call.data[at - call.at : upto - call.at])
            at = upto


def _apply(content: bytearray, call: Write | Cut) -> None:
    if isinstance(call, Cut):
        del content[call.size :]
        content.extend(bytes(max(0, call.size - len(content))))
        return
    content.extend(bytes(max(0, call.at - len(content))))
    content[call.at : call.at + len(call.data)] = call.data
