"""The one way for a message to be turned down."""

from __future__ import annotations


class Refusal(Exception):
    """A message that is not what it must be. The text is the reason; it names no person."""


class OurFault(Refusal):
    """A message that may be in order, but that we lack something to read."""
