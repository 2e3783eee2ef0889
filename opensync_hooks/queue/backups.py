"""Backups of sessions that could not be delivered, for the case that their agent deletes them.

Claude Code deletes sessions after 30 days. A backup contains what was permitted to leave when it
was made, so no secret of a known format. All backups together are bounded in size and age, and each
is deleted when its session has been delivered.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger import accounts, losses
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.queue import backup_file
from opensync_hooks.queue.backup_file import BackupSource
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.files import ensure_private_folder, session_file_stem, sync_folder
from opensync_hooks.system.log import Log

MAX_BYTES = 64 << 20
MAX_SECONDS = 30 * 86_400
FRESH_SECONDS = 86_400
"""A younger backup is not made again, even if the session has grown since."""
_SUFFIX = ".json.gz"


@dataclass(frozen=True, slots=True)
class SessionBackups:
    """The backups of all agents' sessions. Methods raise OSError where the disk fails."""

    folder: Path

    @classmethod
    def from_config(cls, config: Config) -> SessionBackups:
        return cls(config.folders.state / "keepsakes")

    def is_due(self, source: Source, located: Located) -> bool:
        """Whether the session has no backup, or has changed since an old one."""
        path = self._path(source.agent, located.session_id)
        try:
            age = time.time() - path.stat().st_mtime
        except FileNotFoundError:
            return True
        fingerprint = backup_file.read_header(path).get("fingerprint")
        return age > FRESH_SECONDS and fingerprint != located.fingerprint

    def save(self, source: Source, located: Located, config: Config) -> bool:
        """Back a session up as it is now; return whether it had content. Raises SourceError."""
        ensure_private_folder(self.folder)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as file:
            temporary = Path(file.name)
            try:
                has_content = backup_file.write(file, source, located, config)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                temporary.unlink()
                raise
        if not has_content:
            temporary.unlink()
            return False
        temporary.replace(self._path(source.agent, located.session_id))
        sync_folder(self.folder)  # when it is needed, nothing else is left of the session
        return True

    def find(self, agent: str, session_id: str) -> tuple[Source, Located] | None:
        """Return a session's backup, to be read like the agent's own file."""
        path = self._path(agent, session_id)
        if backup_file.read_header(path).get("session_id") != session_id:
            return None
        # With a fingerprint of its own: if the agent's file comes back, it is not taken for synced.
        source: Source = BackupSource(agent)
        return source, Located(session_id, path, 0, f"copy {path.name}")

    def delivery_config(self, config: Config, agent: str, session_id: str) -> Config:
        """Return the settings to deliver the backup with.

        Where file contents were withheld when it was made, the notes in their place may leave.
        """
        header = backup_file.read_header(self._path(agent, session_id))
        return replace(config, file_contents=True) if header.get("withheld") is True else config

    def delete(self, agent: str, session_id: str) -> None:
        self._path(agent, session_id).unlink(missing_ok=True)

    def prune(self) -> list[tuple[str, str]]:
        """Delete what is too old or does not fit; return the agent and session id of each."""
        now = time.time()
        for modified, _, path in _stat_each(self.folder.glob(".*")):
            if now - modified > FRESH_SECONDS:  # the unfinished file of a worker that was killed
                path.unlink(missing_ok=True)
        deleted, total = [], 0
        for modified, size, path in sorted(
            _stat_each(self.folder.glob(f"*{_SUFFIX}")), reverse=True
        ):
            total += size
            if total > MAX_BYTES or now - modified > MAX_SECONDS:
                header = backup_file.read_header(path)
                deleted.append((str(header.get("agent", "")), str(header.get("session_id", ""))))
                path.unlink(missing_ok=True)
        return deleted

    def _path(self, agent: str, session_id: str) -> Path:
        return self.folder / (session_file_stem(agent, session_id) + _SUFFIX)


def _stat_each(paths: Iterable[Path]) -> Iterator[tuple[float, int, Path]]:
    """Yield time, size and path of each file, except those that a command deletes meanwhile."""
    for path in paths:
        with suppress(FileNotFoundError):
            status = path.lstat()
            yield status.st_mtime, status.st_size, path


def back_up_queue(spool: Spool, ledger: Ledger, config: Config, log: Log, end: float) -> None:
    """Back up what waits or is quarantined, until that time of the monotonic clock; then prune.

    Raises OSError, and what the ledger raises.
    """
    backups = SessionBackups.from_config(config)
    for job in (*spool.jobs(), *spool.quarantined()):
        if time.monotonic() >= end:
            break
        agent, session_id = job.trigger.agent, job.trigger.session_id
        source = registry.source(agent, job.agent_environ(os.environ))
        if source is None:
            continue
        with suppress(SourceError):  # unreadable now; the next worker tries again
            located = source.locate(job.trigger)
            is_due = located and backups.is_due(source, located)
            if located and is_due and backups.save(source, located, config):
                log.write("copied", agent=agent, session=session_id)
    for agent, session_id in backups.prune():
        account = accounts.expected(ledger, config)
        losses.note_dropped_copy(SessionRecord(ledger, account, agent, session_id))
        log.write("copy-dropped", agent=agent, session=session_id)
