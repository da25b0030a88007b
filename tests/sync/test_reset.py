"""A person is reset while a worker is in the middle of something of hers.

The control page, Samlepost and the simulators speak HTTP in this process; a test names the
request at which the worker is interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from connectors import clock, http
from connectors.contract import RawPart, Unreadable
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.archive.models import Package
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Delivery, Event, Letter
from inbox.sync import consent, engine, quarantine, receipts, reset, retrieve, schedule
from inbox.sync.freshness import freshness
from inbox.sync.models import Mailbox, OutboundReceipt, Quarantined, Retrieval, Source
from inbox.sync.opening import open_letter
from tests.make import log_in, make_source

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
CHANNELS = (Channel.ALTINN, Channel.DIGIPOST, Channel.NAV)
SEEDED = [f"Fra start ({channel.value})" for channel in CHANNELS]
DIALOG = r"/enduser/dialogs/.+"
CORRESPONDENCE = r"/altinn/correspondence/api/v1/correspondence/[^/]+"


class Network(httpx.BaseTransport):
    """Leads requests to Samlepost and the simulators; something may happen in between."""

    def __init__(self, world) -> None:
        self._simulators = httpx.WSGITransport(world.wsgi, raise_app_exceptions=False)
        self._planned: tuple[re.Pattern[str], bool, Callable[[], object]] | None = None

    def plan(self, path: str, act: Callable[[], object], *, answered: bool = False) -> None:
        """Do `act` once, before (or after) the next request to an address that ends as `path`."""
        self._planned = re.compile(f".*{path}"), answered, act

    @property
    def happened(self) -> bool:
        return self._planned is None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        planned = self._planned if self._planned and self._planned[0].fullmatch(path) else None
        if planned:
            self._planned = None
        if planned and not planned[1]:
            planned[2]()
        if path.startswith(("/demo/", "/hooks/")):
            response = _ask_inbox(request)
        else:
            response = self._simulators.handle_request(request)
        if planned and planned[1]:
            planned[2]()
        return response


def _ask_inbox(request: httpx.Request) -> httpx.Response:
    answer = Client(headers=dict(request.headers)).generic(
        request.method,
        request.url.path,
        request.read(),
        content_type=request.headers["Content-Type"],
    )
    body = httpx.ByteStream(answer.content)
    return httpx.Response(answer.status_code, headers=dict(answer.items()), stream=body)


@pytest.fixture
def world(demo_citizens):
    """The world with a letter for Kari in each kind of channel; none is fetched yet."""
    letters = [
        new_letter(KARI, channel, title=title, at=clock.now())
        for channel, title in zip(CHANNELS, SEEDED, strict=True)
    ]
    letters[2] = replace(letters[2], wants_opening_receipt=True)
    demo_citizens.control.seed.fill(letters)
    return demo_citizens


@pytest.fixture
def network(world, monkeypatch) -> Network:
    network = Network(world)
    monkeypatch.setattr(http, "transport_for", lambda _base_url: network)
    return network


@pytest.fixture
def kari(world) -> Citizen:
    return find_citizen("national_id", KARI.national_id)


@pytest.fixture
def press(world, network) -> Callable[[], None]:
    """Press "Tilbakestill" beside Kari."""

    def pressed() -> None:
        result = world.control.reset({"person": "kari"})
        assert result["inbox"] == "ok"
        assert result["seconds"] < 5

    return pressed


def sync(kari: Citizen, *channels: Channel) -> None:
    for channel in channels or CHANNELS:
        if channel is Channel.DIGIPOST:
            engine.sync_source(channel.value)
        else:
            mailbox = Mailbox.objects.get(citizen=kari, source_id=channel.value)
            engine.sync_mailbox(kari.id, mailbox.id)


def open_all(kari: Citizen) -> None:
    viewer = Viewer(kari.id, SecurityLevel.SUBSTANTIAL)
    for letter in Letter.objects.filter(citizen=kari):
        open_letter(viewer, letter.id, agreed=True)


def assert_at_her_start(world, kari: Citizen) -> None:
    """Her seeded letters, each once, unread here and unopened at the sources; nothing else."""
    letters = list(Letter.objects.filter(citizen=kari))
    assert sorted(letter.title for letter in letters) == SEEDED
    assert all(letter.unread and letter.opened_at is None for letter in letters)
    assert InboxState.objects.get(citizen=kari).unread == len(SEEDED)
    assert Event.objects.filter(citizen=kari).count() == len(SEEDED)  # received, no more
    assert not Retrieval.objects.filter(citizen=kari).exists()
    owed = OutboundReceipt.objects.filter(citizen=kari)
    assert [(receipt.kind, receipt.state) for receipt in owed] == [("delivered", "waiting")]
    assert not any(world.simulators["altinn"].marks(KARI).values())
    assert world.simulators["minside"].receipts(KARI) == []
    assert world.simulators["dpi"].receipts(KARI) == []


@pytest.mark.files
@pytest.mark.parametrize(
    ("level", "path"),
    [
        (3, DIALOG),
        (4, "/graphql"),
        (3, CORRESPONDENCE),
        (3, CORRESPONDENCE + "/content"),
        (3, CORRESPONDENCE + "/markasread"),
        (3, CORRESPONDENCE + "/attachment/.+"),
    ],
)
def test_a_retrieval_under_way_does_not_open_the_fresh_letter(
    world, network, kari, press, level, path
):
    sync(kari)
    letter = Letter.objects.get(citizen=kari, source=Channel.ALTINN)
    open_letter(Viewer(kari.id, SecurityLevel(level)), letter.id)
    network.plan(path, press)
    assert retrieve.run_due() == 0
    assert network.happened
    assert_at_her_start(world, kari)
    sync(kari)
    assert_at_her_start(world, kari)


@pytest.mark.files
@pytest.mark.parametrize(
    ("channel", "path", "answered"),
    [
        (Channel.ALTINN, "/graphql", True),
        (Channel.NAV, "/feed", True),
        (Channel.NAV, "/documents/.+", False),
        (Channel.NAV, "/documents/.+", True),
        (Channel.DIGIPOST, "/messages/in", True),
        (Channel.DIGIPOST, "/messages/in/[^/]+", False),
        (Channel.DIGIPOST, "/messages/in/[^/]+", True),
        (Channel.DIGIPOST, "/messages/in/.+/read", False),
        (Channel.DIGIPOST, "/messages/in/.+/read", True),
    ],
)
def test_a_fetch_under_way_leaves_no_letter_of_before_and_takes_none_of_the_fresh(
    world, network, kari, press, channel, path, answered
):
    other = new_letter(KARI, channel, title="Ikke fra start", at=clock.now())
    world.control.by_channel[channel].send(other)
    network.plan(path, press, answered=answered)
    sync(kari, channel)
    assert network.happened
    assert_at_her_start(world, kari)
    sync(kari)
    assert_at_her_start(world, kari)


@pytest.mark.files
@pytest.mark.parametrize("path", ["/receipts", "/messages/out"])
@pytest.mark.parametrize("answered", [False, True])
def test_a_receipt_under_way_is_not_for_the_fresh_letter(
    world, network, kari, press, path, answered
):
    sync(kari)
    open_all(kari)
    network.plan(path, press, answered=answered)
    receipts.send_due()
    assert network.happened
    assert_at_her_start(world, kari)


@pytest.mark.files
def test_what_was_owed_before_is_never_sent(world, network, kari, press):
    sync(kari)
    open_all(kari)
    assert Retrieval.objects.count() == 1
    press()
    assert retrieve.run_due() == 0
    assert_at_her_start(world, kari)
    assert receipts.send_due() == 1  # that the fresh letter was delivered


def test_workers_that_died_with_work_of_hers_do_not_hold_up_a_reset(world, kari, press):
    sync(kari)
    open_all(kari)
    later = timezone.now() + timedelta(seconds=25)
    for work in (Retrieval, OutboundReceipt):
        work.objects.update(lease_until=later, attempts=1)
    for polling in (Mailbox, Source):
        polling.objects.update(lease_until=later, lease_token=kari.id)
    press()
    assert_at_her_start(world, kari)


@pytest.mark.files
def test_a_reset_can_be_pressed_again_and_again(world, kari, press):
    for _ in range(3):
        open_all(kari)
        retrieve.run_due()
        press()
        assert_at_her_start(world, kari)


def test_a_reset_that_is_broken_off_after_forgetting_holds_her_mailboxes_for_a_while(world, kari):
    Source.objects.exclude(slug=KARI.mailbox_supplier).update(due_at=None)
    Mailbox.objects.exclude(citizen=kari).update(due_at=None)
    sync(kari)
    before = timezone.now()
    assert reset.forget(KARI.national_id) == 3
    sync(kari)
    assert not Letter.objects.exists()
    assert not list(schedule.due_mailboxes())
    assert not list(schedule.due_sources())
    past = timezone.now() - timedelta(seconds=1)
    for polling in (Mailbox, Source):
        held = polling.objects.filter(lease_until__gte=before + reset.HOLD)
        assert held.exists()
        held.update(lease_until=past)
    own = Mailbox.objects.filter(citizen=kari, source__shared_queue=False)
    assert len(list(schedule.due_mailboxes())) == own.count()
    sync(kari)
    assert Letter.objects.filter(citizen=kari).count() == 2  # DPI gives a letter once


def test_nothing_of_her_is_left_in_the_archive(world, kari, press):
    sync(kari)
    broken = Unreadable("1", "no title", [RawPart("x.json", b"{}", "application/json")])
    item = quarantine.keep(Source.objects.get(slug="altinn"), broken, kari.id).row
    item.save()
    kept = [item.id, *Delivery.objects.values_list("id", flat=True)]
    assert all(store.exists(each) for each in kept)
    press()
    assert not any(store.exists(each) for each in kept)
    assert not Quarantined.objects.exists()
    assert all(store.exists(package.id) for package in Package.objects.all())


def test_a_reset_ends_every_session_of_hers_and_no_other(kari, press):
    at_home, at_work, of_ola = Client(), Client(), Client()
    log_in(at_home, kari, 3)
    log_in(at_work, kari, 4)
    log_in(of_ola, find_citizen("national_id", by_slug("ola").national_id))
    for browser in (at_home, at_work, of_ola):
        assert browser.get("/").status_code == 200
    press()
    for browser in (at_home, at_work):
        answer = browser.get("/")
        assert answer.status_code == 302
        assert answer["Location"] == "/login/?next=/"
        assert not list(get_messages(answer.wsgi_request))
        assert browser.get(answer["Location"]).status_code == 200
    assert of_ola.get("/").status_code == 200


def test_a_source_that_she_has_connected_is_to_be_chosen_again(world, kari):
    before = freshness(kari.id)
    make_source("feed-1", "Vegvesenet", offered=True)
    assert consent.connect(kari.id, "feed-1") and len(freshness(kari.id)) == len(before) + 1
    reset.forget(KARI.national_id)
    assert [each.slug for each in freshness(kari.id)] == [each.slug for each in before]
    assert [each.slug for each in consent.offered(kari.id)] == ["feed-1"]


def test_an_agency_that_has_written_from_here_is_no_source_of_the_next_participant(world, kari):
    before = freshness(kari.id)
    source = make_source("portal-1", "Bergen kommune", connector="portal", shared_queue=True)
    Mailbox.objects.create(citizen=kari, source=source, connected_at=clock.now())
    reset.forget(KARI.national_id)
    assert [each.slug for each in freshness(kari.id)] == [each.slug for each in before]


def test_the_next_participant_logs_in_and_goes_on(client, kari, press):
    log_in(client, kari)
    press()
    log_in(client, find_citizen("national_id", KARI.national_id))
    assert client.get("/").status_code == 200


def test_a_page_that_asks_for_news_is_sent_to_the_log_in_page(client, kari, press):
    log_in(client, kari)
    press()
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}
    answer = client.get("/changes/?version=0", headers=headers)
    assert answer["HX-Redirect"] == "/login/?next=/"


@pytest.mark.usefixtures("network")
def test_a_reset_says_which_source_is_down_and_the_letters_come_when_it_is_back(world, kari):
    sync(kari)
    world.control.set_faults({"channel": "altinn", "mode": "down"})
    assert world.control.reset({"person": "kari"})["inbox"] == "not fetched from Altinn"
    assert Letter.objects.filter(citizen=kari).count() == len(SEEDED) - 1
    world.control.set_faults({"channel": "altinn", "mode": "ok"})
    Mailbox.objects.filter(citizen=kari).update(due_at=timezone.now())
    sync(kari)
    assert_at_her_start(world, kari)


def test_a_reset_that_samlepost_misses_changes_nothing_there_or_here(world, network, kari):
    sync(kari)
    before = set(Delivery.objects.filter(citizen=kari).values_list("external_id", flat=True))

    def away() -> None:
        raise httpx.ConnectError("nobody listens")

    network.plan("/demo/forget/", away)
    assert world.control.reset({"person": "kari"})["letters"] == 0
    sync(kari)
    after = set(Delivery.objects.filter(citizen=kari).values_list("external_id", flat=True))
    assert after == before
