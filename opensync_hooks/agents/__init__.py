"""The coding agents: what each is, how its sessions are read, and how hooks are registered."""
