"""What died before its rows is found in the archive; what anybody refers to never is."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from connectors.contract import RawPart, Unreadable
from inbox.agencies import leftovers, outgoing
from inbox.agencies.models import Agency, Answer, Outgoing
from inbox.agencies.outgoing import Terms
from inbox.archive import store
from inbox.archive.models import Holding, ObjectKey, Package
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Tombstone
from inbox.sync import quarantine, replies
from tests.agencies.sending import pdf, wanted
from tests.incoming import WRITE
from tests.make import make_citizen, make_letter, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


def grow_old() -> None:
    Holding.objects.update(stored_at=timezone.now() - timedelta(days=40))


def listed(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("archive_leftovers", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_what_nothing_refers_to_is_listed_and_removed_when_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(leftovers, "BATCH", 2)
    kari = make_citizen()
    letters = [make_letter(kari) for _ in range(3)]
    lost = [uuid4() for _ in range(3)]
    for each in lost:
        store.put(kari.id, each, {"files/0001.pdf": b"lost"})
    assert listed() == ["0 objects to which nothing refers, left as they are."]
    grow_old()
    young = uuid4()
    store.put(kari.id, young, {"files/0001.pdf": b"of today"})
    *ids, summary = listed()
    assert sorted(ids) == sorted(map(str, lost))
    assert summary.startswith("3 objects")
    assert all(store.exists(each) for each in lost)
    listed("--remove")
    assert not any(store.exists(each) for each in lost)
    assert store.exists(young)
    assert Package.objects.count() == len(letters)
    assert ObjectKey.objects.count() == len(letters) + 1
    assert listed()[-1].startswith("0 objects")


def test_whatever_somebody_refers_to_is_none():
    kari = make_citizen()
    letter = make_letter(kari, reply_forms=[WRITE])
    draft = replies.attach(Viewer(kari.id), letter.id, WRITE.code, "a.pdf", [b"%PDF-1.7 mine"])
    broken = Unreadable("1", "no title", [RawPart("x.json", b"{}", "application/json")])
    kept = quarantine.keep(make_source(), broken, kari.id)
    assert kept
    quarantine.record([kept])
    agency = Agency.objects.create(org_number="889640782", name="NAV")
    sent = outgoing.submit(agency, Terms(), [wanted()], pdf())
    answer = Answer(id=uuid4(), outgoing=Outgoing.objects.get(), at=timezone.now(), files=[])
    store.put(agency.id, answer.id, {"files/0001.pdf": b"%PDF-1.7"})
    answer.save()
    owed = uuid4()
    store.put(kari.id, owed, {"files/0001.pdf": b"to be removed"})
    Tombstone.objects.create(citizen=kari, id=owed, external_digest="", deleted_at=timezone.now())
    grow_old()
    assert list(leftovers.leftovers(timedelta(days=30))) == []
    assert {str(each) for each in ObjectKey.objects.values_list("object_id", flat=True)} >= {
        str(each) for each in (kept.row.id, sent.id, answer.id, owed, draft.attachments[0]["id"])
    }


def test_a_span_that_leaves_something_to_chance_is_refused():
    with pytest.raises(CommandError):
        listed("--days", "0", "--remove")
