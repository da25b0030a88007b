"""The contact register's client against its simulator, and against Digdir's own examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors import clock, discovery, http
from connectors.contact_register import (
    Contact,
    ContactChannel,
    ContactStatus,
)
from connectors.contract import (
    Misconfigured,
    Temporary,
    Untrustworthy,
)
from connectors.fields import WrongField
from connectors.http import Http
from connectors.krr import simulator as krr
from connectors.krr.client import ContactRegister, contact_from, fresh_until
from connectors.maskinporten import simulator as maskinporten
from connectors.maskinporten.client import TokenSource
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, CLIENT_ORG, issue_token
from connectors.simulation import Faults, mounted
from connectors.tokens import Bearer, kept
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import PERSONS, by_slug, synthetic_id

DATA = Path(__file__).parent / "data" / "krr"
ROOT = "http://127.0.0.1:8010"


class Place:
    """The register and Maskinporten, in one process."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.keys = keys
        self.folder = folder
        self.simulator = krr.make(folder, keys)
        self.seen: list[httpx.Request] = []
        simulators = {"krr": self.simulator, "maskinporten": maskinporten.make(folder, keys)}
        inner = httpx.WSGITransport(mounted(simulators))

        def handle(request: httpx.Request) -> httpx.Response:
            self.seen.append(request)
            return inner.handle_request(request)

        self.transport = httpx.MockTransport(handle)
        self.raw = httpx.Client(transport=self.transport, base_url=f"{ROOT}/krr/")
        url = f"{ROOT}/maskinporten"
        tokens = TokenSource(
            Http(url, transport=self.transport), url, CLIENT_ID, str(keys / CLIENT_KEY)
        )
        self.register = ContactRegister(Http(f"{ROOT}/krr", transport=self.transport), tokens)

    def of(self, slug: str) -> Contact:
        [contact] = self.register.look_up([by_slug(slug).national_id]).contacts
        return contact

    def post(self, scope: str, body: Any) -> httpx.Response:
        token = issue_token(self.keys, client_id=CLIENT_ID, consumer_org=CLIENT_ORG, scope=scope)
        headers = {"Authorization": f"Bearer {token}"}
        return self.raw.post("rest/v2/personer", json=body, headers=headers)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def place(tmp_path: Path, keys: Path) -> Iterator[Place]:
    clock.freeze(STUDY_DATE)
    yield Place(tmp_path, keys)
    clock.reset()


def entry(**changes: Any) -> dict[str, Any]:
    number = by_slug("kari").national_id
    usual = {"personidentifikator": number, "reservasjon": "NEI", "status": "AKTIV"}
    return {**usual, **changes}


def test_what_is_registered_of_a_person_is_had_whole(place: Place) -> None:
    kari = place.of("kari")
    assert (kari.status, kari.reserved, kari.may_be_notified) == (ContactStatus.ACTIVE, False, True)
    assert (kari.email.value, kari.language) == ("kari.nordmann@example.no", "nb")
    assert kari.mobile.value == "+4700000000"
    assert kari.email.confirmed_at == datetime(2026, 3, 11, 9, 30, tzinfo=UTC)
    assert kari.email.is_fresh(clock.now())
    assert (kari.mailbox_address, kari.mailbox_supplier) == ("kari.nordmann#1A2B", "984661185")
    assert kari.certificate.startswith("-----BEGIN CERTIFICATE-----")


def test_everybody_of_the_world_is_answered_for_in_one_request_that_names_nobody(
    place: Place,
) -> None:
    numbers = [person.national_id for person in PERSONS]
    answer = place.register.look_up([*numbers, numbers[0]])
    assert [each.national_id for each in answer.contacts] == numbers
    assert not answer.unreadable
    [asked] = [each for each in place.seen if "/krr/" in each.url.path]
    assert not any(number in str(asked.url) for number in numbers)
    assert not any(number in repr(answer) for number in numbers)


