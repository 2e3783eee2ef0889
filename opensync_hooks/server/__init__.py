"""The embedded store over HTTP: OpenSync's routes for programs, and pages for its user."""
