"""The tables of the embedded store."""

from __future__ import annotations

from opensync_hooks.system.sqlite import Schema

# Columns have the names of OpenSync's fields, so that nothing has to be translated.
# NUMERIC keeps integers and fractions apart, as JSON does.
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
SCHEMA = Schema(
    application_id=0x4F53594E,
    migrations=(_VERSION_1,),
    pragmas=(
        # FULL: what is acknowledged is never sent again, so it must survive a power cut.
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA secure_delete = ON",  # or deleted text stays readable in free pages
    ),
)
