"""Delivery under every fault that can be made on purpose: `python -m tests.faults [--long]`.

Each trial is a small program: a user's machine, a server that behaves as the real one, one kind of
fault many times over, and in the end a count of what was lost and what was doubled. No trial knows
how delivery works inside; it fires hooks, lets workers run, and compares the agent's files with
what the server holds.
"""
