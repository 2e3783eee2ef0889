"""Finds the files of a session: its transcripts, and those of its subagents at any depth.

A session has a transcript in each project folder that it was copied to. Its own may be gone, while
its subagents' are still there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from opensync_hooks.agents.safe_open import files_within, within
from opensync_hooks.agents.source import Located
from opensync_hooks.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class TranscriptSet:
    located: Located
    transcripts: tuple[Path, ...]
    """The copies of the session's own transcript, the one that was written last at the end."""
    subagents: Mapping[str, tuple[Path, ...]]
    """The transcripts of each subagent, by the name of their files: `agent-<id>`."""


def project_folders(projects: Path) -> list[Path]:
    """Return the folders of all projects, also behind links that the user made to own folders."""
    folders = sorted(projects.glob("*/"))
    real = set(within(projects, folders))
    return [folder for folder in folders if folder in real or _is_own_link(folder)]


def _is_own_link(folder: Path) -> bool:
    if os.name == "nt":  # where links have no owner that counts
        return False
    try:
        return folder.lstat().st_uid == folder.stat().st_uid == os.geteuid()
    except OSError:
        return False


def session_ids(folder: Path) -> Iterator[str]:
    """Yield the names that may be sessions' ids in a project: those of transcripts and folders."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".jsonl"):
                yield entry.name.removesuffix(".jsonl")
            elif "." not in entry.name:
                yield entry.name


def find_files(session_id: str, folders: Iterable[Path]) -> TranscriptSet | None:
    """Return the files of a session in these project folders; None if there are none."""
    statuses: dict[tuple[int, int], os.stat_result] = {}
    transcripts: list[tuple[int, Path]] = []
    subagents: dict[str, list[Path]] = {}
    for path in _candidates(session_id, folders):
        try:
            status = path.stat()
        except OSError:
            continue
        file_id = status.st_dev, status.st_ino
        if file_id in statuses:  # its folder is there a second time, as a link
            continue
        statuses[file_id] = status
        if path.stem == session_id:
            transcripts.append((status.st_mtime_ns, path))
        else:
            subagents.setdefault(path.stem, []).append(path)
    if not statuses:
        return None
    copies = tuple(path for _, path in sorted(transcripts))
    own_path = copies[-1] if copies else own_transcript(next(iter(subagents.values()))[0])
    return TranscriptSet(
        located=_located(session_id, own_path, list(statuses.values())),
        transcripts=copies,
        subagents={name: tuple(paths) for name, paths in subagents.items()},
    )


def own_transcript(path: Path) -> Path:
    """Return the path of the session's own transcript, given that or a subagent's."""
    for folder in path.parents:
        if folder.name == "subagents":
            return folder.parent.with_name(f"{folder.parent.name}.jsonl")
    return path


def _candidates(session_id: str, folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield folder / f"{session_id}.jsonl"
        subagents = folder / session_id / "subagents"
        if subagents.is_dir():
            yield from files_within(folder, subagents, "**/agent-*.jsonl")


def _located(session_id: str, path: Path, statuses: Sequence[os.stat_result]) -> Located:
    size = sum(status.st_size for status in statuses)
    changed_ns = max(status.st_mtime_ns for status in statuses)
    fingerprint = f"{len(statuses)}:{size}:{changed_ns}"
    return Located(session_id, path, changed_ns // 1_000_000, fingerprint)
