from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from connectors import clock
from connectors.contract import RawPart, Unreadable
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen, identify
from inbox.letters.models import Letter
from inbox.sync import engine, quarantine
from inbox.sync.addresses import learn
from inbox.sync.models import Quarantined, Rejection
from inbox.web.views import operator
from tests.make import log_in, make_citizen, make_mailbox, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

PAGE = "/operator/quarantine/"
BROKEN = b'{"title": 12, "script": "<script>alert(1)</script>"}'
NATIONAL_ID = by_slug("kari").national_id


@pytest.fixture
def staff(client):
    client.cookies["django_language"] = "en"
    citizen = make_citizen("Odd Operatør", is_staff=True)
    log_in(client, citizen)
    return client


def broken(external_id: str = "17", reason: str = "title is no text", **fields) -> Quarantined:
    parts = [RawPart("item.json", BROKEN + external_id.encode(), "application/json")]
    source = make_source()
    kept = quarantine.keep(source, Unreadable(external_id, reason, parts), None)
    assert kept is not None
    item = kept.row
    assert item is not None
    for name, value in fields.items():
        setattr(item, name, value)
    quarantine.record([kept])
    return item


def page(client) -> str:
    return client.get(PAGE).content.decode()


def test_what_could_not_be_read_is_listed_with_its_reason_and_files(staff):
    item = broken()
    shown = page(staff)
    assert "title is no text" in shown
    assert "Altinn" in shown
    assert "item.json" in shown
    assert f'href="/operator/quarantine/{item.id}/file/0/"' in shown


def test_an_empty_quarantine_says_so(staff):
    shown = page(staff)
    assert "Everything that arrived could be read." in shown
    assert "Every source answered the last time we asked." in shown


def test_only_those_who_run_samlepost_see_the_page(client):
    item = broken()
    addresses = [PAGE, f"{PAGE}{item.id}/file/0/"]
    assert [client.get(address).status_code for address in addresses] == [404, 404]
    log_in(client, make_citizen(), level=4)
    assert [client.get(address).status_code for address in addresses] == [404, 404]
    assert client.post(f"{PAGE}{item.id}/replay/").status_code == 404
    item.refresh_from_db()
    assert item.replays == 0


def test_a_file_is_handed_out_as_it_arrived_and_never_shown(staff):
    item = broken()
    answer = staff.get(f"{PAGE}{item.id}/file/0/")
    assert b"".join(answer) == BROKEN + b"17"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="item.json"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert int(answer["Content-Length"]) == len(BROKEN) + 2
    assert "no-store" in answer["Cache-Control"]


def test_a_file_that_the_item_lacks_is_not_there(staff):
    item = broken()
    assert staff.get(f"{PAGE}{item.id}/file/1/").status_code == 404
    store.remove(store.SYSTEM, item.id)
    assert staff.get(f"{PAGE}{item.id}/file/0/").status_code == 404


def test_no_identity_number_is_shown(staff):
    item = broken(f"letter-{NATIONAL_ID}", f"recipient {NATIONAL_ID} is odd")
    item.files[0]["path"] = f"original/{NATIONAL_ID}.json"
    item.save()
    shown = page(staff)
    assert NATIONAL_ID not in shown
    assert "recipient ••••••••••• is odd" in shown


def test_what_a_source_says_is_shown_as_text(staff):
    broken("<b>1</b>", "<script>alert(1)</script>")
    shown = page(staff)
    assert "<script>alert" not in shown
    assert "&lt;b&gt;1&lt;/b&gt;" in shown


def test_a_replay_that_succeeds_makes_a_letter(staff, demo_citizens):
    citizen = find_citizen("national_id", NATIONAL_ID)
    citizen.identifiers.filter(kind="mailbox_address").delete()
    letter = new_letter(by_slug("kari"), Channel.DIGIPOST, title="Vedtak", at=clock.now())
    demo_citizens.control.by_channel[Channel.DIGIPOST].send(letter)
    engine.sync_source(Channel.DIGIPOST.value)
    item = quarantine.waiting().get()

    shown = staff.post(f"{PAGE}{item.id}/replay/", follow=True).content.decode()
    assert "It still cannot be read." in shown
    assert not Letter.objects.exists()

    identify(citizen, "mailbox_address", by_slug("kari").mailbox_address)
    shown = staff.post(f"{PAGE}{item.id}/replay/", follow=True).content.decode()
    assert "It could be read now" in shown
    assert "Everything that arrived could be read." in shown
    assert Letter.objects.get(citizen=citizen).title == "Vedtak"
    assert staff.post(f"{PAGE}{item.id}/replay/").status_code == 404


