"""The delivery log by the API: an agency's own letters, how far each has come, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors import clock
from inbox.agencies import keys
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Delivery, DeliveryRecord
from inbox.sync import opening
from tests.make import make_citizen, make_letter
from tests.web.agency_api.conftest import NAV, OSLO, asking

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

NATIONAL_ID = "17849200399"


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"


def record(number: int = 0, **fields) -> DeliveryRecord:
    """A row as it is written when a letter arrives, each an hour older than the one before."""
    said = {
        "org_number": NAV,
        "source": "altinn",
        "external_id": f"sak-{number}",
        "verified": "source",
        "security_level": 3,
        "arrived_at": clock.now() - timedelta(hours=number),
        "delivered_at": clock.now() - timedelta(hours=number),
    }
    return DeliveryRecord.objects.create(id=uuid4(), **said | fields)


def test_a_letter_is_seen_as_it_arrives_and_as_it_is_opened(ask):
    kari = make_citizen()
    letter = make_letter(kari, external_id="2026-7", title="Kun for Kari", security_level=4)
    delivery = Delivery.objects.get(letter_id=letter.id)
    (said,) = ask("letters").json()["items"]
    assert said == {
        "id": str(delivery.id),
        "reference": "2026-7",
        "source": "altinn",
        "sender_proved_by": "source",
        "security_level": 4,
        "received_at": said["received_at"],
        "delivered_at": said["received_at"],
        "notified_at": None,
        "opening_is_told": False,
        "opened_at": None,
        "replied_at": None,
        "withdrawn_at": None,
    }
    assert said["received_at"].endswith("Z")
    assert ask(f"letters/{delivery.id}").json() == said
    opening.open_letter(Viewer(kari.id, 4), letter.id)
    assert ask(f"letters/{delivery.id}").json() == said  # no receipt was asked for


def test_an_opening_is_told_if_she_agreed_to_that(ask):
    kari = make_citizen()
    letters = [
        make_letter(kari, external_id=str(wants), wants_opening_receipt=wants)
        for wants in (True, False)
    ]
    for letter in letters:
        opening.open_letter(Viewer(kari.id), letter.id, agreed=True)
    told, untold = (ask("letters", reference=name).json()["items"][0] for name in ("True", "False"))
    assert told["opening_is_told"] and told["opened_at"]
    assert not untold["opening_is_told"] and untold["opened_at"] is None
    assert DeliveryRecord.objects.exclude(opened_at=None).count() == 2


def test_another_agencys_letter_is_not_there(ask, oslo):
    others = record(org_number=OSLO)
    own = record(1)
    key = keys.create(oslo, "Arkivet", make_citizen("Anne").id)
    assert [each["id"] for each in ask("letters").json()["items"]] == [str(own.id)]
    answer = ask(f"letters/{others.id}")
    assert answer.status_code == 404
    assert answer.json() == ask(f"letters/{uuid4()}").json()
    assert ask("letters", reference=others.external_id).json()["items"] == []
    assert asking(key.secret)(f"letters/{others.id}").status_code == 200


def test_pages_go_on_where_the_one_before_ended(ask):
    rows = [record(number) for number in range(5)]
    same = clock.now() - timedelta(hours=9)
    rows += sorted(
        (record(9 + number, arrived_at=same) for number in range(4)),
        key=lambda row: row.id,
        reverse=True,
    )
    seen, cursor = [], {}
    while True:
        page = ask("letters", limit=2, **cursor).json()
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        record(-len(seen))  # what arrives meanwhile moves nothing
        cursor = {"cursor": page["next"]}
    assert seen == [str(row.id) for row in rows]


def test_letters_are_found_by_reference_and_channel(ask):
    first, second = record(0), record(1, source="minside-nav")
    found = ask("letters", reference="sak-1").json()["items"]
    assert [each["id"] for each in found] == [str(second.id)]
    found = ask("letters", source="altinn").json()["items"]
    assert [each["id"] for each in found] == [str(first.id)]
    assert ask("letters", source="altinn", reference="sak-1").json()["items"] == []


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"reference": "a\x00b"}, "reference"),
        ({"reference": "x" * 256}, "reference"),
        ({"source": "a b"}, "source"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(ask, query, name):
    answer = ask("letters", **query)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert (error["in"], error["name"]) == ("query", name)
    assert len(query[name]) < 4 or query[name] not in answer.text


def test_a_misspelt_filter_is_refused(ask):
    record()
    answer = ask("letters", refrence="sak-7")
    assert answer.status_code == 400
    assert answer.json()["detail"].endswith("Known here: cursor, limit, reference, source.")
    assert ask("agency", limit=1).status_code == 400


def test_a_call_costs_as_much_at_many_letters_as_at_few(ask):
    for number in range(3):
        record(number)
    ask("agency")  # the key's use is noted once a minute
    few = queries(ask, "letters", limit=100)
    for number in range(3, 60):
        record(number)
    assert queries(ask, "letters", limit=100) == few == 2


def test_no_national_identity_number_stands_in_any_answer(ask):
    kari = make_citizen()
    make_letter(kari, external_id=f"brev-{NATIONAL_ID}", title=NATIONAL_ID, body=NATIONAL_ID)
    row = DeliveryRecord.objects.get()
    for answer in (ask("letters"), ask(f"letters/{row.id}"), ask("letters", limit=NATIONAL_ID)):
        assert NATIONAL_ID not in answer.text
        assert str(kari.id) not in answer.text and "Kari" not in answer.text


def queries(ask, address: str, **query) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert ask(address, **query).status_code == 200
    return len(asked)
