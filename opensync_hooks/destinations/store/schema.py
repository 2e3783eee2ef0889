"""The tables of the embedded store, version by version; `search_index` keeps its own beside them.

Columns have the names of OpenSync's fields, so that nothing has to be translated. NUMERIC keeps
integers and fractions apart, as JSON does.
"""

from __future__ import annotations

from opensync_hooks.system.sqlite import Schema

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

_TOKENS = ", ".join(
    f"'{name}', sum(coalesce(json_extract(counts, '$.{name}'), {default}))"
    for name, default in (
        ("inputTokens", "promptTokens"),
        ("outputTokens", "completionTokens"),
        *((f"{name}Tokens", "0") for name in ("cacheRead", "cacheWrite5m", "cacheWrite1h")),
        ("reasoningTokens", "0"),
    )
)
_VERSION_2 = (
    # Lists would count the messages of every session. Triggers see to these columns, because they
    # also see what a worker of the version before still writes.
    "ALTER TABLE session ADD COLUMN messageCount INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE session ADD COLUMN lastMessageAt NUMERIC",
    """UPDATE session SET
        messageCount = (SELECT count(*) FROM message WHERE message.session = session.id),
        lastMessageAt = (SELECT max(createdAt) FROM message WHERE message.session = session.id)""",
    "CREATE INDEX session_by_time ON session (coalesce(lastMessageAt, createdAt), arrival)",
    # Sessions now arrive with `spending` in `extra`: their calls by day, model and basis. For those
    # that came before, the same is made of their messages; without a cost, basis is missing.
    "ALTER TABLE session ADD COLUMN messageSpending TEXT",
    f"""UPDATE session SET messageSpending = (SELECT json_group_array(json(entry)) FROM (
        SELECT json_object('day', date(createdAt / 1000, 'unixepoch', 'localtime'), 'model', model,
            'basis', CASE WHEN json_extract(counts, '$.cost') IS NULL THEN NULL ELSE 'list' END,
            'calls', count(*), 'cost', sum(coalesce(json_extract(counts, '$.cost'), 0)),
            {_TOKENS}) AS entry
        FROM (SELECT createdAt, model, coalesce(promptTokens, 0) AS promptTokens,
            coalesce(completionTokens, 0) AS completionTokens,
            CASE WHEN json_valid(extra) THEN extra ELSE '{{}}' END AS counts
            FROM message WHERE message.session = session.id
            AND (promptTokens > 0 OR completionTokens > 0))
        GROUP BY date(createdAt / 1000, 'unixepoch', 'localtime'), model,
            json_extract(counts, '$.cost') IS NULL))""",
    """CREATE TRIGGER message_inserted AFTER INSERT ON message BEGIN
        UPDATE session SET messageCount = messageCount + 1,
            lastMessageAt = max(coalesce(lastMessageAt, new.createdAt), new.createdAt)
            WHERE id = new.session;
    END""",
    """CREATE TRIGGER message_moved AFTER UPDATE OF createdAt ON message
        WHEN new.createdAt IS NOT old.createdAt BEGIN
        UPDATE session SET lastMessageAt = (SELECT max(createdAt) FROM message
            WHERE message.session = session.id) WHERE id = new.session;
    END""",
    # Not for the messages of a deleted session, whose row is gone by now.
    """CREATE TRIGGER message_deleted AFTER DELETE ON message BEGIN
        UPDATE session SET messageCount = messageCount - 1, lastMessageAt = (SELECT max(createdAt)
            FROM message WHERE message.session = session.id) WHERE id = old.session;
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
