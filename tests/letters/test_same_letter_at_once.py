"""Two workers take in the two copies of a letter at the same moment."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from django.db import connection, transaction

from inbox.citizens.models import Citizen, InboxState
from inbox.letters.models import Delivery, Letter
from inbox.letters.receive import receive
from tests.incoming import NOW, arrival, incoming

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]


def test_two_workers_at_once_make_one_letter():
    kari = Citizen.objects.create(name="Kari Nordmann", email="kari@example.org")
    InboxState.objects.create(citizen=kari)
    copies = [
        arrival(kari.id, incoming(source, same_as=["dpi:c1"]), source)
        for source in ("dpi", "minside-nav", "altinn")
    ]
    together = Barrier(len(copies))
    failed: list[Exception] = []

    def work(mine):
        try:
            together.wait(timeout=120)
            with transaction.atomic():
                receive([mine], NOW)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    workers = [Thread(target=work, args=(each,)) for each in copies]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert failed == []
    letter = Letter.objects.get(citizen=kari)
    assert len(letter.other_sources.split()) == 2
    assert Delivery.objects.filter(citizen=kari, letter_id=letter.id).count() == 3
    state = InboxState.objects.get(citizen=kari)
    assert (state.letters, state.unread) == (1, 1)
