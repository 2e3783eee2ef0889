"""Keeps every session of a coding agent in OpenSync. Imported by the hook: keep it empty.

The way of one event:

    hooks/<agent>.py     what the agent runs
    entry                takes its input, leaves an event in the spool, starts the worker, is gone
    worker               one at a time; queue.shift is what it does for as long as it has the lock
    queue.spool          events become jobs, one for each session, without a word of it
    queue.drain          job by job: done, tried again later, or set aside by name
    sync                 one session end to end, under a lock of its own
      sources.<agent>    read from the agent's own files, as values of model
      privacy            without what may not leave
      delivery           what the ledger has not as confirmed, in the words of wire
      client, store      to OpenSync over HTTP, or into a database of the user's own

Around it: commands is what users type, setup and agents register the hooks, wiring puts the parts
together; backfill, verification and doctor look at many sessions, or at everything; server shows
the user's own database to browsers and programs on this machine.
"""

__version__ = "0.1.0"
