"""Limits on how often one person may try what could be guessed, and on how much a key may ask."""

from __future__ import annotations

import math
import time
from uuid import UUID

from django.core.cache import cache

WINDOW_SECONDS = 3600
MINUTE_SECONDS = 60


def is_over(purpose: str, person_id: UUID, limit: int) -> bool:
    """Say whether she has failed `limit` times within the hour."""
    return bool(cache.get(_name(purpose, person_id), 0) >= limit)


def failed(purpose: str, person_id: UUID) -> None:
    """Count one failure of hers; the hour runs from the first."""
    _count(_name(purpose, person_id), WINDOW_SECONDS)


def spend(purpose: str, whose: UUID, limit: int) -> int:
    """Count one use; return 0 for one of the first `limit` in this minute of the clock (real time).

    Otherwise return for how many seconds there are no more.
    """
    minute, gone = divmod(time.time(), MINUTE_SECONDS)
    used = _count(f"uses:{purpose}:{whose}:{int(minute)}", 2 * MINUTE_SECONDS)
    return 0 if used <= limit else math.ceil(MINUTE_SECONDS - gone)


def _count(name: str, seconds: int) -> int:
    cache.add(name, 0, seconds)
    try:
        return cache.incr(name)
    except ValueError:  # it ran out in this very moment
        cache.add(name, 1, seconds)
        return 1


def _name(purpose: str, person_id: UUID) -> str:
    return f"tries:{purpose}:{person_id}"
