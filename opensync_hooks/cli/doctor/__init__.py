"""Checks for everything that can keep sessions from arriving. They change nothing."""
