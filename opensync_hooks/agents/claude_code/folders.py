"""The folders that a transcript names further on, found without decoding all of its lines.

The rules on a project hold for all of a session: before its first section is sent, it has to be
recorded where the others worked.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from opensync_hooks.agents.claude_code import lines
from opensync_hooks.agents.claude_code.index import TranscriptIndex
from opensync_hooks.agents.json_access import decode
from opensync_hooks.agents.safe_open import open_regular

_FOLDER = re.compile(rb'"(?:(?:relocatedCwd|worktreePath)"\s*:|cwd"\s*:\s*("(?:[^"\\]|\\.)*"))')


def folders_ahead(path: Path, start: int) -> TranscriptIndex:
    """Return an index with the folders alone of the lines from an offset on."""
    ahead, recorded = TranscriptIndex(), set[bytes]()

    def may_name_new_folder(raw: bytes) -> bool:
        new = {*_FOLDER.findall(raw)} - recorded
        recorded.update(name for name in new if decode(name) in ahead.main.folders)
        return not new <= recorded

    with open_regular(path) as file:
        end = os.fstat(file.fileno()).st_size
        scan = lines.scan(file, end, lambda _: None, offset=start, is_read=may_name_new_folder)
        for span, line in scan:
            index = TranscriptIndex()  # a new one: an argument of a tool is no folder
            index.add(span, line, is_subagent_file=False)
            ahead.main.folders |= index.main.folders
            ahead.relocated_cwd = index.relocated_cwd or ahead.relocated_cwd
            ahead.worktrees |= index.worktrees
    return ahead
