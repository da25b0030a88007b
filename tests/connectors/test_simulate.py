"""The simulators' process: the seed, the control API, the control page, and real HTTP."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask, Response, request

import connectors.http
from connectors import clock
from connectors.contract import Kind
from connectors.control.actions import Control
from connectors.control.app import REVOCATION_NAMES, make_app
from connectors.control.seed import Seed
from connectors.dpi.responder import MODES
from connectors.http import Http
from connectors.simulate import World, create_world
from connectors.simulate import seed as fill_world
from connectors.simulation import Faults, Simulator, State, apply_faults, mounted
from connectors.world.agencies import agency
from connectors.world.model import (
    STUDY_DATE,
    Channel,
    Person,
    SimulatedDocument,
    SimulatedLetter,
)
from connectors.world.persons import PERSONS, by_slug

ROOT = Path(__file__).parents[2]
KARI = by_slug("kari")
BJORG = by_slug("bjorg")
BASE = "http://127.0.0.1:8010"
X_CONTROL = {"X-Control": "samlepost"}


class Shelf(Simulator):
    """A simulator as small as can be: it lists a person's letters, in memory."""

    channels: Sequence[Channel] = (Channel.ALTINN, Channel.DIGIPOST, Channel.NAV)

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.letters: list[SimulatedLetter] = []
        self.sizes: list[int] = []
        self.fail_after: int | None = None
        apply_faults(self.app, state, "altinn")

        @self.app.get("/letters")
        def letters() -> Response:
            titles = [letter.title for letter in self.letters]
            return Response(json.dumps(titles), content_type="application/json")

    def send(self, letter: SimulatedLetter) -> str:
        if self.fail_after is not None and len(self.letters) >= self.fail_after:
            raise RuntimeError("the power went")
        self.letters.append(letter)
        return f"wire-{len(self.letters)}"

    def send_many(self, letters: Sequence[SimulatedLetter]) -> None:
        self.sizes.append(len(letters))
        super().send_many(letters)

    def forget(self, person: Person) -> None:
        self.letters = [letter for letter in self.letters if letter.person != person]

    def expire_latest(self, person: Person, channel: Channel) -> bool:
        own = [each for each in self.letters if each.person == person and each.channel == channel]
        if own:
            self.letters.remove(own[-1])
        return bool(own)

    def send_garbage(self, person: Person, channel: Channel) -> str:
        return "wire-garbage"


