"""Min side: answering a letter, and the agency's side of the thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connectors import clock
from connectors.contract import (
    IncomingLetter,
    Misconfigured,
    NotPermitted,
    OutgoingAttachment,
    OutgoingReceipt,
    OutgoingReply,
    Payment,
    ReceiptKind,
    ReplyChoice,
    ReplyForm,
    ReplyKind,
    ReplyRefused,
    Signing,
    SigningStatus,
    Temporary,
)
from connectors.minside import mapping
from connectors.minside.simulator import MinsideSimulator
from connectors.minside.threads import ANSWER_AFTER
from connectors.world.model import Channel
from tests.connectors.conftest import Stand, letters_in
from tests.connectors.test_minside import ITEM, NAV, read

PDF = OutgoingAttachment("lønn.pdf", "application/pdf", b"%PDF-1.7 made up")
CHOICE = ReplyForm(
    "valg",
    ReplyKind.CHOICE,
    "Vil du?",
    choices=(ReplyChoice("ja", "Ja"), ReplyChoice("nei", "Nei")),
)
TEXT = ReplyForm(
    "skriv",
    ReplyKind.TEXT,
    text_max=100,
    attachments_max=1,
    attachment_types=("application/pdf",),
    attachment_bytes_max=50,
    settles=False,
)


@pytest.fixture
def nav(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand("minside", Channel.NAV)


def simulator_of(stand: Stand) -> MinsideSimulator:
    assert isinstance(stand.simulator, MinsideSimulator)
    return stand.simulator


def sent(nav: Stand, *forms: ReplyForm, **changes: Any) -> str:
    return nav.simulator.send(nav.letter(1, reply_forms=forms, **changes))


def reply(identifier: str, form: ReplyForm = TEXT, key: str = "k-1", **said: Any) -> OutgoingReply:
    if form is TEXT:
        said.setdefault("text", "Her er svaret mitt.")
    return OutgoingReply(identifier, form.code, key, clock.now(), **said)


def send(nav: Stand, outgoing: OutgoingReply) -> str:
    assert nav.account is not None
    return nav.connector().reply(nav.account, outgoing)


def latest(nav: Stand) -> IncomingLetter:
    return letters_in(nav.fetch())[-1]


def test_the_forms_arrive_as_the_agency_means_them(nav: Stand) -> None:
    sent(nav, CHOICE, TEXT)
    [letter] = letters_in(nav.fetch())
    choice, text = letter.reply_forms
    assert [(each.code, each.label) for each in choice.choices] == [("ja", "Ja"), ("nei", "Nei")]
    assert (text.text_max, text.attachments_max, text.settles) == (100, 1, False)
    assert list(text.attachment_types) == ["application/pdf"]


def test_an_answer_sent_twice_is_taken_once_with_one_reference(nav: Stand) -> None:
    letter = sent(nav, TEXT)
    first = send(nav, reply(letter, attachments=[PDF]))
    assert first.startswith("NAV-2026-")
    assert send(nav, reply(letter, attachments=[PDF])) == first
    assert send(nav, reply(letter, key="k-2")) != first
    taken = simulator_of(nav).replies(nav.person)
    assert len(taken) == 2
    assert taken[0]["said"]["attachments"] == [{"name": "lønn.pdf", "size": len(PDF.content)}]


def test_one_press_settles_the_letter_and_closes_its_form(nav: Stand) -> None:
    letter = sent(nav, CHOICE, needs_action=True)
    send(nav, reply(letter, CHOICE, choice="ja"))
    changed = latest(nav)
    assert changed.handled_at and changed.handled_by and not changed.needs_action
    assert changed.reply_forms[0].kind is ReplyKind.CLOSED
    assert changed.reply_forms[0].reason
    with pytest.raises(ReplyRefused, match="svaret"):
        send(nav, reply(letter, CHOICE, key="k-2", choice="nei"))


def test_the_agency_answers_by_itself_once_the_shared_clock_has_gone(nav: Stand) -> None:
    letter = sent(nav, TEXT)
    send(nav, reply(letter))
    assert latest(nav).messages == []
    clock.freeze(clock.now() + ANSWER_AFTER + timedelta(seconds=1))
    [message] = latest(nav).messages
    assert message.text and message.at == clock.now()
    assert len(latest(nav).messages) == 1


def test_the_agency_can_be_made_to_answer_and_to_close(nav: Stand) -> None:
    letter = sent(nav, TEXT)
    agency = simulator_of(nav)
    assert not agency.answer(nav.person, nav.channel)
    send(nav, reply(letter))
    assert agency.answer(nav.person, nav.channel, "Takk skal du ha.")
    assert [message.text for message in latest(nav).messages] == ["Takk skal du ha."]
    assert agency.close_thread(nav.person, nav.channel, "Saken er avsluttet.")
    assert not agency.close_thread(nav.person, nav.channel, "Igjen")
    with pytest.raises(ReplyRefused, match=r"^Saken er avsluttet\.$"):
        send(nav, reply(letter, key="k-2"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "x" * 101},
        {"text": " "},
        {"attachments": [PDF, PDF]},
        {"attachments": [replace(PDF, media_type="image/png")]},
        {"attachments": [replace(PDF, content=b"x" * 51)]},
    ],
)
def test_what_the_form_does_not_take_is_refused_in_words(nav: Stand, wrong: dict[str, Any]) -> None:
    letter = sent(nav, TEXT)
    with pytest.raises(ReplyRefused, match=r"\w+"):
        send(nav, reply(letter, **wrong))
    assert simulator_of(nav).replies(nav.person) == []


def test_an_agency_that_is_down_can_be_asked_again(nav: Stand) -> None:
    letter = sent(nav, TEXT)
    nav.fail("down", remaining=1)
    with pytest.raises(Temporary):
        send(nav, reply(letter))
    assert send(nav, reply(letter))


def test_nobody_answers_anothers_letter(nav: Stand) -> None:
    other = next(each for each in nav.persons() if each != nav.person)
    letter = nav.simulator.send(nav.letter(1, person=other, reply_forms=(TEXT,)))
    with pytest.raises(Temporary):
        send(nav, reply(letter))
    assert simulator_of(nav).replies(other) == []


def test_neither_words_nor_numbers_of_an_answer_are_logged(
    nav: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    letter = sent(nav, TEXT)
    outgoing = reply(letter, text="Hemmelig svar", attachments=[PDF])
    send(nav, outgoing)
    assert "Hemmelig" not in caplog.text + repr(outgoing)
    assert nav.person.national_id not in caplog.text


@pytest.mark.parametrize(("kinds", "done"), [(["handled"], True), (["handled", "reopened"], False)])
def test_the_agency_notes_what_she_says_is_done(nav: Stand, kinds: list[str], done: bool) -> None:
    letter = sent(nav)
    for kind in kinds:
        receipt = OutgoingReceipt(ReceiptKind(kind), letter, clock.now(), f"key-{kind}")
        nav.connector().send_receipt(nav.account, receipt)
        nav.connector().send_receipt(nav.account, receipt)
    assert bool(latest(nav).handled_at) is done
    entries = simulator_of(nav).page("nav", nav.person.national_id, None)["items"]
    assert len(entries) == 1 + len(kinds), "what it knew already changed nothing"


def test_a_bill_and_a_signing_task_arrive_whole(nav: Stand) -> None:
    payment = Payment(123_45, "86011117947", "1234567897", "NOK", nav.letter().sent_at)
    sent(nav, payment=payment, signing=Signing(SigningStatus.WAITING), agency_task="Signer")
    [letter] = letters_in(nav.fetch())
    assert letter.payment == payment
    assert letter.signing is not None and letter.signing.status is SigningStatus.WAITING
    [action] = letter.actions
    assert action.takes_return and action.url == letter.signing.url
    assert "/minside/nav/pages/tasks/" in action.url


BELOW = "http://127.0.0.1:8010/minside/nav/pages"


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        (f"{BELOW}/tasks/1", True),
        (f"{BELOW}.evil.example/1", False),
        ("http://127.0.0.1:9999/x", False),
        ("https://www.nav.no/x", True),
    ],
)
def test_plain_http_is_taken_below_the_agencys_own_pages_alone(url: str, taken: bool) -> None:
    item = ITEM | {"link": {"url": url}}
    letters, refused = read([item], mapping.Agency(NAV, BELOW))
    assert (len(letters), len(refused)) == ((1, 0) if taken else (0, 1))


FORM = {"code": "a", "kind": "text", "text_max": 10}


@pytest.mark.parametrize(
    "changes",
    [
        {"reply_forms": [FORM | {"kind": "song"}]},
        {"reply_forms": [FORM | {"kind": "choice"}]},
        {"reply_forms": [FORM | {"text_max": -1}]},
        {"reply_forms": [FORM | {"code": "x" * 65}]},
        {"reply_forms": [FORM, FORM]},
        {"reply_forms": [FORM | {"attachment_types": [7]}]},
        {"messages": [{"id": "1", "at": "2026-01-01", "text": "no zone"}]},
        {"messages": [{"id": "1", "at": "2026-01-01T00:00:00Z"}]},
        {"messages": [{}] * 501},
        {"payment": {"amount": 12.5, "account": "1"}},
        {"payment": {"amount": -1, "account": "1"}},
        {"payment": {"amount": 1, "account": "1", "currency": "kr"}},
        {"signing": {"status": "perhaps"}},
        {"signing": {"status": "waiting", "url": "javascript:1"}},
    ],
)
def test_an_item_whose_forms_or_bill_are_wrong_is_kept(changes: dict[str, Any]) -> None:
    letters, refused = read([ITEM | changes])
    assert (len(letters), len(refused)) == (0, 1)


def test_a_connector_that_takes_no_answers_says_so(make_stand: Callable[..., Stand]) -> None:
    altinn = make_stand("altinn")
    assert altinn.account is not None
    with pytest.raises((Misconfigured, NotPermitted)):
        altinn.connector().reply(altinn.account, reply("1"))
