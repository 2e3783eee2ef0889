"""The folders that a transcript names further on, found without decoding all of its lines.

The rules on a project hold for all of a session: before its first section is sent, it has to be
recorded where the others worked.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from opensync_hooks.agents.claude_code import lines
from opensync_hooks.agents.claude_code.index import TranscriptIndex
from opensync_hooks.agents.json_access import decode

_FOLDER = re.compile(rb'"(?:(?:relocatedCwd|worktreePath)"\s*:|cwd"\s*:\s*("(?:[^"\\]|\\.)*"))')


def folders_ahead(file: BinaryIO, start: int, end: int) -> TranscriptIndex:
    """Return an index with the folders alone of the lines between two places."""
    ahead, recorded = TranscriptIndex(), set[bytes]()

    def may_name_new_folder(raw: bytes) -> bool:
        new = {*_FOLDER.findall(raw)} - recorded
        recorded.update(name for name in new if decode(name) in ahead.main.folders)
        return not new <= recorded

    scan = lines.scan(file, end, lambda _: None, offset=start, is_read=may_name_new_folder)
    for span, line in scan:
        index = TranscriptIndex()  # of this line: an argument of a tool is no folder of the session
        index.add(span, line, is_subagent_file=False)
        ahead.main.folders |= index.main.folders
        ahead.relocated_cwd = index.relocated_cwd or ahead.relocated_cwd
        ahead.worktrees |= index.worktrees
    return ahead
