"""Install and uninstall: environment, command, hooks, first sync, migration from npm plugins."""
