"""Putting a made-up citizen back to her seeded start, between two participants of a session."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from inbox.archive import store
from inbox.archive.models import Package
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, Identifier, InboxState
from inbox.letters import counters
from inbox.letters.models import Letter
from inbox.notifications.models import OutboxEmail
from inbox.sync import engine
from inbox.sync.models import Mailbox, Quarantined


def reset_citizen(national_id: str) -> int:
    """Forget all of a citizen's letters and fetch them anew; returns how many there are now.

    Only for the demo. The simulators must have been reset for her before. Raises
    Citizen.DoesNotExist and, outside the demo, PermissionError.
    """
    if not settings.DEMO:
        raise PermissionError("citizens can be reset in the demo only")
    citizen = find_citizen(Identifier.Kind.NATIONAL_ID, national_id)
    if citizen is None:
        raise Citizen.DoesNotExist
    _forget(citizen)
    for mailbox in Mailbox.objects.select_related("source").filter(citizen=citizen):
        if mailbox.source.shared_queue:
            engine.sync_source(mailbox.source_id)
        else:
            engine.sync_mailbox(citizen.id, mailbox.id)
    return InboxState.objects.get(citizen=citizen).letters


def _forget(citizen: Citizen) -> None:
    objects: list[UUID] = list(Package.objects.filter(citizen=citizen).values_list("id", flat=True))
    with transaction.atomic():
        # A worker in the middle of her mailbox loses its lease and so writes nothing more.
        Mailbox.objects.filter(citizen=citizen).update(
            cursor=None, lease_token=None, lease_until=None, failures=0, failure="",
            due_at=timezone.now(),
        )  # fmt: skip
        Mailbox.objects.filter(citizen=citizen, source__shared_queue=True).update(due_at=None)
        Letter.objects.filter(citizen=citizen).delete()
        Package.objects.filter(citizen=citizen).delete()
        Quarantined.objects.filter(citizen=citizen).delete()
        OutboxEmail.objects.filter(to=citizen.email).delete()
        counters.recount(citizen.id)
    for object_id in objects:
        store.remove(object_id)
