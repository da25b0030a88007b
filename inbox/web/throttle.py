"""Limits on how often one person may try what could be guessed."""

from __future__ import annotations

from uuid import UUID

from django.core.cache import cache

WINDOW_SECONDS = 3600


def is_over(purpose: str, person_id: UUID, limit: int) -> bool:
    """Say whether she has failed `limit` times within the hour."""
    return bool(cache.get(_name(purpose, person_id), 0) >= limit)


def failed(purpose: str, person_id: UUID) -> None:
    """Count one failure of hers; the hour runs from the first."""
    name = _name(purpose, person_id)
    cache.add(name, 0, WINDOW_SECONDS)
    try:
        cache.incr(name)
    except ValueError:  # it ran out in this very moment
        cache.add(name, 1, WINDOW_SECONDS)


def _name(purpose: str, person_id: UUID) -> str:
    return f"tries:{purpose}:{person_id}"
