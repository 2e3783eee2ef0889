"""The queue between hooks and destinations, and the worker that delivers it. See README.md."""
