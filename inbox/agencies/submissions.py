"""A letter that an agency's system sends: once, however often the system asks.

By draft-ietf-httpapi-idempotency-key-header: the system names each letter with a key of its own
making, and asks again with the same key when it got no answer. A worker that dies in between
leaves a claim that runs out; the letter leaves in the transaction that settles the claim.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import timedelta
from io import BytesIO
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from inbox.agencies import drafts, outgoing
from inbox.agencies.letters import Terms, Wanted, form_row
from inbox.agencies.models import Agency, Outgoing, Submission
from inbox.citizens.identity import blind_index
from inbox.citizens.owned import new_id

CLAIM = timedelta(minutes=2)
"""After that a worker that has not settled its claim is taken for dead."""


class InProgress(Exception):
    """The same is being sent by another worker."""


class Reused(Exception):
    """The key was used for something else."""


def submit(
    agency: Agency, key: str, terms: Terms, letter: Wanted, pdf: bytes, name: str = ""
) -> Outgoing:
    """Send a letter and return it; what was sent with this key before is returned as it stands.

    Raises letters.Refused, with which the key is free again, InProgress and Reused.
    """
    said = _fingerprint(terms, letter, pdf, name)
    claim = _claim(agency, key, said)
    if isinstance(claim, Outgoing):
        return claim
    try:
        draft = outgoing.prepare(agency, terms, [letter], BytesIO(pdf), name=name)
        with transaction.atomic():
            settled = Submission.objects.filter(agency=agency, key=key, claim=claim, dispatch=None)
            if not settled.update(dispatch=draft):
                raise InProgress
            outgoing.confirm(agency, draft.id)
    except InProgress:
        drafts.discard(agency, draft.id)
        raise
    except Exception:
        Submission.objects.filter(agency=agency, key=key, claim=claim, dispatch=None).delete()
        raise
    return draft.letters.select_related("dispatch").get()


def _claim(agency: Agency, key: str, said: bytes) -> UUID | Outgoing:
    """Return a claim to what a key stands for, or the letter that has been sent with it."""
    claim, now = new_id(), timezone.now()
    try:
        with transaction.atomic():
            Submission.objects.create(
                agency=agency, key=key, fingerprint=said, claim=claim, claimed_at=now
            )
    except IntegrityError:
        known = Submission.objects.filter(agency=agency, key=key).first()
    else:
        return claim
    if known is None:  # refused, and so free again, in this very moment
        raise InProgress
    if bytes(known.fingerprint) != said:
        raise Reused
    if known.dispatch_id:
        return Outgoing.objects.select_related("dispatch").get(dispatch_id=known.dispatch_id)
    run_out = Submission.objects.filter(
        id=known.id, claim=known.claim, dispatch=None, claimed_at__lt=now - CLAIM
    )
    if not run_out.update(claim=claim, claimed_at=now):
        raise InProgress
    return claim


def _fingerprint(terms: Terms, letter: Wanted, pdf: bytes, name: str) -> bytes:
    """Return what tells one request from another: nothing of whom it is to can be had from it."""
    said = {
        "terms": asdict(terms) | {"form": form_row(terms.form)},
        "letter": asdict(letter),
        "pdf": hashlib.sha256(pdf).hexdigest(),
        "name": name,
    }
    return blind_index("submission", json.dumps(said, sort_keys=True, default=str))
