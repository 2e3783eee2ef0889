"""The full-text index of the embedded store: SQLite's FTS5 over sessions and messages.

It changes in the transaction of the row: triggers remove what changes or goes, and new messages are
added together before the commit. A trigger for each of them would cost three times as much, because
FTS5 then writes a part of its own for every message.

All of it can be made again from the rows, so it has no place among the numbered versions of the
tables: it is made when a SQLite with FTS5 opens the file, and its triggers are dropped by one
without, which could write nothing otherwise.
"""

from __future__ import annotations

import sqlite3

from opensync_hooks.errors import UnusableFileError
from opensync_hooks.system.sqlite import SqliteFile

_VERSION = 1
"""Raise it with every change below: the index is then made again."""
_BATCH = 1_000
"""Messages that are indexed in one transaction, for which writers wait."""
_TOKENIZER = "tokenize = 'unicode61 remove_diacritics 2'"
# Damaged JSON must stop neither an update nor a deletion, so it counts as empty.
_PARTS = "json_each(CASE WHEN json_valid(parts) THEN parts ELSE '[]' END) AS part"
_PART = "CASE part.type WHEN 'object' THEN part.value ELSE 'null' END"
_IS_INDEXED = """{0}.arrival > (SELECT backlog FROM search_state)
    AND {0}.arrival <= (SELECT newest FROM search_state)"""
_OLD_IS_INDEXED, _NEW_IS_INDEXED = _IS_INDEXED.format("old"), _IS_INDEXED.format("new")
_MESSAGE_COLUMNS = "text, tool, detail"
_SELECT_MESSAGE = f"SELECT arrival, {_MESSAGE_COLUMNS} FROM message_text WHERE arrival ="
_ADD_MESSAGE = f"""INSERT INTO message_search (rowid, {_MESSAGE_COLUMNS})
    {_SELECT_MESSAGE} new.arrival"""
_ADD_MESSAGES = f"""INSERT INTO message_search (rowid, {_MESSAGE_COLUMNS})
    SELECT arrival, {_MESSAGE_COLUMNS} FROM message_text
    WHERE arrival > ? AND arrival <= ? ORDER BY arrival"""
_REMOVE_MESSAGE = f"""INSERT INTO message_search (message_search, rowid, {_MESSAGE_COLUMNS})
    SELECT 'delete', * FROM ({_SELECT_MESSAGE} old.arrival)"""
_REMOVE_SESSION = """INSERT INTO session_search (session_search, rowid, title, projectPath)
    VALUES ('delete', old.arrival, old.title, old.projectPath)"""
_ADD_SESSION = """INSERT INTO session_search (rowid, title, projectPath)
    VALUES (new.arrival, new.title, new.projectPath)"""
_TABLES = (
    # Messages after `backlog` and up to `newest` are in the index. What an older version stored is
    # added by and by, which lowers `backlog`; new messages raise `newest`.
    """CREATE TABLE search_state
        (version INTEGER NOT NULL, backlog INTEGER NOT NULL, newest INTEGER NOT NULL)""",
    # Of a part: every text in it but its kind, its id and its name, which is the tool's. Fractions
    # are left out: versions of SQLite print them differently, and a removal has to match.
    f"""CREATE VIEW message_text AS SELECT arrival, textContent AS text,
        (SELECT group_concat(json_extract({_PART}, '$.content.name'), ' ') FROM {_PARTS}
            WHERE json_extract({_PART}, '$.type') = 'tool-call') AS tool,
        (SELECT group_concat(leaf.atom, ' ') FROM {_PARTS}, json_tree({_PART}, '$.content') AS leaf
            WHERE leaf.type IN ('text', 'integer')
            AND leaf.fullkey NOT IN ('$.content.id', '$.content.name')
            AND (json_extract({_PART}, '$.type') <> 'text' OR textContent IS NULL)) AS detail
        FROM message""",
    f"""CREATE VIRTUAL TABLE message_search USING fts5 ({_MESSAGE_COLUMNS},
        content = 'message_text', content_rowid = 'arrival', {_TOKENIZER})""",
    f"""CREATE VIRTUAL TABLE session_search USING fts5 (title, projectPath,
        content = 'session', content_rowid = 'arrival', {_TOKENIZER})""",
    "INSERT INTO session_search (session_search) VALUES ('rebuild')",
    """INSERT INTO search_state SELECT ?, last, last
        FROM (SELECT coalesce(max(arrival), 0) AS last FROM message)""",
)
_MESSAGE_CHANGED = "new.textContent IS NOT old.textContent OR new.parts IS NOT old.parts"
_SESSION_CHANGED = "new.title IS NOT old.title OR new.projectPath IS NOT old.projectPath"
_TRIGGERS = {
    # SQLite gives a new row the number of a deleted one if that was the last.
    "message_indexed": f"""AFTER INSERT ON message WHEN {_NEW_IS_INDEXED}
        BEGIN {_ADD_MESSAGE}; END""",
    "message_text_changes": f"""BEFORE UPDATE OF textContent, parts ON message
        WHEN {_OLD_IS_INDEXED} AND ({_MESSAGE_CHANGED}) BEGIN {_REMOVE_MESSAGE}; END""",
    "message_text_changed": f"""AFTER UPDATE OF textContent, parts ON message
        WHEN {_NEW_IS_INDEXED} AND ({_MESSAGE_CHANGED}) BEGIN {_ADD_MESSAGE}; END""",
    "message_unindexed": f"""BEFORE DELETE ON message WHEN {_OLD_IS_INDEXED}
        BEGIN {_REMOVE_MESSAGE}; END""",
    "session_indexed": f"AFTER INSERT ON session BEGIN {_ADD_SESSION}; END",
    "session_text_changed": f"""AFTER UPDATE OF title, projectPath ON session
        WHEN {_SESSION_CHANGED} BEGIN {_REMOVE_SESSION}; {_ADD_SESSION}; END""",
    "session_unindexed": f"BEFORE DELETE ON session BEGIN {_REMOVE_SESSION}; END",
}
_NAMES = {
    "message_search": "TABLE",
    "session_search": "TABLE",
    "message_text": "VIEW",
    "search_state": "TABLE",
}


