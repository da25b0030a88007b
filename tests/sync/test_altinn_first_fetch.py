"""A citizen's first fetch from Altinn, page by page, and what a fetch of nothing costs."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from django.utils import timezone

from connectors import clock, http
from connectors.altinn import connector, position
from connectors.http import Http
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen
from inbox.letters.models import Delivery, Event, Letter
from inbox.sync import engine, intake, lease
from inbox.sync.models import Mailbox, Source
from inbox.sync.sources import account_of, connected
from tests.sync.test_receipts_when_killed import killed_at, on_disk, served  # noqa: F401

KARI = by_slug("kari")
PAGE, PAGES, LETTERS = 2, 3, 5

STEPS: list[tuple[object, str, str, int]] = [
    # (where, which function, before or after its call number)
    (lease, "take_polling", "after", 1),
    *[(Http, "post_json", "before", page) for page in range(1, PAGES + 1)],
    *[(Http, "post_json", "after", page) for page in range(1, PAGES + 1)],
    *[(intake, "_archive", "before", page) for page in range(1, PAGES + 1)],
    *[(intake, "_archive", "after", page) for page in range(1, PAGES + 1)],
    *[(intake, "receive", "after", page) for page in range(1, PAGES + 1)],
    *[(lease, "keep", "after", page) for page in range(1, PAGES + 1)],
    *[(connector.Connector, "settle", "before", page) for page in range(1, PAGES + 1)],
    (lease, "give_back", "before", 1),
    (lease, "give_back", "after", 1),
]
"""Every boundary between the lease, each page, its bytes, its transaction and the end.

The tokens are there already: the list is the first that is posted. `lease.keep` writes the cursor,
last in its page's transaction: killed after that, the page is undone with its cursor; before
`settle` both are there.
"""


def mailbox_of_kari() -> Mailbox:
    kari = find_citizen("national_id", KARI.national_id)
    assert kari is not None
    return Mailbox.objects.select_related("source").get(citizen=kari, source_id="altinn")


def listed_after(mailbox: Mailbox) -> set[str]:
    """Return what Altinn still lists for the cursor that is saved."""
    with connected(mailbox.source) as made:
        batches = list(made.fetch(account_of(mailbox.citizen_id), mailbox.cursor))
    return {letter.external_id for batch in batches for letter in batch.letters}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("on_disk")
def test_a_first_fetch_killed_anywhere_loses_nothing_and_goes_on(demo_citizens, monkeypatch):
    monkeypatch.setattr(position, "PAGE_SIZE", PAGE)
    altinn = demo_citizens.control.by_channel[Channel.ALTINN]
    mailbox = mailbox_of_kari()
    hers = Mailbox.objects.filter(citizen_id=mailbox.citizen_id, id=mailbox.id)
    committed: list[int] = []
    ids: set[str] = set()

    def fetch() -> None:
        engine.sync_mailbox(mailbox.citizen_id, mailbox.id)

    for number, step in enumerate(STEPS, start=1):
        altinn.forget(KARI)
        titles = [f"Brev {number}-{each}" for each in range(LETTERS)]
        for title in titles:
            altinn.send(new_letter(KARI, Channel.ALTINN, title=title, at=clock.now()))
        hers.update(cursor=None, failures=0)
        sent = listed_after(hers.select_related("source").get())
        assert len(sent) == LETTERS
        assert killed_at(step, fetch), step
        after = hers.select_related("source").get()
        here = set(
            Delivery.objects.exclude(external_id__in=ids).values_list("external_id", flat=True)
        )
        assert here <= sent
        assert sent - here <= listed_after(after), f"{step}: the cursor is ahead of the letters"
        assert (after.cursor is None) == (not here), f"{step}: a cursor goes with its page"
        assert len(here) in (0, PAGE, 2 * PAGE, LETTERS), f"{step}: a page is whole or not there"
        committed.append(len(here))
        hers.update(lease_until=None, lease_token=None, due_at=timezone.now())
        seen_by_the_next: list[int] = []
        real = engine.take_in

        def counted(intake, batch, save, real=real, seen=seen_by_the_next):
            seen.append(len(batch.letters))
            return real(intake, batch, save)

        with monkeypatch.context() as patched:
            patched.setattr(engine, "take_in", counted)
            fetch()
        if len(here) < LETTERS:
            assert sum(seen_by_the_next) == LETTERS - len(here), f"{step}: it goes on at its page"
        ids |= sent
        assert set(Delivery.objects.values_list("external_id", flat=True)) == ids, step
        assert Letter.objects.count() == Delivery.objects.count() == number * LETTERS, step
    assert set(committed) == {0, PAGE, 2 * PAGE, LETTERS}, "it was killed on every page"
    assert Event.objects.filter(kind=Event.Kind.RECEIVED).count() == len(ids)
    assert all(store.verify(delivery.id) == [] for delivery in Delivery.objects.all())


METADATA = "GET /maskinporten/.well-known/oauth-authorization-server"
TOKEN = "POST /maskinporten/token"
EXCHANGE = "GET /altinn/authentication/api/v1/exchange/maskinporten"
LIST = "POST /altinn/dialogporten/graphql"


@pytest.fixture
def asked(demo_citizens, monkeypatch) -> list[str]:
    """Every request that leaves us, whomever it goes to."""
    made: list[str] = []
    inner = http.transport_for

    class Counting(httpx.BaseTransport):
        def __init__(self, base_url: str) -> None:
            self._inner = inner(base_url)

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            made.append(f"{request.method} {urlsplit(str(request.url)).path}")
            return self._inner.handle_request(request)

    monkeypatch.setattr(http, "transport_for", Counting)
    return made


class RealTime:
    """The real time, ours and the simulators', moved by hand alone."""

    def __init__(self, monkeypatch) -> None:
        self.passed = 0.0
        for name in ("time", "monotonic"):
            start = getattr(time, name)()
            monkeypatch.setattr(time, name, lambda start=start: start + self.passed)


