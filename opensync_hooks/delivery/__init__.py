"""One session end to end."""
