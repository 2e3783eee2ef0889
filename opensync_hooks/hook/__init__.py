"""The code of a hook call, which an agent waits for."""
