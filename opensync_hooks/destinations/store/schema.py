"""The tables of the embedded store, version by version; `search_index` keeps its own beside them.

Columns have the names of OpenSync's fields, so that nothing has to be translated. NUMERIC keeps
integers and fractions apart, as JSON does.
"""

from __future__ import annotations

from opensync_hooks.system.sqlite import Schema

USAGE_SPAN_MS = 900_000
"""The unit of time of `usage`: a quarter of an hour, as every time zone is a multiple of it."""

_VERSION_1 = (
    """CREATE TABLE session (
        arrival INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, externalId TEXT NOT NULL UNIQUE,
        title TEXT, projectPath TEXT, projectName TEXT, model TEXT, provider TEXT, source TEXT,
        promptTokens NUMERIC NOT NULL, completionTokens NUMERIC NOT NULL, cost NUMERIC NOT NULL,
        durationMs NUMERIC, createdAt NUMERIC NOT NULL, updatedAt NUMERIC NOT NULL,
        parentExternalId TEXT, extra TEXT NOT NULL)""",
    "CREATE INDEX session_by_update ON session (updatedAt)",
    "CREATE INDEX session_by_parent ON session (parentExternalId)",
    """CREATE TABLE message (
        arrival INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, externalId TEXT NOT NULL UNIQUE,
        session TEXT NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        role TEXT NOT NULL, textContent TEXT, model TEXT, promptTokens NUMERIC,
        completionTokens NUMERIC, durationMs NUMERIC, createdAt NUMERIC NOT NULL,
        parts TEXT NOT NULL, extra TEXT NOT NULL)""",
    "CREATE INDEX message_in_session ON message (session, createdAt, arrival)",
)

_COUNTS = (
    *("calls", "promptTokens", "completionTokens", "inputTokens", "cacheReadTokens"),
    *("cacheWriteTokens", "reasoningTokens", "cost", "unpricedTokens"),
)
_NAMES = ", ".join(_COUNTS)
_ADDED = ", ".join(f"{name} = {name} + excluded.{name}" for name in _COUNTS)
_SUMS = ", ".join(f"sum({name})" for name in _COUNTS)
_NEGATED = ", ".join(f"-{name}" for name in _COUNTS)
_ADD_CALL = f"""INSERT INTO usage SELECT session, span, model, {_NAMES} FROM call
    WHERE message = new.arrival ON CONFLICT DO UPDATE SET {_ADDED}"""
_SUBTRACT_CALL = f"""INSERT INTO usage SELECT session, span, model, {_NEGATED} FROM call
    WHERE message = old.arrival ON CONFLICT DO UPDATE SET {_ADDED}"""
_COUNTED = "createdAt, model, promptTokens, completionTokens, extra, session"
# What lists and totals show is kept ready: they would read every message's row, texts and all.
# Triggers keep it, because they also see what a worker of the version before still writes.
_VERSION_2 = (
    "ALTER TABLE session ADD COLUMN messageCount INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE session ADD COLUMN lastMessageAt NUMERIC",
    """UPDATE session SET
        messageCount = (SELECT count(*) FROM message WHERE message.session = session.id),
        lastMessageAt = (SELECT max(createdAt) FROM message WHERE message.session = session.id)""",
    "CREATE INDEX session_by_time ON session (coalesce(lastMessageAt, createdAt), arrival)",
    f"""CREATE TABLE usage (
        session INTEGER NOT NULL REFERENCES session (arrival) ON DELETE CASCADE,
        span INTEGER NOT NULL, model TEXT NOT NULL, {" NUMERIC, ".join(_COUNTS)} NUMERIC,
        PRIMARY KEY (session, span, model)) WITHOUT ROWID""",
    "CREATE INDEX usage_by_span ON usage (span)",
    # A message without counts in `extra` is another program's: nobody knows whether it has a price.
    f"""CREATE VIEW call AS SELECT
        message, session, CAST(createdAt / {USAGE_SPAN_MS} AS INTEGER) AS span, model, 1 AS calls,
        promptTokens, completionTokens,
        coalesce(json_extract(extra, '$.inputTokens'), promptTokens) AS inputTokens,
        coalesce(json_extract(extra, '$.cacheReadTokens'), 0) AS cacheReadTokens,
        coalesce(json_extract(extra, '$.cacheWrite5mTokens'), 0)
            + coalesce(json_extract(extra, '$.cacheWrite1hTokens'), 0) AS cacheWriteTokens,
        coalesce(json_extract(extra, '$.reasoningTokens'), 0) AS reasoningTokens,
        coalesce(json_extract(extra, '$.cost'), 0) AS cost,
        CASE WHEN json_extract(extra, '$.cost') IS NULL
            AND json_extract(extra, '$.inputTokens') IS NOT NULL
            THEN promptTokens + completionTokens ELSE 0 END AS unpricedTokens
        FROM (SELECT message.arrival AS message, session.arrival AS session, message.createdAt,
            coalesce(message.model, '') AS model,
            coalesce(message.promptTokens, 0) AS promptTokens,
            coalesce(message.completionTokens, 0) AS completionTokens,
            CASE WHEN json_valid(message.extra) THEN message.extra ELSE '{{}}' END AS extra
            FROM message JOIN session ON session.id = message.session
            WHERE coalesce(message.promptTokens, 0) <> 0
                OR coalesce(message.completionTokens, 0) <> 0
                OR message.extra LIKE '%"cost":%')""",
    f"""INSERT INTO usage
        SELECT session, span, model, {_SUMS} FROM call
        GROUP BY session, span, model""",
    f"""CREATE TRIGGER message_inserted AFTER INSERT ON message BEGIN
        UPDATE session SET messageCount = messageCount + 1,
            lastMessageAt = max(coalesce(lastMessageAt, new.createdAt), new.createdAt)
            WHERE id = new.session;
        {_ADD_CALL};
    END""",
    f"""CREATE TRIGGER message_changes BEFORE UPDATE OF {_COUNTED} ON message BEGIN
        {_SUBTRACT_CALL};
    END""",
    f"""CREATE TRIGGER message_changed AFTER UPDATE OF {_COUNTED} ON message BEGIN
        UPDATE session SET lastMessageAt = (SELECT max(createdAt) FROM message
            WHERE message.session = session.id) WHERE id = new.session;
        {_ADD_CALL};
    END""",
    # Not for the messages of a deleted session, whose row is gone by now.
    f"""CREATE TRIGGER message_deleted BEFORE DELETE ON message BEGIN
        {_SUBTRACT_CALL};
        UPDATE session SET messageCount = messageCount - 1, lastMessageAt = (
            SELECT max(createdAt) FROM message
            WHERE message.session = session.id AND message.arrival <> old.arrival)
            WHERE id = old.session;
    END""",
)
SCHEMA = Schema(
    application_id=0x4F53594E,
    migrations=(_VERSION_1, _VERSION_2),
    pragmas=(
        # FULL: what is acknowledged is never sent again, so it must survive a power cut.
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA secure_delete = ON",  # or deleted text stays readable in free pages
    ),
)
