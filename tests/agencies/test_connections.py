from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors import clock
from connectors.contract import RawPart, Unreadable
from connectors.keys import signing_key
from connectors.maskinporten.simulator import CLIENT_KEY
from connectors.world.persons import PERSONS
from inbox.agencies import conformance, connections
from inbox.agencies.models import Agency, AgencySource, ConformanceRun, Employee
from inbox.sync import consent, quarantine
from inbox.sync.models import Mailbox, Quarantined, Source
from tests.make import log_in, make_citizen, make_mailbox, make_source

pytestmark = pytest.mark.django_db

NUMBER = "889640782"
ADDRESS = "https://feed.example.no/samlepost/v1"
KARI, OLA = (each.national_id for each in PERSONS[:2])


@pytest.fixture
def nav(_keys, settings) -> Agency:
    signing_key(_keys / CLIENT_KEY)
    settings.KRR_PRIVATE_KEY_FILE = str(_keys / CLIENT_KEY)
    return Agency.objects.create(org_number=NUMBER, name="NAV")


@pytest.fixture
def portal(client: Client, nav) -> Client:
    berit = make_citizen("Berit")
    Employee.objects.create(agency=nav, citizen=berit)
    log_in(client, berit, 4)
    return client


@pytest.fixture
def other() -> Agency:
    return Agency.objects.create(org_number="974761076", name="Skatteetaten")


def own_source(agency: Agency, slug: str, **fields) -> Source:
    source = make_source(slug, slug.title(), **fields)
    AgencySource.objects.create(source=source, agency=agency)
    return source


def break_one(source: Source, reason: str = "no title", external_id: str = "") -> Quarantined:
    raw = [RawPart("item.json", uuid4().hex.encode(), "application/json")]
    kept = quarantine.keep(source, Unreadable(external_id or uuid4().hex, reason, raw), None)
    assert kept
    quarantine.record([kept])
    return kept.row


