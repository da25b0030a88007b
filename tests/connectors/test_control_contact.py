"""The control page's hand on the contact register: a person's entry, and the register's dial."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors import clock
from connectors.krr.simulator import KrrSimulator
from connectors.simulate import World, create_world
from connectors.simulation import Faults
from connectors.world.contacts import RegisteredContact, contact_of
from connectors.world.model import STUDY_DATE
from connectors.world.persons import by_slug

ROOT = "http://127.0.0.1:8010"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock.freeze(STUDY_DATE)
    yield create_world(tmp_path / "state", tmp_path / "keys")
    clock.reset()


@pytest.fixture
def client(world: World) -> httpx.Client:
    transport = httpx.WSGITransport(world.wsgi, raise_app_exceptions=True)
    return httpx.Client(transport=transport, base_url=ROOT, follow_redirects=True)


def form(client: httpx.Client, name: str, **fields: str) -> str:
    answer = client.post(f"/control/{name}", data=fields, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 200
    return answer.text


def api(client: httpx.Client, **values: Any) -> httpx.Response:
    return client.post("/control/api/contact", json=values, headers={"X-Control": "samlepost"})


def entry(world: World, slug: str) -> RegisteredContact:
    register = world.simulators["krr"]
    assert isinstance(register, KrrSimulator)
    return register.registered(by_slug(slug))


def test_the_page_shows_every_entry_and_changes_one(world: World, client: httpx.Client) -> None:
    page = client.get("/").text
    assert 'value="kari.nordmann@example.no"' in page
    assert "Henrik" in page.partition("(reservert)")[0].rpartition("<summary>")[2]
    before = entry(world, "kari")
    page = form(
        client, "contact", person="kari", email="ny@example.no", mobile=before.mobile, reserved="on"
    )
    assert "Oppføringen i kontaktregisteret er endret." in page
    after = entry(world, "kari")
    assert (after.email, after.email_confirmed_at) == ("ny@example.no", STUDY_DATE)
    assert after.mobile_confirmed_at == before.mobile_confirmed_at  # as it was: not confirmed anew
    assert after.reserved_at == STUDY_DATE
    clock.freeze(STUDY_DATE + timedelta(days=1))
    form(client, "contact", person="kari", email="ny@example.no", mobile="", reserved="on")
    assert entry(world, "kari").reserved_at == STUDY_DATE
    assert entry(world, "kari").mobile == ""
    form(client, "contact", person="kari", email="ny@example.no", mobile="")
    assert entry(world, "kari").reserved_at is None


def test_what_is_left_out_stays_and_a_channel_grows_old(world: World, client: httpx.Client) -> None:
    assert api(client, person="kari", confirmed_months_ago=19).json() == {"ok": True}
    kari, was = entry(world, "kari"), contact_of(by_slug("kari"))
    assert (kari.email, kari.mobile, kari.language) == (was.email, was.mobile, was.language)
    assert kari.email_confirmed_at is not None
    assert kari.email_confirmed_at < STUDY_DATE - timedelta(days=560)
    api(client, person="kari", language="nn", email="")
    assert (entry(world, "kari").language, entry(world, "kari").email) == ("nn", "")
    assert api(client, person="nobody", email="a@b.no").status_code == 400
    assert api(client, person="kari", email="x" * 256).status_code == 400


def test_its_dial_is_turned_like_the_other_sources(world: World, client: httpx.Client) -> None:
    page = form(client, "faults", channel="krr", mode="down", delay_seconds="0", remaining="")
    assert "Kontakt- og reservasjonsregisteret: er nede (503)." in page
    assert world.simulators["krr"].state.faults("krr") == Faults("down")
    assert client.get("/control/api/state").json()["channels"]["krr"]["mode"] == "down"
    form(client, "faults", channel="krr", mode="ok", delay_seconds="0", remaining="")
    assert world.simulators["krr"].state.faults("krr") == Faults()
