"""The commands of `opensync-hooks`, in modules of their names."""
