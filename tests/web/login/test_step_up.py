"""From a session at level 3 to one at level 4."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from connectors.idporten.simulator import IdportenSimulator
from connectors.idporten.tokens import TokenFault
from inbox.citizens.models import Citizen
from inbox.letters.models import Access, Letter
from tests.make import act_for, make_letter, make_representation
from tests.web.login.walk import (
    KARI,
    OLA,
    STRANGER,
    Browser,
    assert_refused,
    next_of,
    query_of,
    who,
)


def test_a_step_up_gives_the_same_citizen_a_higher_level_and_a_new_key(
    visitor: Browser, kari: Citizen
) -> None:
    visitor.log_in()
    old_key = visitor.session_key
    page = visitor.site.get("/login/step-up/", {"next": "/probe/"})
    assert page.status_code == 200
    address = visitor.start(4, "/probe/")
    assert query_of(address)["prompt"] == "login"
    answer = visitor.come_back(visitor.identify(address, KARI, 4))
    assert answer["Location"] == "/probe/"
    assert who(visitor) == (str(kari.pk), 4)
    assert visitor.session_key != old_key
    old = Client(HTTP_HOST="127.0.0.1:8000")
    old.cookies["samlepost_session"] = old_key
    assert old.get("/probe/").status_code == 302
    assert visitor.site.get("/login/step-up/", {"next": "/probe/"})["Location"] == "/probe/"


def test_a_step_up_by_another_person_begins_her_own_session(visitor: Browser, ola: Citizen) -> None:
    visitor.log_in(KARI)
    session = visitor.site.session
    session["of_kari"] = "secret"
    session.save()
    address = visitor.identify(visitor.start(4, "/probe/"), OLA, 4)
    assert visitor.come_back(address)["Location"] == "/"
    assert who(visitor) == (str(ola.pk), 4)
    assert "of_kari" not in visitor.site.session


def test_a_step_up_by_a_person_without_an_inbox_ends_the_session(visitor: Browser) -> None:
    visitor.log_in(KARI)
    answer = visitor.come_back(visitor.identify(visitor.start(4), STRANGER, 4))
    assert_refused(answer)
    assert who(visitor) is None


@pytest.mark.parametrize("fault", [TokenFault.LOWER_LEVEL, TokenFault.OLD_LOGIN])
def test_a_step_up_that_proves_nothing_leaves_the_session_as_it_was(
    visitor: Browser, kari: Citizen, simulator: IdportenSimulator, fault: TokenFault
) -> None:
    visitor.log_in()
    simulator.token_fault = fault
    answer = visitor.come_back(visitor.identify(visitor.start(4, "/probe/"), KARI, 4))
    assert_refused(answer, "/login/step-up/")
    assert query_of(answer["Location"])["next"] == "/probe/"
    assert who(visitor) == (str(kari.pk), 3)


def test_a_level_4_letter_cannot_be_reached_by_a_forged_level(visitor: Browser) -> None:
    visitor.log_in()
    for level in ("4", 5, 0, None, True):
        session = visitor.site.session
        session["level"] = level
        session.save()
        assert who(visitor) is None, level


def test_a_step_up_cannot_lean_on_an_older_log_in_at_another_service(
    visitor: Browser, kari: Citizen, simulator: IdportenSimulator
) -> None:
    other = Browser(simulator)
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        visitor.log_in()
        other.provider.cookies = visitor.provider.cookies
        other.log_in(level=4)
        visitor.provider.cookies = other.provider.cookies
        traveller.shift(timedelta(minutes=10))
        address = visitor.start(4, "/probe/").replace("&prompt=login", "")
        answer = visitor.come_back(visitor.identify(address))
        assert_refused(answer, "/login/step-up/")
        assert who(visitor) == (str(kari.pk), 3)


def test_who_steps_up_while_acting_for_another_goes_on_with_the_letter_asked_for(
    visitor: Browser, kari: Citizen, ola: Citizen, settings: Settings, tmp_path: Path
) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    letter = make_letter(ola, title="Olas hemmelighet", security_level=4)
    make_representation(ola, kari)
    address = f"/letters/{letter.id}/"
    visitor.log_in(level=3)
    act_for(visitor.site, ola)
    locked = visitor.site.get(address).content.decode()
    assert "Olas hemmelighet" not in locked
    assert next_of(visitor.site.get(address)) == address
    answer = visitor.log_in(level=4, next_page=address)
    assert answer["Location"] == address
    assert "Olas hemmelighet" in visitor.site.get(address).content.decode()
    line = Access.objects.get(what="letter")
    assert (line.citizen_id, line.actor_id, line.role) == (ola.pk, kari.pk, "given")
    assert Letter.objects.get(id=letter.id).unread


def test_who_steps_up_as_somebody_else_does_not_go_on_acting(
    visitor: Browser, kari: Citizen, ola: Citizen
) -> None:
    make_representation(ola, kari)
    visitor.log_in(level=3)
    act_for(visitor.site, ola)
    visitor.log_in(OLA, level=4)
    assert who(visitor) == (str(ola.pk), 4)
    assert "acting_for" not in visitor.site.session
