"""The embedded store: the default destination, a SQLite file of the user's own."""
