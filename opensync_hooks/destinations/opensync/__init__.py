"""OpenSync over HTTP."""
