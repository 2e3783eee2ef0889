"""`python -m opensync_hooks.setup`: the part of the setup that runs in the private environment."""

from __future__ import annotations

from opensync_hooks.setup import main

raise SystemExit(main())