def cost(asked: list[str], mailbox: Mailbox) -> list[str]:
    """Fetch a mailbox in which nothing is new; returns what was asked for that."""
    asked.clear()
    assert engine.sync_mailbox(mailbox.citizen_id, mailbox.id) == 0
    mailbox.refresh_from_db()
    assert mailbox.failure == ""
    return list(asked)


def other_mailbox() -> Mailbox:
    found = Mailbox.objects.filter(source_id="altinn").exclude(id=mailbox_of_kari().id).first()
    assert found is not None
    return found


@pytest.mark.django_db
def test_a_fetch_of_nothing_costs_one_request_while_the_tokens_are_good(demo_citizens, asked):
    mailbox = mailbox_of_kari()
    assert cost(asked, mailbox) == [METADATA, TOKEN, EXCHANGE, LIST], "a worker's first"
    assert cost(asked, mailbox) == [LIST]
    # A token is made out to one citizen: hers serves nobody else.
    assert cost(asked, other_mailbox()) == [TOKEN, EXCHANGE, LIST]
    assert cost(asked, other_mailbox()) == [LIST]


@pytest.mark.django_db
def test_fetches_of_nothing_every_five_minutes_cost_fewer_than_two_requests_each(
    demo_citizens, asked, monkeypatch
):
    mailbox, clocks = mailbox_of_kari(), RealTime(monkeypatch)
    cost(asked, mailbox)
    costs = []
    for _ in range(24):
        clocks.passed += 300
        costs.append(len(cost(asked, mailbox)))
    # Altinn's token lives for 30 minutes, the metadata are asked for once an hour.
    assert costs == [1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 4] * 2
    assert sum(costs) / len(costs) < 2


@pytest.mark.django_db
def test_where_letters_lie_is_looked_up_four_times_an_hour_for_one_request_more(
    demo_citizens, asked, monkeypatch
):
    altinn, clocks = demo_citizens.control.by_channel[Channel.ALTINN], RealTime(monkeypatch)
    altinn.send(new_letter(KARI, Channel.ALTINN, title="Et brev", at=clock.now()))
    mailbox = mailbox_of_kari()
    assert engine.sync_mailbox(mailbox.citizen_id, mailbox.id) == 1
    costs = []
    for _ in range(24):
        clocks.passed += 300
        costs.append(len(cost(asked, mailbox)))
    assert costs == [1, 1, 2, 1, 1, 4, 1, 1, 2, 1, 1, 5] * 2
    assert sum(costs) / len(costs) < 2