class Inbox:
    """What Samlepost does for the simulators: takes hooks and the steps of the demo's reset."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.resets: list[tuple[str, str, str]] = []
        self.at_step: Callable[[str], object] = lambda step: None
        self.status = 200
        self.answer: dict[str, Any] = {"letters": 1}
        self.app = Flask(__name__)

        @self.app.post("/hooks/<slug>/")
        def hook(slug: str) -> Response:
            assert request.content_type == "application/cloudevents+json"
            self.events.append((slug, json.loads(request.get_data())))
            return Response(status=self.status)

        @self.app.post("/demo/<step>/")
        def reset(step: str) -> Response:
            token = request.headers["X-Demo-Token"]
            self.resets.append((step, request.get_json()["national_id"], token))
            self.at_step(step)
            said = self.answer if step == "fetch" else {"letters": 0}
            return Response(json.dumps(said), self.status, mimetype="application/json")


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    inbox = Inbox()

    def chosen(base_url: str) -> httpx.BaseTransport | None:
        assert base_url == "http://127.0.0.1:8000"
        return httpx.WSGITransport(inbox.app)

    monkeypatch.setattr(connectors.http, "transport_for", chosen)
    return inbox


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(State(tmp_path / "shelf.sqlite3"))


@pytest.fixture
def seed(tmp_path: Path, shelf: Shelf) -> Seed:
    return Seed(tmp_path, {"altinn": shelf})


@pytest.fixture
def client(tmp_path: Path, shelf: Shelf, seed: Seed, inbox: Inbox) -> Iterator[httpx.Client]:
    simulators = {"altinn": shelf}
    control = Control(simulators, {}, seed, tmp_path / "keys")
    page = make_app(control, State(tmp_path / "control.sqlite3"))
    transport = httpx.WSGITransport(mounted(simulators, page))
    with httpx.Client(transport=transport, base_url=BASE) as client:
        yield client


@pytest.fixture
def clock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "clock.json"
    monkeypatch.setenv("CLOCK_FILE", str(path))
    return path


def letter(number: int, person: Person = KARI, channel: Channel = Channel.ALTINN) -> Any:
    document = SimulatedDocument("a.pdf", "A", "application/pdf", b"%PDF shared", True)
    return SimulatedLetter(
        key=f"seed-{person.slug}-{number}",
        channel=channel,
        person=person,
        agency=agency("nav"),
        title=f"Letter {number}",
        sent_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number),
        documents=(
            document,
            replace(document, name="b.pdf", content=f"%PDF own {number}".encode()),
        ),
    )


def api(client: httpx.Client, name: str, **values: Any) -> Any:
    answer = client.post(f"/control/api/{name}", json=values, headers=X_CONTROL)
    assert answer.status_code == 200, answer.text
    return answer.json()


def form(client: httpx.Client, name: str, **values: str) -> str:
    """Post a form of the page as a browser would; returns the page that follows."""
    answer = client.post(f"/control/{name}", data=values, headers={"Origin": BASE})
    assert answer.status_code == 303
    return client.get(answer.headers["location"]).text


def test_a_seed_sends_every_letter_once(seed: Seed, shelf: Shelf) -> None:
    assert seed.fill(letter(number) for number in range(250)) == 250
    assert [each.title for each in shelf.letters] == [f"Letter {n}" for n in range(250)]
    assert seed.is_done()
    assert seed.fill([letter(999)]) == 0
    assert len(shelf.letters) == 250
    assert max(shelf.sizes) <= 100


def test_a_seed_that_was_broken_off_starts_over(seed: Seed, shelf: Shelf, tmp_path: Path) -> None:
    shelf.fail_after = 120
    with pytest.raises(RuntimeError):
        seed.fill(letter(number) for number in range(250))
    assert not seed.is_done()
    shelf.fail_after = None
    again = Seed(tmp_path, {"altinn": shelf})
    assert again.fill(letter(number) for number in range(250)) == 250
    assert len(shelf.letters) == 250
    assert again.restore(KARI) == 250


def test_a_seed_with_a_channel_that_nobody_delivers_is_not_called_done(seed: Seed) -> None:
    with pytest.raises(LookupError, match="minside-oslo"):
        seed.fill([letter(1, channel=Channel.OSLO)])
    assert not seed.is_done()


def test_a_restored_person_has_her_seeded_letters_to_the_byte(seed: Seed, shelf: Shelf) -> None:
    seeded = [letter(1), letter(2), letter(3, BJORG)]
    seed.fill(seeded)
    shelf.send(letter(4))
    shelf.send(letter(5, BJORG))
    assert seed.restore(KARI) == 2
    own = [each for each in shelf.letters if each.person == KARI]
    assert [replace(each, key="") for each in own] == [replace(each, key="") for each in seeded[:2]]
    assert len([each for each in shelf.letters if each.person == BJORG]) == 2


def test_a_restored_letter_is_not_the_one_that_somebody_may_still_have_in_hand(
    seed: Seed, shelf: Shelf
) -> None:
    seed.fill([letter(1), letter(2)])
    keys = {each.key for each in shelf.letters}
    for times in (2, 3):
        seed.restore(KARI)
        keys |= {each.key for each in shelf.letters}
        assert len(keys) == 2 * times


class WideShelf(Shelf):
    """Delivers in every channel."""

    channels = tuple(Channel)


def test_the_seeded_world_is_whole_and_its_clock_set_once(tmp_path: Path, clock_file: Path) -> None:
    wide = WideShelf(State(tmp_path / "wide.sqlite3"))
    simulators = {"wide": wide}
    control = Control(simulators, {}, Seed(tmp_path, simulators), tmp_path / "keys")
    world = World(mounted(simulators), {"wide": wide}, control)
    assert fill_world(world) == len(wide.letters) >= 2300
    assert {each.channel for each in wide.letters} == set(Channel)
    assert abs(clock.now() - STUDY_DATE) < timedelta(minutes=2)
    clock.freeze(STUDY_DATE + timedelta(days=9))
    assert fill_world(world) == 0
    assert clock.now() == STUDY_DATE + timedelta(days=9)
    seeded = [each for each in wide.letters if each.person == KARI]
    assert control.seed.restore(KARI) == len(seeded) > 10
    restored = [each for each in wide.letters if each.person == KARI]
    assert [replace(each, key="") for each in restored] == [
        replace(each, key="") for each in seeded
    ]


def test_a_post_without_the_header_does_nothing(client: httpx.Client, shelf: Shelf) -> None:
    wanted = {"person": "kari", "channel": "altinn", "title": "Hei"}
    assert client.post("/control/api/send", json=wanted).status_code == 403
    assert client.post("/control/api/send", data=wanted, headers=X_CONTROL).status_code == 400
    assert client.get("/control/api/send").status_code == 405
    assert shelf.letters == []


def test_another_host_name_is_not_answered(client: httpx.Client) -> None:
    answer = client.get("/control/api/persons", headers={"Host": "evil.example:8010"})
    assert answer.status_code == 400
    assert KARI.national_id not in answer.text


def test_a_letter_is_sent_as_wished_and_samlepost_is_told(
    client: httpx.Client, shelf: Shelf, inbox: Inbox, clock_file: Path
) -> None:
    present = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    clock.freeze(present)
    answer = api(
        client,
        "send",
        person="kari",
        channel="altinn",
        agency="skatteetaten",
        title="Svar nå",
        body="Første linje\n\nAndre avsnitt",
        due_in_days=14,
        level=4,
        needs_action=True,
        document=True,
    )
    assert answer == {"id": "wire-1"}
    sent = shelf.letters[0]
    assert (sent.person, sent.channel, sent.title) == (KARI, Channel.ALTINN, "Svar nå")
    assert sent.agency.slug == "skatteetaten"
    assert (sent.sent_at, sent.due_at) == (present, present + timedelta(days=14))
    assert (sent.security_level, sent.kind, sent.needs_action) == (4, Kind.TASK, True)
    assert "Svar nå" not in sent.public_title
    assert sent.documents[0].content.startswith(b"%PDF-")
    [(slug, event)] = inbox.events
    assert slug == "altinn"
    assert event["specversion"] == "1.0"
    assert event["type"] == "no.samlepost.letter.available"
    assert event["alternativesubject"] == f"/person/{KARI.national_id}"
    assert event["id"] and event["source"] and event["time"]


def test_a_letter_needs_a_person_a_channel_and_a_title_alone(
    client: httpx.Client, shelf: Shelf
) -> None:
    api(client, "send", person="kari", channel="minside-nav", title="Hei")
    sent = shelf.letters[0]
    assert sent.agency.slug == "nav"
    assert (sent.security_level, sent.kind, sent.due_at) == (3, Kind.LETTER, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"person": "nobody"},
        {"channel": "pigeon"},
        {"channel": "minside-oslo"},
        {"title": ""},
        {"title": "x" * 201},
        {"agency": "nobody"},
        {"channel": "minside-nav", "agency": "skatteetaten"},
        {"person": "bjorg", "channel": "dpi-digipost"},
        {"level": 5},
        {"due_in_days": -1},
        {"due_in_days": "soon"},
        {"body": "x" * 10_001},
        {"attachments": 101},
        {"link": "http://nav.no"},
        {"body_en": "Hello"},
        {"needs_confirmation": True, "title_en": "Hello"},
        {"channel": "minside-nav", "needs_confirmation": True},
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_in_words(
    client: httpx.Client, shelf: Shelf, inbox: Inbox, changes: dict[str, Any]
) -> None:
    wanted = {"person": "kari", "channel": "altinn", "title": "Hei", **changes}
    answer = client.post("/control/api/send", json=wanted, headers=X_CONTROL)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")
    assert shelf.letters == [] and inbox.events == []


def test_more_of_a_letter_can_be_wished(client: httpx.Client, shelf: Shelf) -> None:
    more = {"public_title": "Brev", "summary": "Kort.", "attachments": 3, "document": False}
    link = {"link": "https://skatt.example/", "link_label": "Klag"}
    wanted = {"person": "kari", "channel": "altinn", "title": "Hei"}
    api(client, "send", **wanted, **more, **link, title_en="Hello", body_en="In English.")
    api(client, "send", **wanted, needs_confirmation=True)
    first, second = shelf.letters
    assert (first.public_title, first.summary, len(first.documents)) == ("Brev", "Kort.", 3)
    assert (first.action_url, first.action_label) == ("https://skatt.example/", "Klag")
    assert [(each.language, each.title, each.body) for each in first.versions] == [
        ("en", "Hello", "In English.")
    ]
    assert second.needs_confirmation and second.due_at and not second.action_label


def test_a_letter_is_sent_though_samlepost_does_not_listen(
    client: httpx.Client, shelf: Shelf, inbox: Inbox
) -> None:
    inbox.status = 500
    assert api(client, "send", person="kari", channel="altinn", title="Hei") == {"id": "wire-1"}
    assert len(shelf.letters) == 1


def test_a_fault_works_until_it_is_used_up(client: httpx.Client) -> None:
    api(client, "faults", channel="altinn", mode="down", remaining=2)
    statuses = [client.get("/altinn/letters").status_code for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    assert client.get("/control/api/state").json()["channels"]["altinn"]["mode"] == "ok"


@pytest.mark.parametrize(
    ("mode", "status"),
    [("down", 503), ("garbage", 200), ("html", 200), ("rate_limited", 429), ("unauthorized", 401)],
)
def test_a_fault_works_until_it_is_turned_off(client: httpx.Client, mode: str, status: int) -> None:
    api(client, "faults", channel="altinn", mode=mode)
    for _ in range(3):
        answer = client.get("/altinn/letters")
        assert answer.status_code == status
        assert answer.content != b"[]"
    api(client, "faults", channel="altinn", mode="ok")
    assert client.get("/altinn/letters").json() == []


def test_a_slow_source_takes_its_time(client: httpx.Client) -> None:
    api(client, "faults", channel="altinn", mode="ok", delay_seconds=0.3, remaining=1)
    started = time.monotonic()
    client.get("/altinn/letters")
    assert time.monotonic() - started >= 0.3
    assert client.get("/altinn/letters").elapsed.total_seconds() < 0.25


def test_a_dial_survives_a_restart(tmp_path: Path) -> None:
    State(tmp_path / "a.sqlite3").set_faults("altinn", Faults("down", 1.5, 3))
    assert State(tmp_path / "a.sqlite3").faults("altinn") == Faults("down", 1.5, 3)


def test_more_requests_than_the_limit_are_told_when_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state, now = State(":memory:"), [1000.0]
    monkeypatch.setattr("connectors.simulation.time.monotonic", lambda: now[0])
    assert [state.too_many("altinn", 2) for _ in range(3)] == [0, 0, 60]
    assert state.too_many("other", 2) == 0
    now[0] += 50
    assert state.too_many("altinn", 2) == 10
    assert state.too_many("altinn", 3) == 0
    assert state.too_many("altinn", 2) == 10, "the limit is lower again: two must have passed"
    now[0] += 10
    assert [state.too_many("altinn", 2) for _ in range(2)] == [0, 50]


def test_a_fault_that_is_spent_leaves_the_limit(tmp_path: Path) -> None:
    state = State(tmp_path / "a.sqlite3")
    state.set_faults("altinn", Faults("down", remaining=1, per_minute=5))
    assert state.spend_fault("altinn").mode == "down"
    assert state.faults("altinn") == Faults(per_minute=5)


@pytest.mark.parametrize(
    "changes",
    [{"mode": "fire"}, {"delay_seconds": 121}, {"delay_seconds": "x"}, {"remaining": 0}],
)
def test_a_dial_that_does_not_exist_is_refused(
    client: httpx.Client, shelf: Shelf, changes: dict[str, Any]
) -> None:
    wanted = {"channel": "altinn", "mode": "down", **changes}
    answer = client.post("/control/api/faults", json=wanted, headers=X_CONTROL)
    assert answer.status_code == 400
    assert shelf.state.faults("altinn") == Faults()


def test_only_what_a_channel_can_break_is_broken(client: httpx.Client, inbox: Inbox) -> None:
    answer = client.post(
        "/control/api/garbage",
        json={"person": "kari", "channel": "altinn", "variant": "wrong_signature"},
        headers={"X-Control": "samlepost"},
    )
    assert (answer.status_code, inbox.events) == (400, [])
    assert "kan ikke ødelegges slik" in answer.json()["error"]


def test_garbage_is_announced_and_expiry_is_not(client: httpx.Client, inbox: Inbox) -> None:
    assert api(client, "garbage", person="kari", channel="altinn") == {"id": "wire-garbage"}
    assert len(inbox.events) == 1
    api(client, "send", person="kari", channel="altinn", title="Hei")
    api(client, "expire", person="kari", channel="altinn")
    assert len(inbox.events) == 2
    nothing = {"person": "kari", "channel": "altinn"}
    answer = client.post("/control/api/expire", json=nothing, headers=X_CONTROL)
    assert answer.status_code == 400


def test_the_clock_is_set_for_everybody(client: httpx.Client, clock_file: Path) -> None:
    api(client, "clock", frozen_at="2026-11-30T09:00:00+01:00")
    assert clock.now() == datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
    state = client.get("/control/api/state").json()["clock"]
    assert (state["now"], state["frozen"]) == ("2026-11-30T08:00:00+00:00", True)
    api(client, "clock", running_from="2026-12-01T09:00")
    assert clock.now() - datetime(2026, 12, 1, 8, 0, tzinfo=UTC) < timedelta(seconds=5)
    api(client, "clock", reset=True)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    "values", [{}, {"frozen_at": "tomorrow"}, {"running_from": "2026-13-01"}, {"reset": False}]
)
def test_a_clock_is_not_set_to_nonsense(
    client: httpx.Client, clock_file: Path, values: dict[str, Any]
) -> None:
    answer = client.post("/control/api/clock", json=values, headers=X_CONTROL)
    assert answer.status_code == 400
    assert not clock.is_set()


def test_a_clock_without_a_file_cannot_be_set(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLOCK_FILE", raising=False)
    values = {"frozen_at": "2026-11-30T09:00"}
    answer = client.post("/control/api/clock", json=values, headers=X_CONTROL)
    assert answer.status_code == 400
    assert "kan ikke stilles" in client.get("/").text


def test_a_reset_starts_a_person_over_here_and_in_samlepost(
    client: httpx.Client, seed: Seed, shelf: Shelf, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_TOKEN", "the-token")
    seed.fill([letter(1), letter(2, BJORG)])
    api(client, "send", person="kari", channel="altinn", title="Hei")
    inbox.events.clear()
    result = api(client, "reset", person="kari")
    assert [each.title for each in shelf.letters if each.person == KARI] == ["Letter 1"]
    assert inbox.resets == [(step, KARI.national_id, "the-token") for step in ("forget", "fetch")]
    assert (result["letters"], result["inbox"]) == (1, "ok")
    assert 0 <= result["simulators_seconds"] <= result["seconds"]
    told = {slug for slug, _ in inbox.events}
    assert told == {"altinn", "dpi-digipost", "minside-nav"}


def test_samlepost_forgets_before_the_simulators_are_reset_and_fetches_after(
    client: httpx.Client, seed: Seed, shelf: Shelf, inbox: Inbox
) -> None:
    seed.fill([letter(1)])
    api(client, "send", person="kari", channel="altinn", title="Hei")
    seen: dict[str, list[str]] = {}
    inbox.at_step = lambda step: seen.update({step: [each.title for each in shelf.letters]})
    api(client, "reset", person="kari")
    assert seen == {"forget": ["Letter 1", "Hei"], "fetch": ["Letter 1"]}


def test_a_reset_that_is_pressed_twice_is_done_twice_one_after_the_other(
    client: httpx.Client, seed: Seed, shelf: Shelf, inbox: Inbox
) -> None:
    seed.fill([letter(1)])
    inbox.at_step = lambda step: time.sleep(0.1)
    presses = [
        threading.Thread(target=api, args=(client, "reset"), kwargs={"person": "kari"})
        for _ in range(2)
    ]
    for press in presses:
        press.start()
    for press in presses:
        press.join()
    assert [step for step, *_ in inbox.resets] == ["forget", "fetch"] * 2
    assert [each.title for each in shelf.letters] == ["Letter 1"]


def test_a_reset_says_when_samlepost_did_not_take_part(
    client: httpx.Client, seed: Seed, shelf: Shelf, inbox: Inbox
) -> None:
    seed.fill([letter(1)])
    api(client, "send", person="kari", channel="altinn", title="Hei")
    inbox.events.clear()
    inbox.status = 503
    said = api(client, "reset", person="kari")
    assert "503" in said["inbox"]
    assert said["letters"] == 0
    assert inbox.events == []
    # Had they been sent anew, she would have them beside those that Samlepost did not forget.
    assert [each.title for each in shelf.letters] == ["Letter 1", "Hei"]


def test_a_reset_says_which_sources_could_not_be_fetched_from(
    client: httpx.Client, seed: Seed, inbox: Inbox
) -> None:
    seed.fill([letter(1)])
    inbox.answer = {"letters": 0, "not_fetched": ["Altinn", "Min side – NAV"]}
    said = api(client, "reset", person="kari")
    assert said["inbox"] == "not fetched from Altinn, Min side – NAV"
    assert said["letters"] == 1


def test_persons_are_told_with_all_that_samlepost_needs(client: httpx.Client) -> None:
    persons = client.get("/control/api/persons").json()
    assert [each["slug"] for each in persons] == [person.slug for person in PERSONS]
    kari = persons[0]
    assert kari["national_id"] == KARI.national_id
    assert kari["mailbox_supplier"] == "dpi-digipost"
    assert set(kari) == {
        "slug",
        "name",
        "story",
        "national_id",
        "email",
        "mailbox_address",
        "language",
        "is_operator",
        "is_at_work",
        "mailbox_supplier",
    }


def test_the_page_shows_no_identity_number_and_allows_no_script(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert all(person.national_id not in page.text for person in PERSONS)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text and " style=" not in page.text
    assert client.get("/static/control.css").headers["content-type"].startswith("text/css")


def test_every_form_of_the_page_leads_somewhere(client: httpx.Client, clock_file: Path) -> None:
    actions = re.findall(r'(?:form)?action="([^"]+)"', client.get("/").text)
    assert len(set(actions)) == 12
    for action in actions:
        answer = client.post(action, headers={"Origin": BASE})
        assert answer.status_code == 303, action


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": BASE},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_of_another_site_does_nothing(
    client: httpx.Client, shelf: Shelf, headers: dict[str, str]
) -> None:
    wanted = {"person": "kari", "channel": "altinn", "title": "Hei"}
    assert client.post("/control/send", data=wanted, headers=headers).status_code == 403
    assert shelf.letters == []


def test_a_form_sends_a_letter_and_says_so(client: httpx.Client, shelf: Shelf) -> None:
    wanted = {"person": "kari", "channel": "altinn", "title": "Hei", "needs_action": "on"}
    page = form(client, "send", **wanted, agency="", due_in_days="", level="3", body="")
    assert "Brevet er sendt." in page
    assert shelf.letters[0].needs_action
    assert shelf.letters[0].documents == ()


def test_the_same_letter_can_be_sent_by_two_channels(client: httpx.Client, shelf: Shelf) -> None:
    wanted = {"person": "kari", "channel": "altinn", "also": "altinn", "title": "Hei"}
    assert "Velg to forskjellige kanaler." in form(client, "send", **wanted)
    assert shelf.letters == []
    assert "Brevet er sendt." in form(client, "send", **(wanted | {"also": "minside-nav"}))
    first, second = shelf.letters
    assert (first.channel, second.channel) == (Channel.ALTINN, Channel.NAV)
    assert first.same_as == second.same_as
    assert first.agency.slug == second.agency.slug == "nav"


def test_a_form_that_cannot_be_met_says_why(client: httpx.Client) -> None:
    page = form(client, "send", person="bjorg", channel="dpi-digipost", title="Hei")
    assert "Det gikk ikke." in page
    assert "Bjørg Lien har postkassen sin hos e-Boks." in page


def test_every_other_control_of_the_page_works(
    client: httpx.Client, shelf: Shelf, seed: Seed, clock_file: Path
) -> None:
    seed.fill([letter(1)])
    page = form(client, "faults", channel="altinn", mode="down", delay_seconds="1.5", remaining="9")
    assert "Altinn: er nede (503)." in page
    assert "1.5 sekunder forsinket, 9 kall igjen" in page
    assert shelf.state.faults("altinn") == Faults("down", 1.5, 9)
    assert "ikke kan leses" in form(client, "garbage", person="kari", channel="altinn")
    assert "er utløpt" in form(client, "expire", person="kari", channel="altinn")
    page = form(client, "set-clock", how="frozen_at", moment="2026-12-24T17:00")
    assert "står stille på 24.12.2026 kl. 17.00" in page
    page = form(client, "set-clock", how="running_from", moment="2026-12-24T17:00")
    assert "går, og er 24.12.2026 kl. 17.0" in page
    form(client, "set-clock", how="reset", moment="")
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert "Tilbakestilt på 0," in form(client, "reset", person="kari")
    assert [each.title for each in shelf.letters] == ["Letter 1"]


def test_a_message_is_found_by_its_own_name_alone(client: httpx.Client) -> None:
    assert 'role="status"' not in client.get("/?m=guess").text


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    return create_world(folder / "state", folder / "keys")


def test_what_stamps_the_time_and_tells_of_revocation_can_be_broken(world: World) -> None:
    with httpx.Client(transport=httpx.WSGITransport(world.wsgi), base_url=BASE) as client:
        page = form(client, "faults", channel="tsa", mode="down", delay_seconds="0")
        assert "Tidsstempler for arkivets logg: er nede (503)." in page
        assert client.post("/tsa/stamp").status_code == 503
        page = form(client, "faults", channel="revocation", mode="wrong_signature")
        assert "er trukket tilbake: gir et svar som en annen har signert." in page
        refused = form(client, "faults", channel="revocation", mode="html")
        assert "Det finnes ingen slik feil" in refused
        dials = client.get("/control/api/state").json()["channels"]
    assert (dials["tsa"]["mode"], dials["revocation"]["mode"]) == ("down", "wrong_signature")
    assert set(REVOCATION_NAMES) == set(MODES)


def test_the_world_mounts_every_simulator(world: World) -> None:
    assert {"idporten", "maskinporten"} <= set(world.simulators)
    transport = httpx.WSGITransport(world.wsgi)
    with httpx.Client(transport=transport, base_url=BASE) as client:
        issuer = client.get("/idporten/.well-known/openid-configuration").json()["issuer"]
        assert issuer == f"{BASE}/idporten"
        assert client.get("/maskinporten/jwks").json()["keys"]
        assert client.get("/").status_code == 200
        assert client.get("/nowhere/").status_code == 404
        sources = client.get("/control/api/sources").json()
    slugs = [source["slug"] for source in sources]
    assert len(slugs) == len(set(slugs))
    assert set(slugs) <= {channel.value for channel in world.control.by_channel}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real process on a free port."""
    folder = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "SIMULATORS_DIR": str(folder / "state"),
        "KEYS_DIR": str(folder / "keys"),
        "SIMULATORS_PUBLIC_URL": base,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "connectors.simulate", "--port", str(port)],
        cwd=ROOT,
        env=environment,
    )
    try:
        wait_for(base, process)
        yield base
    finally:
        process.terminate()
        assert process.wait(timeout=15) is not None


