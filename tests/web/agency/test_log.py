"""The delivery log as an agency sees it."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connectors import clock
from connectors.contract import RawPart, Unreadable
from connectors.world.persons import by_slug
from inbox.agencies import log
from inbox.agencies.models import Agency, AgencySource, Employee
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.models import DeliveryRecord, Letter
from inbox.notifications import deliver
from inbox.notifications.rules import queue_for
from inbox.sync import quarantine
from inbox.sync.models import Source
from inbox.sync.opening import open_letter
from inbox.web.dates import Calendar
from tests.make import log_in, make_citizen, make_letter, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

NAV, SKATT = "889640782", "974761076"
LOG = "/virksomhet/889640782/logg/"
ROWS = 3000
NEXT = re.compile(r'href="([?]after=[^"]+)"')


@pytest.fixture
def nav() -> Agency:
    nav = Agency.objects.create(org_number=NAV, name="NAV")
    AgencySource.objects.create(agency=nav, source=make_source("minside-nav", "NAVs egen side"))
    return nav


@pytest.fixture
def portal(client: Client, nav: Agency) -> Client:
    berit = make_citizen("Berit")
    Employee.objects.create(agency=nav, citizen=berit)
    log_in(client, berit, 4)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def kari() -> Citizen:
    return make_citizen(email="kari@example.org")


def seen(client: Client, address: str = LOG) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def time_of_day() -> str:
    return Calendar(clock.now(), "en").time_of_day(clock.now())


def main_of(page: str) -> str:
    return page.split("<main")[1].split("</main>")[0]


def line_of(letter: Letter) -> str:
    row = DeliveryRecord.objects.get(id=letter.deliveries.get().id)
    return reverse("agency_log_line", args=[NAV, row.id])


def test_each_step_is_told_and_nothing_of_the_letter_or_the_citizen(portal, kari):
    letter = make_letter(
        kari,
        source="minside-nav",
        title="Vedtak om sykepenger",
        external_id="sak-7",
        wants_opening_receipt=True,
    )
    page = seen(portal, line_of(letter))
    assert "No receipt yet" in page and "By your own connection" in page
    clock.freeze(clock.now() + timedelta(minutes=5))
    queue_for([letter], clock.now())
    assert deliver.send_due() == 1
    notified = time_of_day()
    clock.freeze(clock.now() + timedelta(minutes=5))
    open_letter(Viewer(kari.id, SecurityLevel.HIGH), letter.id, agreed=True)
    for address in (LOG, line_of(letter)):
        page = main_of(seen(portal, address))
        assert "No receipt yet" not in page
        assert page.count(notified) == page.count(time_of_day()) == 1
        assert "sak-7" in page and "NAVs egen side" in page
        for secret in ("sykepenger", kari.name, kari.email, str(kari.id), str(letter.id)):
            assert secret not in page


def test_an_opening_that_nobody_asked_about_is_said_not_to_have_been_asked_for(portal, kari):
    letter = make_letter(kari)
    before = main_of(seen(portal, line_of(letter)))
    clock.freeze(clock.now() + timedelta(minutes=7))
    open_letter(Viewer(kari.id, SecurityLevel.HIGH), letter.id)
    assert main_of(seen(portal, line_of(letter))) == before
    assert "Not asked for" in before and "Not asked for" in seen(portal)


def test_another_agencys_letters_are_not_there(portal, kari):
    make_letter(kari, org_number=SKATT, sender="Skatteetaten", external_id="deres-1")
    theirs = DeliveryRecord.objects.get()
    assert "deres-1" not in seen(portal)
    assert "deres-1" not in seen(portal, f"{LOG}?after={theirs.id}")
    found = portal.post(LOG, {"reference": "deres-1"}).content.decode()
    assert "None of your letters" in found
    for number in (NAV, SKATT):
        address = reverse("agency_log_line", args=[number, theirs.id])
        assert portal.get(address).status_code == 404
    assert portal.get(f"/virksomhet/{SKATT}/logg/").status_code == 404


def test_letters_are_found_by_reference_and_by_channel(portal, kari):
    make_letter(kari, external_id="en", source="dpi", title="Ett")
    make_letter(kari, external_id="to", source="minside-nav", title="To")
    page = seen(portal, f"{LOG}?source=dpi")
    assert ">en<" in page and ">to<" not in page
    assert 'value="dpi" selected' in page
    page = portal.post(LOG, {"reference": " to "}).content.decode()
    assert ">to<" in page and ">en<" not in page
    assert "None of your letters" in portal.post(LOG, {"reference": "t"}).content.decode()
    assert portal.post(LOG, {"reference": ""}).status_code == 200
    assert portal.post(LOG, {"reference": "x" * 5000}).status_code == 200
    page = seen(portal, f"{LOG}?source=nothing&after=nothing")
    assert ">en<" in page and ">to<" in page


def test_other_agencies_own_sources_are_no_channels_of_its(portal):
    skatt = Agency.objects.create(org_number=SKATT, name="Skatteetaten")
    AgencySource.objects.create(agency=skatt, source=make_source("minside-skatt", "Deres side"))
    make_source("altinn", "Altinn")
    page = seen(portal)
    assert "Altinn" in page and "NAVs egen side" in page and "Deres side" not in page


def test_an_identity_number_in_a_reference_is_hidden(portal, kari):
    number = by_slug("kari").national_id
    letter = make_letter(kari, external_id=f"sak-{number}")
    for address in (LOG, line_of(letter)):
        assert number not in seen(portal, address)
    assert "sak-•" in portal.post(LOG, {"reference": f"sak-{number}"}).content.decode()


def fill(org_number: str, letters: int, source: str = "dpi") -> None:
    """Rows of the log, a minute between them, two of a minute each."""
    now = clock.now()
    DeliveryRecord.objects.bulk_create(
        DeliveryRecord(
            org_number=org_number,
            source=source,
            external_id=f"{org_number}-{number}",
            verified="certificate",
            security_level=3,
            arrived_at=now - timedelta(minutes=number // 2),
            delivered_at=now,
        )
        for number in range(letters)
    )


def test_the_log_goes_on_from_page_to_page_and_leaves_nothing_out(portal):
    fill(NAV, 120)
    fill(SKATT, 60)
    address, references = LOG, []
    for _ in range(3):
        page = seen(portal, address)
        references += [each.split("<")[0] for each in page.split("<bdi>")[1:]]
        following = NEXT.search(page)
        address = f"{LOG}{following[1]}" if following else ""
    numbers = [int(each.split("-")[1]) for each in references if each.startswith(NAV)]
    assert not address
    assert sorted(numbers) == list(range(120))
    assert [each // 2 for each in numbers] == [each // 2 for each in range(120)]


def test_it_costs_the_same_at_many_letters_as_at_few(portal):
    def cost(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            seen(portal, address)
        return len(asked)

    fill(NAV, 60)
    last = DeliveryRecord.objects.order_by("-arrived_at", "-id")[49]
    addresses = [LOG, f"{LOG}?after={last.id}", f"{LOG}?source=dpi"]
    seen(portal)
    few = [cost(each) for each in addresses]
    fill(NAV, 500)
    assert [cost(each) for each in addresses] == few
    assert max(few) <= 8


def plan(rows: QuerySet[DeliveryRecord]) -> str:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE letters_deliveryrecord")
    return rows[:51].explain()


def test_the_database_reads_a_page_from_an_index_however_long_the_log_is(nav):
    for org_number, source in [(NAV, "dpi"), (NAV, "altinn"), (SKATT, "dpi")]:
        fill(org_number, ROWS, source)
    middle = DeliveryRecord.objects.filter(org_number=NAV).order_by("arrived_at")[ROWS]
    first, later = log.lines(nav), log.lines(nav, after=str(middle.id))
    for rows, index in [
        (first, "record_list"),
        (later, "record_list"),
        (log.lines(nav, "dpi"), "record_by_source"),
        (log.by_reference(nav, f"{NAV}-5"), "record_by_reference"),
    ]:
        said = plan(rows)
        assert index in said, said
        if index != "record_by_reference":
            assert "TEMP B-TREE" not in said and "Sort" not in said, said
    assert len(first[:51]) == len(later[:51]) == 51


def test_a_channel_that_is_gone_keeps_its_letters_under_its_short_name(portal, kari):
    letter = make_letter(kari, source="dpi")
    Source.objects.filter(slug="dpi").delete()
    assert "dpi" in seen(portal, line_of(letter))
    assert portal.get(reverse("agency_log_line", args=[NAV, uuid4()])).status_code == 404


def test_what_could_not_be_delivered_from_its_own_sources_is_counted_above(portal, kari):
    assert "could not be delivered" not in seen(portal)
    for slug in ("minside-nav", "minside-skatt"):
        broken = Unreadable("1", "no title", [RawPart("x.json", b"{}", "application/json")])
        kept = quarantine.keep(make_source(slug), broken, kari.id)
        assert kept is not None
        quarantine.record([kept])
    page = seen(portal)
    assert "1 letter from your own connection could not be delivered" in page
    assert reverse("agency_quarantine", args=[NAV]) in page
