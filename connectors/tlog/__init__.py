"""Transparency logs in the formats of C2SP, without Django and without a network: see README.md.

What the archive's log, the witness and whoever checks a proof have in common.
"""
