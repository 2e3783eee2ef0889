"""`python -m opensync_hooks` is the command `opensync-hooks`."""

from opensync_hooks.cli.main import main
from opensync_hooks.system.terminal import end_process

end_process(main())
