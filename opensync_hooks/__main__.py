"""`python -m opensync_hooks` is the command `opensync-hooks`."""

from __future__ import annotations

from opensync_hooks.cli.main import main

raise SystemExit(main())
