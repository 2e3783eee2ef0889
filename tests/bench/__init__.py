"""Measurements, as ratios within one run: a busy machine must not change the result."""
