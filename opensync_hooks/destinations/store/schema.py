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
_COUNT_MESSAGES = """UPDATE session SET
        messageCount = (SELECT count(*) FROM message WHERE message.session = session.id),
        lastMessageAt = (SELECT max(createdAt) FROM message WHERE message.session = session.id)"""
_VERSION_2 = (
    # Lists would count the messages of every session. Triggers see to these columns, because they
    # also see what a worker of the version before still writes.
    "ALTER TABLE session ADD COLUMN messageCount INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE session ADD COLUMN lastMessageAt NUMERIC",
    _COUNT_MESSAGES,
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
_COUNTS = (
    *("calls", "inputTokens", "outputTokens", "cacheReadTokens", "cacheWrite5mTokens"),
    *("cacheWrite1hTokens", "reasoningTokens", "cost"),
)
_NUMBERS = ", ".join(
    f"CASE WHEN json_type(entry.value, '$.{name}') IN ('integer', 'real')"
    f" THEN json_extract(entry.value, '$.{name}') ELSE 0 END"
    for name in _COUNTS
)
_VALID_EXTRA = "CASE WHEN json_valid(session.extra) THEN session.extra END"
_LAST_DAY = "date(coalesce({0}.lastMessageAt, {0}.createdAt) / 1000, 'unixepoch', 'localtime')"
_SUM_OF_CALLS = """(SELECT total({}) FROM spending WHERE spending.session = session.arrival)"""
_PROMPT = "inputTokens + cacheReadTokens + cacheWrite5mTokens + cacheWrite1hTokens"
# The calls of sessions as they arrived, or as version 2 made them of the messages.
_ADD_CALLS = f"""INSERT INTO spending SELECT session.arrival,
        CASE json_extract(entry.value, '$.day') WHEN date(json_extract(entry.value, '$.day'))
            THEN json_extract(entry.value, '$.day') END,
        CASE json_type(entry.value, '$.model') WHEN 'text'
            THEN json_extract(entry.value, '$.model') ELSE session.model END,
        CASE json_type(entry.value, '$.basis') WHEN 'text'
            THEN json_extract(entry.value, '$.basis') END, {_NUMBERS}
    FROM session, json_each(CASE WHEN json_array_length({_VALID_EXTRA}, '$.spending') > 0
        THEN json_extract(session.extra, '$.spending')
        WHEN json_valid(session.messageSpending) THEN session.messageSpending ELSE '[]' END
        ) AS entry
    WHERE entry.type = 'object'"""
# What the totals of sessions have beyond these calls; all of them for other programs' sessions.
_ADD_REST = f"""INSERT INTO spending SELECT arrival, day, model,
        CASE WHEN instr(provider, '(tokens estimated)') THEN 'estimate' ELSE 'session' END,
        0, max(prompt, 0), max(completion, 0), 0, 0, 0, 0,
        CASE WHEN rest > 0.000001 THEN rest ELSE 0 END
    FROM (SELECT arrival, {_LAST_DAY.format("session")} AS day, model, provider,
        promptTokens - {_SUM_OF_CALLS.format(_PROMPT)} AS prompt,
        completionTokens - {_SUM_OF_CALLS.format("outputTokens")} AS completion,
        cost - {_SUM_OF_CALLS.format("cost")} AS rest FROM session)
    WHERE (prompt > 0 OR completion > 0 OR rest > 0.000001)"""
_ADD_OF_SESSION = f"""{_ADD_CALLS} AND session.arrival = new.arrival;
    {_ADD_REST} AND arrival = new.arrival;"""
_REPLACE_OF_SESSION = f"DELETE FROM spending WHERE session = new.arrival; {_ADD_OF_SESSION}"
_READ = (
    *("extra", "messageSpending", "promptTokens", "completionTokens", "cost"),
    *("model", "provider"),
)
_CHANGED = " OR ".join(f"new.{name} IS NOT old.{name}" for name in _READ)
SUMS = (_COUNT_MESSAGES, "DELETE FROM spending", _ADD_CALLS, _ADD_REST)
"""Makes what triggers keep beside the rows anew."""
_VERSION_3 = (
    # Reports would parse `extra` of every session. Triggers fill this table, for the reason above.
    f"""CREATE TABLE spending (
        session INTEGER NOT NULL REFERENCES session (arrival) ON DELETE CASCADE,
        day TEXT, model TEXT, basis TEXT,
        {", ".join(f"{name} NUMERIC NOT NULL" for name in _COUNTS)})""",
    "CREATE INDEX spending_of_session ON spending (session)",
    "CREATE INDEX spending_by_day ON spending (day, basis)",
    _ADD_CALLS,
    _ADD_REST,
    f"CREATE TRIGGER session_inserted AFTER INSERT ON session BEGIN {_ADD_OF_SESSION} END",
    f"""CREATE TRIGGER session_changed AFTER UPDATE OF {", ".join(_READ)} ON session
        WHEN {_CHANGED} BEGIN {_REPLACE_OF_SESSION} END""",
    # Apart, as each message changes the time, and few the day.
    f"""CREATE TRIGGER session_day_changed AFTER UPDATE OF createdAt, lastMessageAt ON session
        WHEN {_LAST_DAY.format("new")} IS NOT {_LAST_DAY.format("old")}
        BEGIN {_REPLACE_OF_SESSION} END""",
)
SCHEMA = Schema(
    application_id=0x4F53594E,
    migrations=(_VERSION_1, _VERSION_2, _VERSION_3),
    pragmas=(
        # FULL: what is acknowledged is never sent again, so it must survive a power cut.
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA secure_delete = ON",  # or deleted text stays readable in free pages
    ),
)