def test_the_world_has_somebody_of_every_sort(place: Place) -> None:
    henrik, jonas, now = place.of("henrik"), place.of("jonas"), clock.now()
    assert (henrik.reserved, henrik.may_be_notified) == (True, False)
    assert jonas.email.value
    assert (jonas.email.is_fresh(now), jonas.may_be_notified) == (False, False)
    assert place.of("olena").email == ContactChannel()
    assert place.of("olena").may_be_notified
    assert place.of("solveig").mobile == ContactChannel()
    assert (place.of("ingrid").email, place.of("ingrid").may_be_notified) == (
        ContactChannel(),
        False,
    )
    assert (place.of("leif").status, place.of("leif").mailbox_address) == (
        ContactStatus.DELETED,
        "",
    )
    assert place.of("drift").status == ContactStatus.UNKNOWN


def test_somebody_whom_the_register_never_heard_of_is_not_registered(place: Place) -> None:
    number = synthetic_id(STUDY_DATE.date(), 40)
    [stranger] = place.register.look_up([number]).contacts
    assert (stranger.status, stranger.reserved, stranger.email) == (
        ContactStatus.UNKNOWN,
        False,
        ContactChannel(),
    )


def test_what_she_changes_is_confirmed_then_and_outlives_a_restart(place: Place) -> None:
    place.simulator.change(
        "jonas", email="ny@example.no", mailbox_supplier=Channel.EBOKS, mailbox_address="jonas#0E0E"
    )
    place.simulator = krr.make(place.folder, place.keys)
    jonas = place.of("jonas")
    assert (jonas.email.value, jonas.email.confirmed_at) == ("ny@example.no", STUDY_DATE)
    assert (jonas.mailbox_address, jonas.mailbox_supplier) == ("jonas#0E0E", "922020175")
    assert jonas.may_be_notified
    place.simulator.change("jonas", reserved_at=clock.now(), email="")
    assert place.of("jonas").reserved
    assert place.of("jonas").email == ContactChannel()
    place.simulator.forget(by_slug("jonas"))
    assert place.of("jonas").email.value == by_slug("jonas").email


@pytest.mark.parametrize("name", ["response-person.json", "response-personer.json"])
def test_digdirs_examples_are_read(name: str) -> None:
    example = json.loads((DATA / name).read_text("utf-8"))
    [said] = example.get("personer", [example])
    contact = contact_from(said)
    assert (contact.status, contact.reserved) == (ContactStatus.ACTIVE, False)
    assert contact.may_be_notified is ("varslingsstatus" in said)
    written = said["kontaktinformasjon"]["epostadresse_oppdatert"]
    assert written.endswith("+02")
    assert contact.email.confirmed_at == datetime.fromisoformat(f"{written}:00").astimezone(UTC)


def test_digdirs_example_of_a_request_is_what_the_client_sends(place: Place) -> None:
    body = json.loads((DATA / "request-personer.json").read_text("utf-8"))
    place.register.look_up(body["personidentifikatorer"])
    assert json.loads(place.seen[-1].content) == body
    assert place.seen[-1].url.path == "/krr/rest/v2/personer"


@pytest.mark.parametrize(
    "written",
    ["2026-03-11T10:30:00+01", "2026-03-11T10:30:00+01:00", "2026-03-11T09:30:00Z"],
)
def test_both_forms_of_a_time_are_read(written: str) -> None:
    contact = {"epostadresse": "kari@example.no", "epostadresse_sist_verifisert": written}
    found = contact_from(entry(kontaktinformasjon=contact))
    assert found.email.confirmed_at == datetime(2026, 3, 11, 9, 30, tzinfo=UTC)


def test_the_mailbox_is_read_nested_and_flat() -> None:
    mailbox = {"postkasseadresse": "kari#1", "postkasseleverandoeradresse": "984661185"}
    for written in (entry(digitalpost=mailbox), entry(**mailbox)):
        found = contact_from(written)
        assert (found.mailbox_address, found.mailbox_supplier) == ("kari#1", "984661185")


@pytest.mark.parametrize(
    ("confirmed", "stale"),
    [
        # Half past midnight in Norway is the day before in UTC, and summer time moves the hour.
        ("2025-05-23T09:00:00+02:00", "2026-11-23T09:00:00+01:00"),
        ("2025-01-01T00:30:00+01:00", "2026-07-01T00:30:00+02:00"),
        ("2024-08-31T12:00:00+02:00", "2026-02-28T12:00:00+01:00"),
    ],
)
def test_a_channel_is_stale_after_eighteen_calendar_months(confirmed: str, stale: str) -> None:
    until = fresh_until(datetime.fromisoformat(confirmed))
    assert until == datetime.fromisoformat(stale)
    channel = ContactChannel("kari@example.no", datetime.fromisoformat(confirmed), until)
    assert channel.is_fresh(until - timedelta(seconds=1))
    assert not channel.is_fresh(until)


