"""Proof of delivery: what the destination has, compared with what the agents have."""
