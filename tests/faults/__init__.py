"""Delivery under every fault that can be injected: `python -m tests.faults [--long]`.

Each trial is a small program: a user's machine, a server that behaves as the real one does, one
kind of fault many times over, and a count of what was lost and doubled. Trials do not know how
delivery works inside: they fire hooks, run workers, and compare the agent's files with the
server's content.
"""