@pytest.mark.django_db
def test_a_token_that_altinn_does_not_take_is_forgotten_and_asked_for_once_more(
    demo_citizens, asked
):
    altinn, mailbox = demo_citizens.control.by_channel[Channel.ALTINN], mailbox_of_kari()
    cost(asked, mailbox)
    altinn.state.set_faults("altinn", Faults("unauthorized", remaining=1))
    assert cost(asked, mailbox) == [LIST, EXCHANGE, LIST]
    assert cost(asked, mailbox) == [LIST]
    altinn.state.set_faults("altinn", Faults("unauthorized"))
    asked.clear()
    engine.sync_mailbox(mailbox.citizen_id, mailbox.id)
    mailbox.refresh_from_db()
    assert mailbox.failure == "misconfigured"
    # Altinn does not take what Maskinporten gave a while ago either: that is renewed, once.
    assert asked == [LIST, EXCHANGE, TOKEN, EXCHANGE]
    altinn.state.set_faults("altinn", Faults())
    assert cost(asked, mailbox) == [TOKEN, EXCHANGE, LIST]


@pytest.mark.django_db
def test_a_token_of_the_highest_level_is_kept_for_one_sitting(demo_citizens, asked, monkeypatch):
    mailbox, clocks = mailbox_of_kari(), RealTime(monkeypatch)
    high = replace(account_of(mailbox.citizen_id), security_level=4)

    def listed() -> list[str]:
        asked.clear()
        with connected(mailbox.source) as made:
            assert list(made.fetch(high, None)) == []
        return list(asked)

    cost(asked, mailbox)
    assert listed() == [TOKEN, EXCHANGE, LIST], "the token of level 3 does not serve"
    assert listed() == [LIST]
    clocks.passed += 110
    assert listed() == [TOKEN, EXCHANGE, LIST]
    assert cost(asked, mailbox) == [LIST]


@pytest.mark.django_db
def test_a_limit_of_requests_a_minute_is_kept_and_every_letter_comes(
    demo_citizens, asked, monkeypatch
):
    monkeypatch.setattr(position, "PAGE_SIZE", PAGE)
    altinn, clocks = demo_citizens.control.by_channel[Channel.ALTINN], RealTime(monkeypatch)
    titles = {f"Brev {number}" for number in range(20)}
    for title in titles:
        altinn.send(new_letter(KARI, Channel.ALTINN, title=title, at=clock.now()))
    mailbox = mailbox_of_kari()
    demo_citizens.control.set_faults({"channel": "altinn", "per_minute": 4})
    runs = 0
    while mailbox.last_success_at is None:
        runs += 1
        asked.clear()
        engine.sync_mailbox(mailbox.citizen_id, mailbox.id)
        mailbox.refresh_from_db()
        at_altinn = [each for each in asked if " /altinn/" in each]
        if mailbox.last_success_at is None:
            assert len(at_altinn) == 5, "the fifth in a minute was refused, and there is no sixth"
            source = Source.objects.get(slug="altinn")
            assert source.paused_until is not None and mailbox.failures == 0
            wait = math.ceil((source.paused_until - timezone.now()).total_seconds())
            assert engine.sync_mailbox(mailbox.citizen_id, mailbox.id) == 0
            assert [each for each in asked if " /altinn/" in each] == at_altinn, "nor before that"
            clocks.passed += wait
            Source.objects.update(paused_until=None)
    assert runs == 3  # the exchange and 10 pages
    assert set(Letter.objects.values_list("title", flat=True)) == titles


@pytest.mark.django_db
def test_a_run_that_takes_too_long_ends_with_its_page_and_goes_on_at_its_next_turn(
    demo_citizens, monkeypatch
):
    monkeypatch.setattr(position, "PAGE_SIZE", PAGE)
    altinn, mailbox = demo_citizens.control.by_channel[Channel.ALTINN], mailbox_of_kari()
    for number in range(LETTERS):
        altinn.send(new_letter(KARI, Channel.ALTINN, title=f"Brev {number}", at=clock.now()))
    monkeypatch.setattr(engine, "RUN_SECONDS_MAX", -1.0)
    for page in range(1, PAGES):
        assert engine.sync_mailbox(mailbox.citizen_id, mailbox.id) == PAGE
        mailbox.refresh_from_db()
        assert Letter.objects.count() == page * PAGE
        assert (mailbox.lease_until, mailbox.failure, mailbox.last_success_at) == (None, "", None)
        assert mailbox.due_at is not None and mailbox.due_at <= timezone.now()
    monkeypatch.setattr(engine, "RUN_SECONDS_MAX", 300.0)
    assert engine.sync_mailbox(mailbox.citizen_id, mailbox.id) == LETTERS - 2 * PAGE
    mailbox.refresh_from_db()
    assert mailbox.last_success_at is not None