def test_a_link_does_not_replay(staff):
    item = broken()
    assert staff.get(f"{PAGE}{item.id}/replay/").status_code == 405
    item.refresh_from_db()
    assert item.replays == 0


def test_page_after_page_shows_every_item_once(staff, monkeypatch):
    monkeypatch.setattr(operator, "ITEMS_A_PAGE", 4)
    made = {str(broken(str(number)).id) for number in range(10)}
    seen, address = [], PAGE
    while address:
        shown = staff.get(address).content.decode()
        seen += re.findall(rf'action="{PAGE}([^/]+)/replay/"', shown)
        older = re.search(r'href="(\?after=[^"]+)"', shown)
        address = f"{PAGE}{older[1]}" if older else ""
    assert len(seen) == 10
    assert set(seen) == made


def test_failures_are_counted_by_source_and_kind(staff, django_assert_num_queries):
    for number in range(3):
        make_mailbox(make_citizen(f"P{number}"), failure="temporary", failures=number + 1)
    make_mailbox(make_citizen("P3"), failure="notpermitted", failures=1)
    make_mailbox(make_citizen("P4"))
    make_source(
        "dpi-digipost",
        "Digipost",
        shared_queue=True,
        failure="misconfigured",
        failures=7,
        failure_detail=f"no key for {NATIONAL_ID}",
    )
    shown = staff.get(PAGE).content.decode()
    rows = re.findall(r"<tr>(.*?)</tr>", shown.partition("<tbody>")[2], re.DOTALL)
    found = [tuple(re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)[:4]) for row in rows]
    assert found == [
        ("Altinn", "Does not let us fetch", "1", "1"),
        ("Altinn", "Does not answer as it should", "3", "3"),
        ("Digipost", "Our set-up is wrong", "all", "7"),
    ]
    assert NATIONAL_ID not in shown
    # The citizen, her sources, what waits, what fails (3), who asks us to wait, which addresses
    # two have.
    with django_assert_num_queries(8):
        staff.get(PAGE)


def test_an_address_that_the_register_gives_to_two_is_shown_as_a_number_alone(staff):
    assert "Addresses of two citizens" not in page(staff)
    learn(make_citizen("Kari"), "984661185", "kari.nordmann#9YDT")
    learn(make_citizen("Ola"), "984661185", "kari.nordmann#9YDT")
    shown = page(staff)
    assert "gives 1 mailbox address to two citizens" in shown
    assert "9YDT" not in shown


def rejection(item: Quarantined, **fields) -> Rejection:
    owed = {"fault": "server", "at": item.arrived_at, "due_at": timezone.now(), **fields}
    return Rejection.objects.create(quarantined=item, **owed)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (None, "Its sender gets no answer from us."),
        ({"due_at": timedelta(hours=3, minutes=30)}, "If it is not mended within 4 hours"),
        ({"due_at": timedelta(seconds=90)}, "If it is not mended within 2 minutes"),
        (
            {"due_at": timedelta(minutes=90), "fault": "client"},
            "If its owner is not found within 2 hours",
        ),
        ({}, "The error receipt to the sender is about to be sent."),
        ({"sent_at": STUDY_DATE, "fault": "client"}, "the sender&#x27;s fault."),
        ({"sent_at": STUDY_DATE}, "our fault."),
        ({"state": "failed", "last_error": "503"}, "The error receipt could not be sent: 503"),
    ],
)
def test_the_page_says_what_the_sender_was_told(staff, fields, words):
    item = broken()
    if fields is not None:
        held = fields.get("due_at")
        rejection(item, **fields | ({"due_at": timezone.now() + held} if held else {}))
    assert words in page(staff).replace("&#39;", "&#x27;")
