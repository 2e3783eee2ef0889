"""Keeps every session of a coding agent in OpenSync. The hook imports it: keep it empty.

The path of one event:

    hooks/<agent>.py          the agent runs it with a payload on stdin
    hook.entry                writes the payload to the spool and starts the worker
    queue.worker              ingests events into jobs and works on those that are due
    delivery.session_sync     one session, from locating it to confirming what was sent
      agents.<agent>          reads the session from the agent's own files
      privacy, pricing        what may leave, and what it cost
      ledger                  what the destination has confirmed
      destinations            OpenSync over HTTP, or the embedded store

Around it, `cli` is what users type, `setup` installs and uninstalls, and `server` shows the
embedded store to browsers and programs. `system` owns the differences between operating systems.
"""

__version__ = "0.1.0"
