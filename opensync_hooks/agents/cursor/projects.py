"""The folders of a session: from its own document, its window's file, and what it worked on."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from opensync_hooks.agents.cursor.conversation import Conversation
from opensync_hooks.agents.json_access import (
    get_dict,
    get_dicts,
    get_str,
)
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.agents.settings_files import jsonc_edit
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Attachment, Json, Part, ToolCall

_MAX_BYTES = 1 << 20
_MAX_PATH_TEXT = 4_000
_DRIVE = re.compile(r"/([A-Za-z]):(?:/|\Z)")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]+")


def window_path(document: Json) -> str | None:
    """Return what the session's window was opened on: a folder, or a file that lists folders."""
    workspace = get_dict(document, "workspaceIdentifier")
    return uri_path(workspace.get("uri") or workspace.get("configPath"))


def repositories(document: Json) -> tuple[str, ...]:
    paths = (get_str(entry, "repoPath") for entry in get_dicts(document, "trackedGitRepos"))
    return tuple(path for path in map(uri_path, paths) if path)


def folders_of(path: str) -> tuple[str, ...]:
    """Return the folders that a workspace file lists; any other path is the folder itself."""
    if not path.endswith((".code-workspace", "workspace.json")):
        return (path,)
    try:
        with open_regular(Path(path)) as file:
            value = jsonc_edit.parse(file.read(_MAX_BYTES).decode("utf-8-sig", "replace"))
    except (SourceError, OSError, ValueError, RecursionError):
        return ()
    base = os.path.dirname(path)  # noqa: PTH120 - Path would not resolve `..`
    paths = (
        uri_path(entry.get("uri")) or get_str(entry, "path")
        for entry in get_dicts(value, "folders")
    )
    absolute = (os.path.normpath(os.path.join(base, path)) for path in paths if path)  # noqa: PTH118
    return tuple(dict.fromkeys(absolute))


def resolve(conversation: Conversation, roots: Iterable[str]) -> Conversation:
    """Return the conversation with its project, and with every folder that was open in it.

    `roots`: the folders of its window from other places, best first. The project is the one of the
    window's folders in which the conversation worked, else the first. A workspace file that is gone
    is no folder: what it listed is unknown, so a rule of the user's may apply.
    """
    window = (conversation.project_path,) if conversation.project_path else ()
    groups = (window, conversation.folders, tuple(roots))
    listed = {path: folders_of(path) for group in groups for path in group}
    by_group = (tuple(folder for path in group for folder in listed[path]) for group in groups)
    candidates = tuple(dict.fromkeys(next(filter(None, by_group), ())))
    everything = dict.fromkeys(
        folder for path, folders in listed.items() if folders for folder in (*folders, path)
    )
    project = _worked_in(conversation, candidates) if len(candidates) > 1 else None
    project = project or next(iter(candidates), None)
    return replace(conversation, project_path=project, folders=tuple(everything))


def _worked_in(conversation: Conversation, folders: Iterable[str]) -> str | None:
    """Return the folder that calls and attachments name most often; None if they name none."""
    nested_first = sorted(folders, key=len, reverse=True)
    counts: Counter[str] = Counter()
    for step in conversation.steps:
        texts = [text for part in step.parts for text in _path_texts(part)]
        for text in texts:
            counts.update([path for path in nested_first if _names_path(text, path)][:1])
    return max(counts, key=counts.__getitem__, default=None)


def _path_texts(part: Part) -> Iterator[str]:
    if isinstance(part, Attachment):
        yield part.name
    values = [part.arguments] if isinstance(part, ToolCall) else []
    for value in values:  # grows while it is walked
        if isinstance(value, dict | list):
            values += value.values() if isinstance(value, dict) else value
        elif isinstance(value, str):
            yield value[:_MAX_PATH_TEXT]


def _names_path(text: str, folder: str) -> bool:
    """Whether the text names the folder or a path in it, maybe relative to the window."""
    plain, plain_folder = text.replace("\\", "/"), folder.replace("\\", "/")
    name = plain_folder.rpartition("/")[2]
    is_inside = re.search(rf"{re.escape(plain_folder)}(?![\w.-])", plain)
    return bool(is_inside) or plain.startswith(f"{name}/")


def git_branch(document: Json) -> str | None:
    for repository in get_dicts(document, "trackedGitRepos"):
        for branch in get_dicts(repository, "branches"):
            name = get_str(branch, "branchName")
            if name:
                return name
    return None


def uri_path(uri: Any) -> str | None:
    """Return the path in a URI, as text or as the editor splits it; of a remote URI, its path."""
    if isinstance(uri, dict):
        path = get_str(uri, "fsPath") or get_str(uri, "path")
        return _native(path) if path else uri_path(get_str(uri, "external"))
    if not isinstance(uri, str):
        return None
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if not parts.scheme or len(parts.scheme) == 1:  # a single letter is a drive
        return _native(uri) or None
    path = unquote(parts.path)
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        return "\\\\" + parts.netloc + path.replace("/", "\\")
    return _native(path) or None


def _native(path: str) -> str:
    """Return `/c:/Users` as Windows writes it, with the drive's letter as the editor writes it."""
    drive = _DRIVE.match(path)
    return drive[1].lower() + ":" + path[3:].replace("/", "\\") if drive else path


def slug(path: str) -> str:
    """Return the name of a project's folder below `~/.cursor/projects`; it is not reversible."""
    if re.match(r"[A-Za-z]:", path):
        path = path[0].lower() + path[1:]
    return _NOT_ALPHANUMERIC.sub("-", path).strip("-")
