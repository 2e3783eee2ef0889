"""What `doctor` tells about OpenCode's files: those that cannot be read, and copies of sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from opensync_hooks.agents.opencode.copies import CopyFinder
from opensync_hooks.agents.source import StorageRemark


def storage_remarks(finder: CopyFinder) -> Iterator[StorageRemark]:
    sources: dict[tuple[str, ...], Counter[str]] = {}
    for copied in finder.sessions():
        labels = [layout.label for layout in copied.layouts]
        if len(labels) > 1:
            sources.setdefault(tuple(sorted(labels)), Counter())[labels[0]] += 1
    for error in finder.failures.values():
        cure = error.hint or "Repair the file, or move it away. All other sessions are read."
        yield StorageRemark(str(error), cure)
    for places, counts in sources.items():
        read = ", ".join(f"{label} for {count}" for label, count in counts.most_common())
        fact = f"{counts.total()} in several places: {', '.join(places)}"
        yield StorageRemark(f"{fact}; read where the content is newest: {read}")