def test_the_later_of_changed_and_confirmed_counts() -> None:
    contact = {
        "mobiltelefonnummer": "+4700000001",
        "mobiltelefonnummer_oppdatert": "2024-01-01T12:00:00Z",
        "mobiltelefonnummer_sist_verifisert": "2026-01-01T12:00:00Z",
    }
    found = contact_from(entry(kontaktinformasjon=contact))
    assert found.mobile.confirmed_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    contact = {"epostadresse": "kari@example.no"}
    never = contact_from(entry(kontaktinformasjon=contact)).email
    assert never.value
    assert not never.is_fresh(STUDY_DATE)


def test_what_is_confirmed_in_the_future_is_not_fresh_yet(place: Place) -> None:
    tomorrow = STUDY_DATE + timedelta(days=1)
    contact = {"epostadresse": "a@b.no", "epostadresse_oppdatert": tomorrow.isoformat()}
    found = contact_from(entry(kontaktinformasjon=contact)).email
    assert not found.is_fresh(STUDY_DATE)
    assert found.is_fresh(tomorrow)
    last_year = STUDY_DATE - timedelta(days=300)
    contact["epostadresse_sist_verifisert"] = last_year.isoformat()
    found = contact_from(entry(kontaktinformasjon=contact)).email
    assert found.confirmed_at == last_year
    assert found.is_fresh(STUDY_DATE)


def test_what_the_register_may_say_one_day_is_taken_for_the_careful_one() -> None:
    found = contact_from(
        entry(reservasjon="KANSKJE", status="NY", varslingsstatus="NESTEN", spraak="fkv")
    )
    assert (found.reserved, found.status, found.may_be_notified) == (
        True,
        ContactStatus.UNKNOWN,
        False,
    )
    assert found.language == ""


@pytest.mark.parametrize(
    "said", [{"status": "SLETTET"}, {"status": "IKKE_REGISTRERT"}, {"reservasjon": "JA"}]
)
def test_nobody_is_notified_whose_status_or_reservation_forbids_it(said: dict[str, str]) -> None:
    assert contact_from(entry(varslingsstatus="KAN_VARSLES")).may_be_notified
    assert not contact_from(entry(varslingsstatus="KAN_VARSLES", **said)).may_be_notified


@pytest.mark.parametrize(
    "broken",
    [
        {"status": None},
        {"reservasjon": 1},
        {"kontaktinformasjon": "kari@example.no"},
        {"kontaktinformasjon": {"epostadresse": ["kari@example.no"]}},
        {"kontaktinformasjon": {"epostadresse": "a@b.no", "epostadresse_oppdatert": "i går"}},
        # Eighteen months on there is no such year.
        {
            "kontaktinformasjon": {
                "epostadresse": "a@b.no",
                "epostadresse_oppdatert": "9999-01-01T00:00:00Z",
            }
        },
        {"digitalpost": {"postkasseadresse": "x" * 256}},
        # PostgreSQL refuses it, and would refuse what is said of the others, too.
        {"kontaktinformasjon": {"mobiltelefonnummer": "+47\x00"}},
        {"digitalpost": {"postkasseleverandoeradresse": "98466\x001185"}},
    ],
)
def test_an_entry_that_cannot_be_read_names_its_field_and_spares_the_others(
    broken: dict[str, Any],
) -> None:
    with pytest.raises(WrongField):
        contact_from(entry(**broken))
    whole = {"personidentifikator": by_slug("ola").national_id, "reservasjon": "NEI"}
    register = answering({"personer": [entry(**broken), {**whole, "status": "AKTIV"}]})
    answer = register.look_up([by_slug("kari").national_id, by_slug("ola").national_id])
    assert [each.national_id for each in answer.contacts] == [by_slug("ola").national_id]
    [(number, reason)] = answer.unreadable.items()
    assert number == by_slug("kari").national_id
    assert number not in reason


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ([], Temporary),
        ({"personer": None}, Temporary),
        ({"personer": [entry(personidentifikator=by_slug("ola").national_id)]}, Untrustworthy),
        ({"personer": [entry(), entry()]}, Untrustworthy),
        ({"personer": ["kari"]}, Untrustworthy),
    ],
)
def test_an_answer_that_cannot_be_trusted_is_no_answer(said: Any, error: type[Temporary]) -> None:
    with pytest.raises(Temporary) as raised:
        answering(said).look_up([by_slug("kari").national_id])
    assert type(raised.value) is error


