"""Drafts of letters that are thrown away: by whoever made them, or by nobody's sending them.

And the keys by which agencies' systems sent letters, once nobody asks with them again.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors import clock
from inbox.agencies.models import Agency, Dispatch, Submission
from inbox.archive import store

DRAFTS_KEPT = timedelta(hours=24)
SHOWN = 5
KEYS_KEPT = timedelta(days=7)
BATCH = 500


def waiting(agency: Agency) -> list[Dispatch]:
    """Return the latest drafts that somebody at the agency has made and not sent.

    Those of the agency's own system are its own to send.
    """
    own = Dispatch.objects.filter(agency=agency, state=Dispatch.State.DRAFT, by__isnull=False)
    return list(own.order_by("-made_at")[:SHOWN])


def discard(agency: Agency, dispatch_id: UUID) -> bool:
    """Throw a draft away with its file; False where there is no such draft."""
    drafts = Dispatch.objects.filter(agency=agency, id=dispatch_id, state=Dispatch.State.DRAFT)
    with transaction.atomic():
        gone = bool(drafts.delete()[0])
    if gone:
        store.remove(agency.id, dispatch_id)
    return gone


def discard_forgotten() -> int:
    """Throw away drafts that nobody has sent within DRAFTS_KEPT; returns how many."""
    old = Dispatch.objects.filter(
        state=Dispatch.State.DRAFT, made_at__lt=clock.now() - DRAFTS_KEPT
    ).select_related("agency")
    return sum(discard(each.agency, each.id) for each in list(old[:BATCH]))


def forget_submissions() -> int:
    """Forget Idempotency-Keys that are older than KEYS_KEPT; returns how many."""
    old = Submission.objects.filter(claimed_at__lt=timezone.now() - KEYS_KEPT)
    found = list(old.order_by("claimed_at").values_list("id", flat=True)[: 10 * BATCH])
    return Submission.objects.filter(id__in=found).delete()[0]
