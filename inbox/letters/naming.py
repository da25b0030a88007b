"""What she may call things of her own: folders and saved searches."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from inbox.letters.receive import clean

NAME_MAX = 60
KEY_MAX = 120
"""Some letters become two when case is folded."""


class Refused(StrEnum):
    """Why a thing of hers cannot be as she wants it."""

    NO_NAME = "no_name"
    TOO_LONG = "too_long"
    TAKEN = "taken"
    TOO_MANY = "too_many"


class NotDone(Exception):
    """A thing of hers cannot be as she wants it; nothing was changed."""

    def __init__(self, reason: Refused) -> None:
        super().__init__(reason)
        self.reason = reason


def named(name: str, others: Iterable[str]) -> tuple[str, str]:
    """Return a name as kept and as compared; none of `others` is the same. Raises NotDone."""
    said = " ".join(clean(name).split())
    if not said:
        raise NotDone(Refused.NO_NAME)
    if len(said) > NAME_MAX:
        raise NotDone(Refused.TOO_LONG)
    if said.casefold() in {other.casefold() for other in others}:
        raise NotDone(Refused.TAKEN)
    return said, said.casefold()[:KEY_MAX]
