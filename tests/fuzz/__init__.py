"""Hostile input for everything that reads what others wrote; long runs are led by coverage."""
