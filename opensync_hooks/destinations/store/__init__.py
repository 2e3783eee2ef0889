"""The embedded store, a SQLite file."""