_CHECKED = ("message_search", "session_search")
_COUNTS = """SELECT (SELECT count(*) FROM message_search_docsize), (SELECT count(*)
    FROM message, search_state WHERE arrival > backlog AND arrival <= newest)"""
_ALL_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"


class SearchIndex:
    """The index of one open store. Its methods raise what the file raises."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        with file.reading() as db:
            self.is_available = has_fts5(db)
            is_current = self._is_current(db)
        if is_current is not self.is_available:
            with file.writing() as db:
                if self._is_current(db) is not self.is_available:
                    self._create(db) if self.is_available else _drop_triggers(db)
        if self.is_available:
            file.before_commit = _add_new

    def backlog(self) -> int:
        """Return about how many messages of an older store are not in the index yet."""
        if not self.is_available:
            return 0
        with self._file.reading() as db:
            return int(db.execute("SELECT backlog FROM search_state").fetchone()[0])

    def add_batch(self) -> int:
        """Index the newest messages of the backlog; return how many these were, 0 at its end."""
        with self._file.writing() as db:
            (backlog,) = db.execute("SELECT backlog FROM search_state").fetchone()
            rows = db.execute(
                "SELECT arrival FROM message WHERE arrival <= ? ORDER BY arrival DESC LIMIT ?",
                (backlog, _BATCH),
            ).fetchall()
            rest = rows[-1]["arrival"] - 1 if len(rows) == _BATCH else 0
            db.execute(_ADD_MESSAGES, (rest, backlog))
            db.execute("UPDATE search_state SET backlog = ?", (rest,))
        return len(rows)

    def purge(self) -> None:
        """Remove deleted words from the index's file, in short transactions.

        A deletion only adds a mark, and the words stay until their part of the index is merged.
        """
        merge = "INSERT INTO {0} ({0}, rank) VALUES ('merge', {1})"
        for table in _CHECKED if self.is_available else ():
            pages = -500  # negative: merge everything into one part
            while True:
                with self._file.writing() as db:
                    before = db.total_changes
                    db.execute(merge.format(table, pages))
                    if db.total_changes - before < 2:  # the end, by FTS5's documentation
                        break
                pages = 500

    def problems(self) -> list[str]:
        """Have FTS5 check the index, which reads all of it, and count the messages in it."""
        if not self.is_available:
            return []
        try:
            with self._file.writing() as db:
                for table in _CHECKED:
                    db.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
                indexed, expected = db.execute(_COUNTS).fetchone()
        except UnusableFileError as error:
            return [str(error)]
        if indexed != expected:
            return [f"the index has {indexed} of {expected} messages"]
        return []

    def rebuild(self) -> None:
        """Begin the index anew: all messages are its backlog then."""
        with self._file.writing() as db:
            self._create(db)

    def _is_current(self, db: sqlite3.Connection) -> bool:
        """Whether the triggers are there and make this version of the index."""
        names = {row["name"] for row in db.execute(_ALL_TRIGGERS)}
        if not names.issuperset(_TRIGGERS):
            return False
        return bool(db.execute("SELECT version FROM search_state").fetchone()[0] == _VERSION)

    def _create(self, db: sqlite3.Connection) -> None:
        _drop_triggers(db)
        for name, kind in _NAMES.items():
            db.execute(f"DROP {kind} IF EXISTS {name}")
        for statement in _TABLES:
            db.execute(statement, (_VERSION,) if "?" in statement else ())
        for name, definition in _TRIGGERS.items():
            db.execute(f"CREATE TRIGGER {name} {definition}")


def _add_new(db: sqlite3.Connection) -> None:
    """Index the messages that the transaction has stored, or a SQLite without FTS5 before it."""
    newest, last = db.execute(
        "SELECT newest, (SELECT max(arrival) FROM message) FROM search_state"
    ).fetchone()
    if last is not None and last > newest:
        db.execute(_ADD_MESSAGES, (newest, last))
        db.execute("UPDATE search_state SET newest = ?", (last,))


def has_fts5(db: sqlite3.Connection) -> bool:
    """Whether this SQLite was built with FTS5, which some are not."""
    try:
        db.execute("SELECT fts5_source_id()")
    except sqlite3.OperationalError:
        return False
    return True


def _drop_triggers(db: sqlite3.Connection) -> None:
    for name in _TRIGGERS:
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
