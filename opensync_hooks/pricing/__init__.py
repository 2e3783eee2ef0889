"""What the calls of a session cost."""
