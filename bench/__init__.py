"""Benchmarks: each figure is a ratio to a yardstick that is run in turn with it.

Absolute times mean little on a shared machine; a ratio of medians over interleaved rounds holds.
"""
