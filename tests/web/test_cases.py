"""The page of cases, and the thread of one."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from lxml import html

from connectors.contract import ThreadMessage
from connectors.world.model import STUDY_DATE
from inbox.citizens.models import Representation
from inbox.letters.models import Letter, Reply
from inbox.letters.receive import message_rows
from inbox.sync import replies
from tests.incoming import WRITE
from tests.make import (
    act_for,
    copy_letter,
    log_in,
    make_citizen,
    make_letter,
    make_representation,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture
def kari(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return make_citizen()


def screen(citizen, level: int = 3) -> Client:
    client = Client(headers={"accept-language": "en"})
    log_in(client, citizen, level)
    return client


def write(kari, number: int = 1, **fields) -> Letter:
    said = {"case_reference": "2026/7", "title": f"Brev {number}", "document": None}
    return make_letter(
        kari, **said | {"sent_at": STUDY_DATE - timedelta(days=30 - number)} | fields
    )


def parsed(client: Client, address: str) -> html.HtmlElement:
    answer = client.get(address)
    assert answer.status_code == 200
    return html.document_fromstring(answer.content.decode())


def main(client: Client, address: str) -> str:
    return " ".join(parsed(client, address).find(".//main").text_content().split())


def titles(client: Client, address: str) -> list[str]:
    found = parsed(client, address).xpath("//main//h3/a")
    return [each.text_content().strip().removeprefix("Unread: ") for each in found]


def case_address(letter: Letter) -> str:
    return reverse("case", args=[letter.case_id])


def test_cases_stand_by_their_latest_activity_and_say_whose_turn_it_is(kari):
    write(kari, 1, title="Søknad om bostøtte")
    write(kari, 5, title="Vi mangler lønnsslipp", needs_action=True)
    write(kari, 9, title="Barnehageplass", case_reference="BHG-1", sender="Oslo", org_number="1")
    client = screen(kari)
    assert titles(client, "/cases/") == ["Barnehageplass", "Søknad om bostøtte"]
    said = main(client, "/cases/")
    assert "Case 2026/7 Søknad om bostøtte Waiting for you 2 letters" in said
    assert "Nothing for you to do 1 letter" in said
    here = parsed(client, "/cases/").xpath("//nav//a[@aria-current='page']/span/text()")
    assert here == ["Cases"]


def test_the_thread_shows_letters_her_answers_and_the_senders_oldest_first(kari):
    first = write(kari, 1, reply_forms=[WRITE])
    last = write(kari, 20, due_at=STUDY_DATE + timedelta(days=5), needs_action=True)
    viewer_says = replies.Written(WRITE.code, "Her er svaret mitt.", 0, "t")
    client = screen(kari)
    viewer = replies.Viewer(kari.id)
    draft = replies.save_draft(viewer, first.id, viewer_says)
    assert "Her er svaret mitt." not in main(client, case_address(first))
    replies.send_draft(viewer, first.id, WRITE.code, draft.id)
    Reply.objects.update(state="done", updated_at=STUDY_DATE - timedelta(days=28))
    answer = ThreadMessage(
        "m1", STUDY_DATE - timedelta(days=25), "Takk, vi ser på det.", "Saksbehandler"
    )
    Letter.objects.filter(id=first.id).update(messages=message_rows((answer,)))
    said = main(client, case_address(first))
    in_order = [
        "Brev 1",
        "You wrote",
        "Her er svaret mitt.",
        "Saksbehandler",
        "Takk, vi",
        "Brev 20",
    ]
    places = [said.rindex(each) if each == "Brev 20" else said.index(each) for each in in_order]
    assert places == sorted(places)
    assert "You must do this by" in said
    assert "Waiting for you" in said
    link = parsed(client, case_address(first)).xpath("//ol//h3/a/@href")[-1]
    back = parsed(client, link).xpath("//a[@class='back']/@href")
    assert back == [case_address(last)]


def test_the_letters_page_leads_to_its_case_and_the_list_shows_one_case_alone(kari):
    letter = write(kari)
    write(kari, 2)
    make_letter(kari, title="Annet", document=None)
    filed = write(kari, 3)
    Letter.objects.filter(id=filed.id).update(place="filed")
    client = screen(kari)
    page = parsed(client, reverse("letter", args=[letter.id]))
    assert page.xpath(f"//a[@href='{case_address(letter)}']/text()") == ["Case 2026/7"]
    list_address = f"/?case={letter.case_id}"
    assert parsed(client, case_address(letter)).xpath(f"//a[@href='{list_address}']")
    assert titles(client, list_address) == ["Brev 3", "Brev 2", "Brev 1"]
    assert "3 letters · in one case" in main(client, list_address)
    assert titles(client, f"{list_address}&q=annet") == []
    assert titles(client, f"/?case={uuid4()}") == []


def test_at_the_lower_level_nothing_of_what_lies_above_it_is_told(kari):
    high = {"security_level": 4, "public_title": "Brev fra NAV", "needs_action": True}
    secret = write(kari, 1, **high, title="Hemmelig", case_reference="H-1")
    mixed = write(kari, 2, **high, title="Hemmelig to")
    opened = write(kari, 3, title="Åpent")
    low, full = screen(kari), screen(kari, 4)
    said = main(low, "/cases/")
    assert titles(low, "/cases/") == ["Åpent", "Brev fra NAV"]
    assert "Hemmelig" not in said
    assert "H-1" not in said
    assert "1 letter" in said
    assert "Waiting for you" not in said
    assert "Requires a higher security level" in said
    assert "Letters that require a higher security level are not counted here." in said
    locked = main(low, case_address(secret))
    assert "This case requires a higher security level." in locked
    assert "H-1" not in locked
    assert "Brev fra NAV" in locked
    assert titles(low, case_address(mixed)) == ["Åpent"]
    assert titles(low, f"/?case={mixed.case_id}") == ["Åpent"]
    assert titles(low, f"/?case={secret.case_id}") == []
    page = low.get(reverse("letter", args=[secret.id])).content.decode()
    assert str(secret.case_id) not in page
    assert titles(full, "/cases/") == ["Hemmelig to", "Hemmelig"]
    assert titles(full, case_address(opened)) == ["Hemmelig to", "Åpent"]
    assert "Case H-1" in main(full, "/cases/")


def test_a_reference_is_not_shown_before_she_has_agreed_to_the_receipt(kari):
    letter = write(kari, wants_opening_receipt=True)
    client = screen(kari)
    assert "2026/7" not in main(client, "/cases/") + main(client, case_address(letter))
    client.post(reverse("letter_agree", args=[letter.id]))
    assert "2026/7" in main(client, "/cases/")


def test_what_lies_in_the_bin_is_in_no_case(kari):
    kept, thrown = write(kari, 1), write(kari, 2)
    client = screen(kari)
    client.post(reverse("letter_move", args=[thrown.id]), {"to": "bin"})
    assert titles(client, case_address(kept)) == ["Brev 1"]
    client.post(reverse("letter_move", args=[kept.id]), {"to": "bin"})
    assert titles(client, "/cases/") == []
    assert client.get(case_address(kept)).status_code == 404


def test_anothers_case_is_as_if_it_were_not_there(kari):
    letter = write(kari)
    ola = screen(make_citizen("Ola"))
    assert "No cases yet." in main(ola, "/cases/")
    assert ola.get(case_address(letter)).status_code == 404
    assert titles(ola, f"/?case={letter.case_id}") == []


@pytest.mark.parametrize("reach", ["case", "letter", "senders"])
def test_a_helper_is_told_of_what_she_may_see_alone(kari, reach):
    shared = write(kari, 1, title="Delt")
    hidden = write(kari, 2, title="Skjult", case_reference="X-9", sender="Oslo", org_number="1")
    same_case = write(kari, 3, title="Nyere", needs_action=True)
    limits = {
        "case": {"case": str(shared.case_id)},
        "letter": {"letter": str(shared.id)},
        "senders": {"senders": [str(shared.sender_id)]},
    }
    helper = make_citizen("Solveig")
    make_representation(kari, helper, reach=Representation.Reach(reach), limits=limits[reach])
    client = screen(helper, 4)
    act_for(client, kari)
    whole = reach != "letter"
    said = main(client, "/cases/")
    assert titles(client, "/cases/") == ["Delt"]
    assert ("2 letters" if whole else "1 letter") in said
    assert ("Waiting for you" in said) == whole
    expected = ["Delt", "Nyere"] if whole else ["Delt"]
    assert titles(client, case_address(same_case)) == expected
    assert client.get(case_address(hidden)).status_code == 404
    assert titles(client, f"/?case={hidden.case_id}") == []


def test_pages_follow_each_other_without_a_gap_and_at_the_same_cost(kari):
    for number in range(60):
        write(kari, number // 2, case_reference=f"S-{number}", title=f"Sak {number}")
    client = screen(kari)
    address, seen, costs = "/cases/", [], set()
    while address:
        with CaptureQueriesContext(connection) as captured:
            page = parsed(client, address)
        costs.add(len(captured))
        seen += [each.text_content() for each in page.xpath("//main//h3/a")]
        following = page.xpath("//p[@class='pager']/a/@href")
        address = following[0] if following else ""
    assert len(costs) == 1
    assert len(seen) == len(set(seen)) == 60


def test_the_thread_goes_on_without_a_gap_and_costs_the_same_at_many_letters(kari):
    letter = write(kari)
    client = screen(kari)
    copy_letter(letter, 9)
    assert len(titles(client, case_address(letter))) == 10
    client.get("/")  # what a process keeps is kept from here on
    few = [queries(client, at) for at in ("/cases/", case_address(letter), "/")]
    copy_letter(letter, 190)
    assert [queries(client, at) for at in ("/cases/", case_address(letter), "/")] == few
    assert max(few) <= 6
    address, seen = case_address(letter), 0
    while address:
        page = parsed(client, address)
        seen += len(page.xpath("//ol[@class='thread']/li"))
        following = page.xpath("//p[@class='pager']/a/@href")
        address = following[0] if following else ""
    assert seen == 200


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    return len(captured)


def test_an_odd_place_to_go_on_from_is_the_first_page(kari):
    letter = write(kari)
    client = screen(kari)
    for after in ("x", str(uuid4()), ""):
        assert titles(client, f"/cases/?after={after}") == ["Brev 1"]
        assert titles(client, f"{case_address(letter)}?after={after}") == ["Brev 1"]


def test_from_her_case_she_gives_somebody_access_to_it(kari):
    letter = write(kari)
    for number in range(3):
        write(kari, number, case_reference=f"S-{number}")
    client = screen(kari)
    link = parsed(client, case_address(letter)).xpath("//a[contains(@href, 'give')]/@href")
    form = parsed(client, link[0])
    assert form.xpath("//input[@name='reach'][@checked]/@value") == ["case"]
    chosen = form.xpath("//select[@name='case']/option[@selected]/@value")
    assert chosen == [str(letter.case_id)]


def test_hostile_titles_and_references_are_text(kari):
    bad = "<script>alert(1)</script>"
    letter = write(kari, title=bad, case_reference=bad, sender=bad)
    client = screen(kari)
    for address in ("/cases/", case_address(letter)):
        page = client.get(address).content.decode()
        assert bad not in page
        assert re.search("&lt;script&gt;", page)
