"""OpenSync over HTTP: the destination of users who have logged in."""
