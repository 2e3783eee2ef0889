"""The coding agents: what each is, how its sessions are read, how our hooks are registered."""