def wait_for(base: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "the simulators' process ended"
        try:
            httpx.get(f"{base}/control/api/state", trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the simulators' process did not answer")


def test_the_process_answers_over_real_http(server: str) -> None:
    http = Http(server)
    assert http.get_json("/idporten/.well-known/openid-configuration")["issuer"] == (
        f"{server}/idporten"
    )
    assert {each["slug"] for each in http.get_json("/control/api/persons")} >= {"kari"}
    assert http.request("GET", "/").headers["content-security-policy"]


def test_a_source_breaks_off_over_real_http(server: str) -> None:
    http = Http(server)
    dial = {"channel": "altinn", "mode": "truncated", "remaining": 1}
    assert http.post_json("/control/api/faults", json=dial, headers=X_CONTROL) == {"ok": True}
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{server}/altinn/nothing", trust_env=False)


def test_a_source_that_is_silent_holds_up_nobody_else(server: str) -> None:
    http = Http(server)
    dial = {"channel": "altinn", "mode": "ok", "delay_seconds": 4}
    http.post_json("/control/api/faults", json=dial, headers=X_CONTROL)
    waiting = [
        threading.Thread(target=lambda: httpx.get(f"{server}/altinn/x", trust_env=False, timeout=9))
        for _ in range(20)
    ]
    for each in waiting:
        each.start()
    time.sleep(0.3)
    http.get_json("/idporten/jwks")
    assert all(each.is_alive() for each in waiting)
    for each in waiting:
        each.join()