def test_a_number_that_it_does_not_take_may_have_spoilt_it_for_the_others(place: Place) -> None:
    with pytest.raises(Untrustworthy):
        place.register.look_up([by_slug("kari").national_id, "1"])
    assert place.of("kari").email.value


def test_discovery_makes_it_of_an_operators_settings(
    place: Place, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "transport_for", lambda _base_url: place.transport)
    settings = {
        "base_url": f"{ROOT}/krr",
        "maskinporten_url": f"{ROOT}/maskinporten",
        "client_id": CLIENT_ID,
        "private_key_file": str(keys / CLIENT_KEY),
    }
    register = discovery.contact_register(settings)
    assert register.persons_max == 1000
    assert len(register.look_up([by_slug("kari").national_id]).contacts) == 1
    register.close()
    for name in settings:
        with pytest.raises(Misconfigured, match=name):
            discovery.contact_register(settings | {name: ""})


def test_who_is_left_out_of_the_answer_is_not_answered_for() -> None:
    numbers = [by_slug("kari").national_id, by_slug("ola").national_id]
    answer = answering({"personer": [entry()]}).look_up(numbers)
    assert [each.national_id for each in answer.contacts] == numbers[:1]


def test_at_most_a_thousand_are_asked_for(place: Place) -> None:
    numbers = [f"{number:011d}" for number in range(1001)]
    with pytest.raises(ValueError, match="1000"):
        place.register.look_up(numbers)
    assert len(place.register.look_up(numbers[:1000]).contacts) == 1000
    assert not place.register.look_up([]).contacts
    for wrong in ([], numbers, "12345678901", ["1"], [12345678901]):
        answer = place.post(krr.CONTACT_SCOPE, {"personidentifikatorer": wrong})
        assert answer.status_code == 400


def test_a_scope_gives_its_own_part_alone(place: Place) -> None:
    body = {"personidentifikatorer": [by_slug("kari").national_id]}
    [contact] = place.post(krr.CONTACT_SCOPE, body).json()["personer"]
    assert "kontaktinformasjon" in contact
    assert not {"digitalpost", "sertifikat"} & set(contact)
    [mailbox] = place.post(krr.MAILBOX_SCOPE, body).json()["personer"]
    assert {"digitalpost", "sertifikat"} < set(mailbox)
    assert not {"kontaktinformasjon", "varslingsstatus", "spraak"} & set(mailbox)
    assert contact["reservasjon"] == mailbox["reservasjon"] == "NEI"
    assert place.post("krr:other", body).status_code == 401
    assert place.raw.post("rest/v2/personer", json=body).status_code == 401


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("down", Temporary),
        ("garbage", Temporary),
        ("truncated", Temporary),
        ("html", Temporary),
        ("rate_limited", Temporary),
        ("unauthorized", Misconfigured),
    ],
)
def test_its_failure_is_an_error_and_never_an_answer(
    place: Place, mode: str, error: type[Exception]
) -> None:
    place.simulator.state.set_faults(krr.FAULTS, Faults(mode))
    with pytest.raises(error):
        place.of("kari")


def answering(said: Any) -> ContactRegister:
    """A register that answers just this."""

    class Known:
        def bearer(self, scope: str) -> Bearer:
            return Bearer(kept.name(scope), lambda: ("token", 100.0))

    body = json.dumps(said).encode()
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, stream=httpx.ByteStream(body))
    )
    return ContactRegister(Http(f"{ROOT}/krr", transport=transport), Known())  # type: ignore[arg-type]
