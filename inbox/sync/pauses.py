"""A source that asks us to wait (429) is left alone until then, by everything that we do there.

Nothing is lost by it, and it is nobody's failure: what was to be done is put off, the attempt does
not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from connectors.contract import RateLimited
from inbox.sync.models import Source

RATE_LIMITED = RateLimited.__name__.lower()
"""How it stands on the mailbox or the queue whose fetch was put off."""


class Paused(RateLimited):
    """The source asked us to wait a while ago, and was not asked again."""

    def __init__(self, until: datetime) -> None:
        super().__init__("the source has asked us to wait")
        self.until = until


def note(slug: str, error: RateLimited) -> datetime:
    """Leave a source alone that has asked us to wait; returns until when (real time)."""
    return error.until if isinstance(error, Paused) else pause(slug, error.retry_after)


def pause(slug: str, seconds: float) -> datetime:
    """Leave a source alone for so long; returns until when (real time).

    A pause that lasts longer is not cut short.
    """
    until = timezone.now() + timedelta(seconds=seconds)
    shorter = Q(paused_until=None) | Q(paused_until__lt=until)
    if not Source.objects.filter(shorter, slug=slug).update(paused_until=until):
        return paused_until([slug]) or until
    return until


def respect(source: Source) -> None:
    """Raise Paused while the source is to be left alone."""
    if until := paused_until([source.slug]):
        raise Paused(until)


def paused_until(slugs: Iterable[str]) -> datetime | None:
    """Return until when the last of these sources is left alone; None where none is (1 query)."""
    found = Source.objects.filter(slug__in=set(slugs), paused_until__gt=timezone.now())
    latest: datetime | None = found.aggregate(latest=Max("paused_until"))["latest"]
    return latest


def paused() -> QuerySet[Source, str]:
    """Return the slugs of the sources that are left alone now."""
    return Source.objects.filter(paused_until__gt=timezone.now()).values_list("slug", flat=True)


def not_paused(now: datetime, prefix: str = "") -> Q:
    """Match sources that have not asked us to wait; `prefix` leads to the source's columns."""
    return Q(**{f"{prefix}paused_until": None}) | Q(**{f"{prefix}paused_until__lte": now})