def page(client: Client, name: str) -> str:
    answer = client.get(reverse(name, args=[NUMBER]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_health_says_how_many_fail_and_never_whose(portal, nav):
    own_source(nav, "navs")
    for number in range(3):
        make_mailbox(make_citizen(f"Borger {number}"), "navs", due_at=timezone.now())
    make_mailbox(
        make_citizen("Ola"),
        "navs",
        failure="temporary",
        failure_detail="12345678901 said no",
        due_at=timezone.now(),
    )
    shown = page(portal, "agency_connections")
    assert "1 innbygger" in shown and "12345678901" not in shown
    assert "Borger" not in shown and "Ola" not in shown
    (found,) = connections.health(nav)
    assert found.failing == {"temporary": 1} and found.last_success_at


def test_the_health_of_a_source_takes_two_queries_however_many_citizens(
    nav, django_assert_num_queries
):
    own_source(nav, "navs")
    for number in range(2):
        make_mailbox(make_citizen(f"Borger {number}"), "navs", due_at=timezone.now())
    with django_assert_num_queries(3):
        connections.health(nav)
    for number in range(60):
        make_mailbox(make_citizen(f"Flere {number}"), "navs", due_at=timezone.now())
    with django_assert_num_queries(3):
        connections.health(nav)


def test_another_agencys_sources_and_errors_are_not_seen(portal, nav, other):
    theirs = own_source(other, "skatts")
    own_source(nav, "navs")
    item = break_one(theirs, "theirs alone")
    assert "Skatts" not in page(portal, "agency_connections")
    assert "theirs alone" not in page(portal, "agency_quarantine")
    replay = reverse("agency_quarantine_replay", args=[NUMBER, item.id])
    assert portal.post(replay).status_code == 404
    start = reverse("agency_conformance_start", args=[NUMBER])
    assert 'role="alert"' in portal.post(start, {"source": "skatts"}).content.decode()
    assert not ConformanceRun.objects.exists()
    assert Quarantined.objects.get().replays == 0


def test_another_agencys_run_is_not_there(portal, nav, other):
    own_source(other, "skatts")
    run = conformance.ask(other, "skatts", make_citizen().id)
    for name, args in (("agency_conformance_run", []), ("agency_conformance_file", ["xml"])):
        assert portal.get(reverse(name, args=[NUMBER, run.id, *args])).status_code == 404


def test_what_could_not_be_delivered_is_tried_again(portal, nav):
    source = own_source(nav, "navs")
    item = break_one(source, "no title of 12345678901", external_id="brev-1")
    shown = page(portal, "agency_quarantine")
    assert "brev-1" in shown and "12345678901" not in shown
    portal.post(reverse("agency_quarantine_replay", args=[NUMBER, item.id]))
    item.refresh_from_db()
    assert item.replays == 1 and item.resolved_at is None
    assert "brev-1" in page(portal, "agency_quarantine")


def test_errors_come_page_by_page(portal, nav, monkeypatch):
    monkeypatch.setattr("inbox.web.views.agency.quarantine.ITEMS_A_PAGE", 2)
    source = own_source(nav, "navs")
    made = {f"brev-{number}" for number in range(5)}
    for name in made:
        break_one(source, external_id=name)
    address, seen = reverse("agency_quarantine", args=[NUMBER]), []
    for _ in range(3):
        shown = portal.get(address).content.decode()
        seen += [name for name in made if name in shown]
        if "?after=" in shown:
            address = address.split("?")[0] + "?after=" + shown.split("?after=")[1].split('"')[0]
    assert sorted(seen) == sorted(made)


@pytest.mark.parametrize(
    "address",
    [
        "http://feed.example.no/v1",
        "ftp://feed.example.no/v1",
        "https://user:secret@feed.example.no/v1",
        "https://feed.example.no/v1?a=1",
        "https://feed.example.no:port/v1",
        "https://",
        "feed.example.no",
        "",
        "https://" + "a" * 500 + ".no/",
    ],
)
def test_what_is_no_feeds_address_is_not_written_down(portal, nav, settings, address):
    said = {"address": address, "label": "NAV", "retention_days": ""}
    answer = portal.post(reverse("agency_connections_feed", args=[NUMBER]), said)
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not Source.objects.exists()


@pytest.mark.parametrize("days", ["-1", "1.5", "aldri", "99999", "²"])
def test_what_is_no_number_of_days_is_not_written_down(portal, nav, days):
    said = {"address": ADDRESS, "label": "NAV", "retention_days": days}
    answer = portal.post(reverse("agency_connections_feed", args=[NUMBER]), said)
    assert "retention_days-error" in answer.content.decode()
    assert not Source.objects.exists()


def test_this_machine_is_an_address_only_where_a_setting_says_so(nav, settings):
    wanted = connections.Wanted("http://localhost:3000", "NAV")
    settings.FEEDS_ON_LOOPBACK = False
    with pytest.raises(connections.Refused):
        connections.write_down(nav, wanted)
    settings.FEEDS_ON_LOOPBACK = True
    assert not connections.write_down(nav, wanted).active


def test_another_agencys_host_is_nobody_elses_to_try(nav, other):
    own_source(other, "skatts", settings={"base_url": "https://feed.example.no/skatt"})
    with pytest.raises(connections.Refused, match="another's"):
        connections.write_down(nav, connections.Wanted(ADDRESS, "NAV"))
    own_source(nav, "navs", settings={"base_url": "https://mine.example.no/nav"})
    assert connections.write_down(nav, connections.Wanted("https://mine.example.no/feed", "NAV"))


@pytest.mark.parametrize(
    "address",
    [
        "https://feed.example.no:443/samlepost",
        "https://feed.example.no./samlepost",
        "https://FEED.example.no/samlepost",
        "https://blåbær.example.no/samlepost",
        "https://xn--blbr-roah.example.no:8443/samlepost",
        "https://files.example.no/samlepost",
    ],
)
def test_another_agencys_host_is_known_however_it_is_written(nav, other, address):
    own_source(other, "skatts", settings={"base_url": "https://feed.example.no/skatt"})
    said = {
        "base_url": "https://xn--blbr-roah.example.no",
        "documents_url": "https://files.example.no/d",
    }
    own_source(other, "skatts-2", settings=said)
    own_source(other, "skatts-3", settings={"base_url": "https://blåbær.example.no:8443/"})
    with pytest.raises(connections.Refused, match="another's"):
        connections.check_address(nav, address)


def test_a_feed_has_no_other_sources_name(portal, nav, other):
    own_source(other, "skatts")
    with pytest.raises(connections.Refused, match="another's label"):
        connections.write_down(nav, connections.Wanted(ADDRESS, "  SKATTS "))
    said = {"address": ADDRESS, "label": "Skatts", "retention_days": ""}
    answer = portal.post(reverse("agency_connections_feed", args=[NUMBER]), said)
    assert "label-error" in answer.content.decode()
    assert connections.write_down(nav, connections.Wanted(ADDRESS, "NAV"))


def test_a_feed_that_moves_is_tried_anew_before_it_is_used(nav):
    source = connections.write_down(nav, connections.Wanted(ADDRESS, "NAV"))
    assert not connections.take_into_use(nav)
    run = conformance.ask(nav, source.slug, make_citizen().id)
    ConformanceRun.objects.filter(id=run.id).update(state="done", failed=1)
    assert not connections.take_into_use(nav)
    ConformanceRun.objects.filter(id=run.id).update(failed=0)
    assert connections.take_into_use(nav)
    kept = connections.write_down(nav, connections.Wanted(ADDRESS, "Nytt navn", 365))
    assert kept.active and kept.settings["retention_days"] == "365"
    moved = connections.write_down(nav, connections.Wanted(f"{ADDRESS}/2", "NAV"))
    assert not moved.active and not moved.offered
    assert not connections.take_into_use(nav)
    connections.stop(nav)


def test_citizens_are_offered_what_is_in_use_and_nothing_else(nav, client):
    kari = make_citizen("Kari")
    source = connections.write_down(nav, connections.Wanted(ADDRESS, "NAVs egen side"))
    log_in(client, kari)
    assert "NAVs egen side" not in client.get("/sources/").content.decode()
    assert client.post(reverse("source_connect", args=[source.slug])).status_code == 404
    Source.objects.filter(slug=source.slug).update(active=True, offered=True)
    assert [each.slug for each in consent.offered(kari.id)] == [source.slug]
    assert "NAVs egen side" in client.get("/sources/").content.decode()
    client.post(reverse("source_connect", args=[source.slug]))
    mailbox = Mailbox.objects.get(citizen=kari)
    assert mailbox.active and mailbox.due_at and mailbox.connected_at <= clock.now()
    assert not consent.offered(kari.id)


@pytest.mark.parametrize(
    ("persons", "why"),
    [
        (("17049200394", OLA), "person"),
        (("123", OLA), "person"),
        ((KARI, "17049200394"), "person"),
        ((KARI, KARI), "same person"),
    ],
)
def test_a_real_persons_letters_are_never_looked_at(nav, persons, why):
    source = connections.write_down(nav, connections.Wanted(ADDRESS, "NAV"))
    with pytest.raises(connections.Refused, match=why):
        conformance.ask(nav, source.slug, make_citizen().id, persons)
    assert not ConformanceRun.objects.exists()


def test_outside_the_demo_test_persons_must_be_named(nav, settings):
    source = connections.write_down(nav, connections.Wanted(ADDRESS, "NAV"))
    settings.DEMO = False
    with pytest.raises(connections.Refused, match="person"):
        conformance.ask(nav, source.slug, make_citizen().id)


def test_the_persons_of_a_run_are_sealed_and_then_gone(portal, nav):
    source = connections.write_down(nav, connections.Wanted(ADDRESS, "NAV"))
    said = {"source": source.slug, "person": KARI, "stranger": OLA}
    portal.post(reverse("agency_conformance_start", args=[NUMBER]), said)
    run = ConformanceRun.objects.get()
    assert run.persons and KARI not in run.persons
    conformance.run(run.id)
    run.refresh_from_db()
    assert run.persons == "" and run.finished_at and KARI not in str(run.findings)


def test_so_many_runs_may_wait_and_old_ones_go(nav, monkeypatch):
    own_source(nav, "navs")
    by = make_citizen().id
    for _ in range(conformance.WAITING_MAX):
        conformance.ask(nav, "navs", by)
    with pytest.raises(connections.Refused, match="waiting"):
        conformance.ask(nav, "navs", by)
    ConformanceRun.objects.update(state="done")
    monkeypatch.setattr(conformance, "KEPT", 2)
    newest = conformance.ask(nav, "navs", by)
    assert nav.runs.count() == 2 and newest in nav.runs.all()


@pytest.mark.files
def test_a_connector_is_tried_beside_its_simulator(portal, nav):
    own_source(nav, "navs")  # the example's connector
    portal.post(reverse("agency_conformance_start", args=[NUMBER]), {"source": "navs"})
    run = ConformanceRun.objects.get()
    address = reverse("agency_conformance_run", args=[NUMBER, run.id])
    waiting = portal.get(address, headers={"HX-Request": "true"})
    assert b"every 3s" in waiting.content
    conformance.run(run.id)
    run.refresh_from_db()
    assert (run.state, run.failed) == ("done", 0) and run.passed > 20
    assert portal.get(address, headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    shown = portal.get(address).content.decode()
    assert "C-01" in shown
    junit = portal.get(reverse("agency_conformance_file", args=[NUMBER, run.id, "xml"]))
    assert junit.content.startswith(b"<?xml") and "attachment" in junit["Content-Disposition"]
    html = portal.get(reverse("agency_conformance_file", args=[NUMBER, run.id, "html"]))
    assert b"C-01" in html.content and "attachment" in html["Content-Disposition"]
    missing = reverse("agency_conformance_file", args=[NUMBER, run.id, "exe"])
    assert portal.get(missing).status_code == 404


def test_a_run_is_tried_by_one_worker_and_given_up_when_it_kills_them(nav):
    own_source(nav, "navs")
    run = conformance.ask(nav, "navs", make_citizen().id)
    row = ConformanceRun.objects.filter(id=run.id)
    row.update(lease_until=timezone.now() + timedelta(minutes=1))
    assert conformance.due() == []
    conformance.run(run.id)
    assert row.get().state == "waiting"
    row.update(lease_until=timezone.now() - timedelta(minutes=1), attempts=conformance.ATTEMPTS_MAX)
    conformance.run(run.id)
    assert row.get().state == "failed" and row.get().last_error


def test_the_overview_says_what_needs_somebody(portal, nav, monkeypatch):
    portal.cookies["django_language"] = "en"
    assert "Everything works" in page(portal, "agency_home")
    source = own_source(nav, "navs")
    make_mailbox(make_citizen("Ola"), "navs", failure="temporary", due_at=timezone.now())
    for _ in range(3):
        break_one(source)
    shown = page(portal, "agency_home")
    assert "3 letters could not be delivered" in shown and "Something fails at Navs" in shown
    monkeypatch.setattr("inbox.web.views.agency.home.COUNTED_MAX", 2)
    assert "More than 2 letters" in page(portal, "agency_home")
