"""Replace secrets in texts by masks: one rule per format, one file per kind of rule."""
