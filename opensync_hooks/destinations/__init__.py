"""The places that sessions are delivered to."""
