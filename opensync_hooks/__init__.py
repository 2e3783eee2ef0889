"""Keeps every session of a coding agent in OpenSync. Imported by the hook: keep it empty."""

__version__ = "0.1.0"
