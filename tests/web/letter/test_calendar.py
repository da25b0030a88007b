"""An appointment of a letter as a file for her calendar (RFC 5545)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from connectors.contract import Appointment
from inbox.letters.models import Access
from inbox.web.calendar_file import calendar_file
from tests.make import act_for, log_in, make_citizen, make_letter, make_representation
from tests.web.letter.pages import page_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

START = datetime(2026, 12, 9, 10, 40, tzinfo=UTC)
HEART = Appointment(
    "Kontroll av hjertet, første gang",
    "Haukeland universitetssjukehus, Jonas Lies vei 65, 5021 Bergen",
    ((START, START + timedelta(minutes=45)),),
    "Møt 15 minutter før; ta med C:\\liste.\nOg briller.",
)


def address(letter, number=0):
    return reverse("appointment_file", args=[letter.id, number])


def unfolded(content: bytes) -> list[str]:
    """The lines of a file, put together as a calendar does (3.1)."""
    return content.decode().replace("\r\n ", "").split("\r\n")


def text(value: str) -> str:
    """A TEXT value as a calendar reads it (3.3.11)."""
    shown, escaped = "", False
    for sign in value:
        if escaped:
            shown += "\n" if sign in "nN" else sign
        elif sign != "\\":
            shown += sign
        escaped = sign == "\\" and not escaped
    return shown


def events(content: bytes) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for line in unfolded(content):
        name, _, value = line.partition(":")
        if line == "BEGIN:VEVENT":
            found.append({})
        elif found:
            found[-1].setdefault(name, value)
    return found


def test_an_appointment_is_an_event_in_her_calendar(screen, kari):
    letter = make_letter(kari, appointments=[HEART])
    page = page_of(screen, letter)
    assert "Add to calendar" in page and address(letter) in page
    answer = screen.get(address(letter))
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert ".ics" in answer["Content-Disposition"]
    lines = unfolded(answer.content)
    assert lines[:4] == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Samlepost//Samlepost//NO",
        "METHOD:PUBLISH",
    ]
    assert lines[-3:] == ["END:VEVENT", "END:VCALENDAR", ""]
    [event] = events(answer.content)
    assert event["UID"] == f"{letter.id}-0-0@samlepost"
    assert event["DTSTAMP"] == "20261123T080000Z"
    assert (event["DTSTART"], event["DTEND"]) == ("20261209T104000Z", "20261209T112500Z")
    assert text(event["SUMMARY"]) == HEART.title
    assert text(event["LOCATION"]) == HEART.place
    assert text(event["DESCRIPTION"]) == HEART.note
    assert event["URL"] == f"http://testserver/letters/{letter.id}/"
    assert event["CLASS"] == "PRIVATE"


@pytest.mark.parametrize(
    "title",
    [
        "ø" * 200,
        "a" * 66 + "😀" * 30,
        "Komma, semikolon; skråstrek \\ og\nlinje\r\ntil\tslutt\x07",
        "BEGIN:VEVENT\r\nUID:forged",
        "",
    ],
)
def test_lines_are_folded_between_characters_and_nothing_breaks_out_of_its_line(title):
    letter_id = "4c96fb25-54b0-4560-a954-afdeed10077b"
    said = {"title": title, "place": "", "note": title, "times": [[START.isoformat(), ""]]}
    content = calendar_file(said, letter_id, 0, "https://samlepost.test/", START)
    raw = content.split(b"\r\n")
    assert all(len(line) <= 75 for line in raw)
    assert all(line.decode() for line in raw[:-1]), "each line is whole characters"
    assert not content.replace(b"\r\n", b"").count(b"\n")
    [event] = events(content)
    assert event["UID"] == f"{letter_id}-0-0@samlepost"
    wanted = title.replace("\r\n", "\n").replace("\t", " ").replace("\x07", "")
    assert text(event.get("SUMMARY", "")) == wanted
    assert "LOCATION" not in event


def test_each_of_several_times_is_an_event_and_an_open_end_is_left_open(screen, kari):
    times = (
        (START, None),
        (None, START + timedelta(days=1)),
        (None, None),
        (START + timedelta(days=2), START + timedelta(days=2)),
    )
    letter = make_letter(kari, appointments=[Appointment("Valg", "Sagene skole", times)])
    found = events(screen.get(address(letter)).content)
    begins = ["20261209T104000Z", "20261210T104000Z", "20261211T104000Z"]
    assert [event["DTSTART"] for event in found] == begins
    assert not [event for event in found if "DTEND" in event]
    assert len({event["UID"] for event in found}) == 3


def test_an_appointment_without_a_time_has_no_file(screen, kari):
    letter = make_letter(kari, appointments=[Appointment("Valg", "Sagene skole", ((None, None),))])
    assert "Add to calendar" not in page_of(screen, letter)
    assert screen.get(address(letter)).status_code == 404
    assert screen.get(address(letter, 1)).status_code == 404


def test_what_she_may_not_read_is_not_there(screen, kari, client):
    theirs = make_letter(make_citizen("Ola Hansen"), appointments=[HEART])
    high = make_letter(kari, appointments=[HEART], security_level=4)
    asks = make_letter(kari, appointments=[HEART], wants_opening_receipt=True)
    for letter in (theirs, high, asks):
        assert screen.get(address(letter)).status_code == 404
    assert not Access.objects.filter(what=Access.What.LETTER).exists()
    screen.post(reverse("letter_agree", args=[asks.id]))
    assert screen.get(address(asks)).status_code == 200
    log_in(screen, kari, level=4)
    assert screen.get(address(high)).status_code == 200
    screen.logout()
    assert screen.get(address(high)).status_code == 302


def test_a_helper_who_takes_the_file_is_noted(screen, kari):
    letter = make_letter(kari, appointments=[HEART])
    son = make_citizen("Sonja Nordmann")
    make_representation(kari, son)
    log_in(screen, son)
    act_for(screen, kari)
    for _ in range(2):
        assert screen.get(address(letter)).status_code == 200
    assert screen.head(address(letter)).content == b""
    (line,) = Access.objects.filter(what=Access.What.LETTER, letter_id=letter.id)
    assert line.actor_id == son.id


def test_the_file_costs_few_queries(screen, kari, django_assert_max_num_queries):
    letter = make_letter(kari, appointments=[HEART])
    screen.get(address(letter))
    with django_assert_max_num_queries(5):
        screen.get(address(letter))


@pytest.mark.parametrize("year", [1, 9999])
def test_the_ends_of_all_time_break_neither_page_nor_file(screen, kari, year):
    end = datetime.max if year == 9999 else datetime.min
    at = end.replace(microsecond=0, tzinfo=UTC)
    letter = make_letter(kari, due_at=at, appointments=[Appointment("Møte", "Her", ((at, None),))])
    assert "Møte" in page_of(screen, letter)
    assert screen.get(reverse("inbox")).status_code == 200
    [event] = events(screen.get(address(letter)).content)
    assert event["DTSTART"] == f"{year:04}{at:%m%dT%H%M%SZ}"
