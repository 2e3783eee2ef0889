"""Editing other programs' settings files without touching anything but our own entry."""
