"""Decide what may leave the machine: secrets, file contents, private sessions."""
