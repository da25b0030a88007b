"""Looking at somebody else's mail: how far it goes, and that it ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from connectors import clock
from connectors.world.model import STUDY_DATE
from inbox.citizens.models import Citizen, InboxState, Representation, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import proposals
from inbox.letters.life_events import DEATH, WORK
from inbox.letters.models import Access, Document, Event, Letter, LifeEventLetter
from inbox.sync.models import OutboundReceipt, PartyList
from tests.make import (
    act_for,
    log_in,
    make_citizen,
    make_letter,
    make_representation,
    make_source,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

ENGLISH = {"accept-language": "en"}


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari() -> Citizen:
    return make_citizen("Kari Nordmann")


@pytest.fixture
def ola() -> Citizen:
    return make_citizen("Ola Hansen")


def screen(citizen: Citizen, level: int = 4) -> Client:
    client = Client(headers=ENGLISH)
    log_in(client, citizen, level)
    return client


def helping(kari: Citizen, ola: Citizen, **fields: object) -> Client:
    make_representation(kari, ola, **fields)
    client = screen(ola)
    act_for(client, kari)
    return client


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def page_of(letter: Letter) -> str:
    return reverse("letter", args=[letter.id])


def only(letter: Letter) -> dict[str, object]:
    return {"reach": Representation.Reach.LETTER, "limits": {"letter": str(letter.id)}}


def test_every_page_says_whose_mail_it_is_and_leads_back(kari, ola):
    letter = make_letter(kari, title="Karis brev")
    make_letter(ola, title="Olas brev")
    client = helping(kari, ola)
    for address in ("/", "/archive/", page_of(letter), "/acting/", "/help/", "/nowhere/"):
        said = text(client, address)
        assert "You are viewing the mail of Kari Nordmann (authorisation from 23 November)" in said
        assert 'action="/acting/stop/"' in said
    assert "Karis brev" in text(client, "/")
    assert "Olas brev" not in text(client, "/")
    client.post("/acting/stop/")
    assert "Olas brev" in text(client, "/")
    assert "Karis brev" not in text(client, "/")


def test_nobody_looks_at_mail_without_being_given_it(kari, ola):
    assert screen(ola).post("/acting/start/", {"citizen": kari.id}).status_code == 404
    make_representation(kari, make_citizen("Per"))
    assert screen(ola).post("/acting/start/", {"citizen": kari.id}).status_code == 404


def test_what_lies_outside_the_scope_is_not_there(kari, ola):
    shown = make_letter(kari, title="Delt", sender="NAV")
    hidden = make_letter(kari, title="Hemmelig", sender="Klinikken", org_number="974761076")
    document = Document.objects.get(citizen=kari, letter_id=hidden.id)
    client = helping(kari, ola, **only(shown))
    assert client.get(page_of(shown)).status_code == 200
    for name, arguments in (
        ("letter", [hidden.id]),
        ("letter_content", [hidden.id]),
        ("document", [hidden.id, document.id]),
        ("document_download", [hidden.id, document.id]),
        ("documents_download", [hidden.id]),
    ):
        assert client.get(reverse(name, args=arguments)).status_code == 404
    for address in ("/", "/?q=hemmelig", "/?show=unread", "/archive/", "/changes/?v=0&n=0"):
        said = text(client, address)
        assert "Hemmelig" not in said
        assert "Klinikken" not in said
    assert "1 unread of 1 letter from 1 sender" in text(client, "/")
    assert InboxState.objects.get(citizen=kari).letters == 2


def test_a_life_event_reaches_as_far_as_she_has_put_letters_into_it(kari, ola):
    states = ("accepted", "proposed", "rejected", "other")
    letters = {state: make_letter(kari, title=f"Brev {state}") for state in states}
    hers = Viewer(kari.id, SecurityLevel.HIGH)
    proposals.add(hers, letters["accepted"].id, DEATH)
    proposals.add(hers, letters["accepted"].id, WORK)  # in two, and yet one letter
    proposals.add(hers, letters["other"].id, WORK)
    proposals.add(hers, letters["rejected"].id, DEATH)
    proposals.decide(hers, letters["rejected"].id, DEATH, accept=False)
    LifeEventLetter.objects.create(citizen=kari, letter_id=letters["proposed"].id, event=DEATH)
    one = {"reach": "letter", "limits": {"letter": str(letters["accepted"].id)}}
    make_representation(kari, ola, **one)
    client = helping(kari, ola, reach="life_event", limits={"life_event": DEATH})
    assert "1 unread of 1 letter from 1 sender" in text(client, "/")
    assert client.get(page_of(letters["accepted"])).status_code == 200
    for state in states[1:]:
        assert client.get(page_of(letters[state])).status_code == 404
    proposals.decide(hers, letters["proposed"].id, DEATH, accept=True)
    assert client.get(page_of(letters["proposed"])).status_code == 200
    assert "Death and inheritance" in text(client, "/acting/")


def test_a_case_is_the_senders_by_whatever_name_it_writes(kari, ola):
    first = make_letter(kari, title="Første", sender="NAV", case_reference="2026/1")
    make_letter(kari, title="Andre", sender="NAV Oslo", case_reference="2026/1")
    make_letter(kari, title="Tredje", sender="NAV", case_reference="2026/2")
    client = helping(kari, ola, reach="case", limits={"case": str(first.case_id)})
    said = text(client, "/")
    assert "Første" in said
    assert "Andre" in said
    assert "Tredje" not in said


def test_a_case_number_above_her_level_is_not_shown_where_access_is_listed(kari, ola):
    letter = make_letter(kari, security_level=4, case_reference="2026/9")
    make_representation(kari, ola, reach="case", limits={"case": str(letter.case_id)})
    make_representation(
        kari, None, accepted=False, reach="case", limits={"case": str(letter.case_id)}
    )
    for citizen, address in ((kari, "/sharing/"), (ola, "/acting/")):
        for level, shown in ((3, False), (4, True)):
            client = Client(headers={"accept-language": "en"})
            log_in(client, citizen, level)
            assert ("Letters in case 2026/9" in text(client, address)) is shown
            assert ("Letters in one case" in text(client, address)) is not shown


@pytest.mark.parametrize("reach", ["senders", "case", "letter"])
def test_each_reach_shows_what_it_names_and_no_more(kari, ola, reach):
    wanted = make_letter(kari, title="Delt", sender="NAV", case_reference="2026/1")
    make_letter(kari, title="Annet", sender="Skatt", org_number="974761076")
    limits = {
        "senders": {"senders": [str(wanted.sender_id)]},
        "case": {"case": str(wanted.case_id)},
        "letter": {"letter": str(wanted.id)},
    }[reach]
    said = text(helping(kari, ola, reach=reach, limits=limits), "/")
    assert "Delt" in said
    assert "Annet" not in said


def test_what_a_helper_prints_or_reads_as_text_stands_in_the_log(kari, ola):
    letter = make_letter(kari, body="Hei")
    document = Document.objects.get(letter_id=letter.id)
    for name, arguments, what in (
        ("letter_print", [letter.id], Access.What.LETTER),
        ("document_text", [letter.id, document.id], Access.What.DOCUMENT),
    ):
        helping(kari, ola).get(page_of(letter))  # what has not been opened is not printed
        Access.objects.all().delete()
        client = helping(kari, ola)
        address = reverse(name, args=arguments)
        assert client.head(address).status_code == 200
        assert not Access.objects.exists()
        for _ in range(2):
            assert client.get(address).status_code == 200
        line = Access.objects.get()
        assert (line.citizen_id, line.actor_id, line.role) == (kari.id, ola.id, "given")
        assert (line.what, line.letter_id) == (what, letter.id)
        letter.refresh_from_db()
        assert letter.unread


def test_news_beside_the_scope_do_not_stir_the_page(kari, ola):
    shown = make_letter(kari)
    client = helping(kari, ola, **only(shown))
    first = client.get("/changes/")["ETag"]
    make_letter(kari)
    assert client.get("/changes/")["ETag"] == first


def test_the_bin_is_hers_alone(kari, ola):
    letter = make_letter(kari, title="Kastet")
    Letter.objects.filter(id=letter.id).update(place=Letter.Place.BIN)
    client = helping(kari, ola)
    assert client.get("/bin/").status_code == 404
    assert client.get(page_of(letter)).status_code == 404


@pytest.mark.parametrize("address", ["/sharing/", "/sharing/give/", "/access-log/", "/welcome/"])
def test_what_is_her_own_is_closed_to_a_helper(kari, ola, address):
    assert helping(kari, ola, may_answer=True).get(address).status_code == 404


def test_a_helper_who_may_only_read_changes_nothing(kari, ola):
    letter = make_letter(kari)
    client = helping(kari, ola)
    client.get(page_of(letter))
    assert "Mark as unread" not in text(client, page_of(letter))
    assert client.post(reverse("letter_unread", args=[letter.id])).status_code == 404


def test_who_may_answer_one_letter_changes_no_other(kari, ola):
    one, other = make_letter(kari), make_letter(kari)
    make_representation(kari, ola)
    client = helping(kari, ola, may_answer=True, **only(one))
    assert client.post(reverse("letter_unread", args=[one.id])).status_code == 302
    assert client.post(reverse("letter_unread", args=[other.id])).status_code == 404


def test_it_ends_in_the_middle_of_reading(kari, ola):
    letter = make_letter(kari, title="Karis brev")
    document = Document.objects.get(citizen=kari, letter_id=letter.id)
    addresses = [
        "/",
        page_of(letter),
        reverse("document", args=[letter.id, document.id]),
        reverse("documents_download", args=[letter.id]),
    ]
    client = helping(kari, ola, ends_at=STUDY_DATE + timedelta(days=1))
    for address in addresses:
        clock.freeze(STUDY_DATE)
        act_for(client, kari)
        assert client.get(address).status_code == 200
        clock.freeze(STUDY_DATE + timedelta(days=1))
        answer = client.get(address)
        assert (answer.status_code, answer["Location"]) == (302, "/")
        said = text(client, "/")
        assert "You can no longer see the mail of Kari Nordmann" in said
        assert "Karis brev" not in said
        assert client.get(page_of(letter)).status_code == 404


def test_a_page_that_stands_open_is_led_away_when_it_ends(kari, ola):
    given = make_representation(kari, ola)
    client = screen(ola)
    act_for(client, kari)
    Representation.objects.filter(id=given.id).update(withdrawn_at=clock.now())
    answer = client.get("/changes/?v=0", headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == "/"
    assert not answer.content


def test_a_page_of_another_tab_never_shows_or_changes_other_mail_than_it_says(kari, ola):
    own = make_letter(ola)
    client = helping(kari, ola, may_answer=True)
    of_own_mail = {"HX-Request": "true", "X-Acting": ""}
    assert client.get("/changes/?v=0", headers=of_own_mail)["HX-Redirect"] == "/"
    client.post("/acting/stop/")
    of_karis = {"HX-Request": "true", "X-Acting": str(kari.id)}
    assert client.get("/changes/?v=0", headers=of_karis)["HX-Redirect"] == "/"
    unread = reverse("letter_unread", args=[own.id])
    client.get(page_of(own))
    assert client.post(unread, {"acting": str(kari.id)})["Location"] == "/"
    assert not Letter.objects.get(id=own.id).unread


def test_stepping_up_goes_on_with_the_same_mail(kari, ola):
    letter = make_letter(kari, security_level=4, title="Skjult", public_title="Åpent")
    make_representation(kari, ola)
    client = screen(ola, level=3)
    act_for(client, kari)
    said = text(client, page_of(letter))
    assert "Skjult" not in said


def test_a_helpers_opening_is_not_the_recipients(kari, ola):
    letter = make_letter(kari)
    client = helping(kari, ola)
    client.get(page_of(letter))
    row = Letter.objects.get(id=letter.id)
    assert row.unread
    assert row.opened_at is None
    assert InboxState.objects.get(citizen=kari).unread == 1
    event = Event.objects.get(letter_id=letter.id, kind=Event.Kind.OPENED)
    assert event.actor_id == ola.id
    screen(kari).get(page_of(letter))
    assert not Letter.objects.get(id=letter.id).unread


def test_who_stands_in_by_law_opens_for_the_recipient(kari, ola):
    letter = make_letter(kari)
    helping(kari, ola, kind="guardian").get(page_of(letter))
    assert not Letter.objects.get(id=letter.id).unread


@pytest.mark.parametrize(("kind", "told"), [("estate", False), ("guardian", True)])
def test_nobody_is_told_that_the_dead_see_what_is_opened(kari, ola, kind, told):
    if kind == "estate":
        Citizen.objects.filter(pk=kari.pk).update(deceased_at=clock.now())
    shown = text(helping(kari, ola, kind=kind), "/")
    assert ("Kari Nordmann can see what you open." in shown) is told
    assert ("What you open stands in the access log." in shown) is not told


def test_a_helper_cannot_agree_to_a_receipt_for_her(kari, ola):
    letter = make_letter(kari, title="Rekommandert", body="Innholdet", wants_opening_receipt=True)
    client = helping(kari, ola, may_answer=True)
    client.post(reverse("letter_agree", args=[letter.id]))
    said = text(client, page_of(letter))
    assert "Only Kari Nordmann can open it first" in said
    assert "Innholdet" not in said
    assert not OutboundReceipt.objects.filter(citizen=kari, kind="opened").exists()


def test_a_parent_sees_no_sensitive_letter_of_a_child_past_twelve(kari, ola):
    make_letter(kari, title="Skolen", security_level=3)
    make_letter(kari, title="Helsestasjonen", security_level=4)
    limits = {"high_hidden_from": (STUDY_DATE - timedelta(days=400)).isoformat()}
    said = text(helping(kari, ola, kind="parent", limits=limits), "/")
    assert "Skolen" in said
    assert "Helsestasjonen" not in said
    assert "Your child has a right to privacy" in said


def test_somebody_is_listed_once_although_two_rules_match(kari, ola):
    make_representation(kari, ola)
    make_representation(kari, ola, kind="guardian")
    assert text(screen(ola), "/acting/").count("See the mail of Kari Nordmann") == 1
    assert text(screen(kari), "/sharing/").count(f"helper-{ola.id}</h2>") <= 1
    assert text(screen(kari), "/sharing/").count("<bdi>Ola Hansen</bdi></h2>") == 1


def test_viewing_once_is_one_line_of_the_log_even_with_live_refresh(kari, ola):
    letter = make_letter(kari)
    document = Document.objects.get(citizen=kari, letter_id=letter.id)
    client = helping(kari, ola)
    for _ in range(3):
        client.get(page_of(letter))
        client.get(reverse("letter_content", args=[letter.id]), headers={"HX-Request": "true"})
        client.get(reverse("document", args=[letter.id, document.id]))
        client.get("/changes/?v=0")
    client.get("/?q=brev")
    client.get("/?q=brevet")
    lines = Access.objects.filter(citizen=kari).order_by("at", "id")
    assert sorted(line.what for line in lines) == ["document", "letter", "search"]
    assert {(line.actor_id, line.role) for line in lines} == {(ola.id, "given")}


def test_both_find_what_was_opened_in_their_logs(kari, ola):
    letter = make_letter(kari, sender="NAV")
    helping(kari, ola).get(page_of(letter))
    assert "Ola Hansen (authorised) opened the letter" in text(screen(kari), "/access-log/")
    done = text(screen(ola), "/acting/done/")
    assert "You opened the letter" in done
    assert "Kari Nordmann" in done
    assert "opened the letter" not in text(screen(ola), "/access-log/")


def test_what_was_not_shown_is_not_in_the_log(kari):
    locked = make_letter(kari, security_level=4)
    asks = make_letter(kari, wants_opening_receipt=True)
    client = screen(kari, level=3)
    for letter in (locked, asks):
        client.get(page_of(letter))
        client.head(page_of(letter))
    assert not Access.objects.exists()


def test_the_log_goes_on_page_by_page(kari):
    letter = make_letter(kari)
    Access.objects.bulk_create(
        Access(
            citizen=kari,
            at=STUDY_DATE - timedelta(minutes=n),
            what="letter",
            actor=kari,
            role="herself",
            letter_id=letter.id,
            sender_name=f"Avsender {n}",
        )
        for n in range(60)
    )
    client = screen(kari)
    first = text(client, "/access-log/")
    assert first.count("<li>\n          <time") == 50
    more = first.split('href="?after=')[1].split('"')[0]
    second = text(client, f"/access-log/?after={more}")
    assert second.count("<li>\n          <time") == 10
    assert "Avsender 59" in second
    assert "Show older" not in second


def test_looking_at_others_mail_costs_two_queries_more(kari, ola, django_assert_max_num_queries):
    make_letter(kari)
    client = helping(kari, ola)
    client.get("/")
    with django_assert_max_num_queries(5):  # by what right; due and newest apart
        client.get("/")


def test_what_is_printed_names_the_recipient_not_the_helper(kari, ola):
    letter = make_letter(kari)
    client = helping(kari, ola)
    client.get(page_of(letter))
    for who, page in (
        ("helper", text(client, reverse("letter_print", args=[letter.id]))),
        ("herself", text(opened(kari, letter), reverse("letter_print", args=[letter.id]))),
    ):
        assert "<dt>To</dt><dd><bdi>Kari Nordmann</bdi></dd>" in page, who
        assert "Ola Hansen" not in page


def opened(citizen: Citizen, letter: Letter) -> Client:
    """Her own browser, in which she has opened the letter."""
    client = screen(citizen)
    client.get(page_of(letter))
    return client


@pytest.mark.parametrize("by", ["", "?by=sender"])
def test_a_helper_finds_no_more_papers_than_she_was_given(kari, ola, by):
    shown = make_letter(kari, title="Delt vitnemål", sender="NAV", documentary_value=True)
    hidden = make_letter(
        kari,
        title="Hemmelig skjøte",
        sender="Klinikken",
        org_number="974761076",
        documentary_value=True,
    )
    make_letter(ola, title="Olas vitnemål", documentary_value=True)
    client = helping(kari, ola, **only(shown))
    for address in (f"/papers/{by}", f"/papers/?by={by[4:]}&after={hidden.id}"):
        said = text(client, address)
        assert "Delt vitnemål" in said
        assert "Hemmelig" not in said
        assert "Klinikken" not in said
        assert "Olas" not in said


@pytest.fixture
def workshop(ola) -> Citizen:
    """An enterprise for which Ola acts, as Altinn says."""
    enterprise = make_citizen("GAUP BILVERKSTED", email="", is_enterprise=True)
    make_source()
    make_representation(
        enterprise,
        ola,
        kind="enterprise",
        may_answer=True,
        register_key="altinn:1",
        ends_at=clock.now() + timedelta(days=30),
    )
    return enterprise


def test_her_enterprises_mail_is_reached_as_others_is_and_stays_apart(ola, workshop):
    make_letter(ola, title="Til Ola")
    letter = make_letter(workshop, title="Til verkstedet")
    client = screen(ola)
    page = text(client, "/acting/")
    assert "GAUP BILVERKSTED" in page and "Enterprise" in page and "key role, by Altinn" in page
    assert "from 23 November 2026, as long as you have the role" in page
    assert "Til verkstedet" not in text(client, "/")
    act_for(client, workshop)
    page = text(client, "/")
    assert "Til verkstedet" in page and "Til Ola" not in page
    assert "You are viewing the mail of GAUP BILVERKSTED (key role, by Altinn)" in page
    assert client.get(page_of(letter)).status_code == 200
    letter.refresh_from_db()
    assert not letter.unread
    [opened] = Event.objects.filter(kind="opened")
    assert (opened.actor_id, opened.detail) == (ola.id, {"role": "enterprise"})
    [line] = Access.objects.filter(what="letter")
    assert (line.citizen_id, line.actor_id, line.role) == (workshop.id, ola.id, "enterprise")


def test_all_who_act_for_an_enterprise_see_who_has_seen_its_mail(kari, ola, workshop):
    letter = make_letter(workshop)
    client = screen(ola)
    act_for(client, workshop)
    client.get(page_of(letter))
    make_representation(workshop, kari, kind="enterprise", register_key="altinn:1")
    other = screen(kari)
    act_for(other, workshop)
    page = text(other, "/access-log/")
    assert "Who has seen the mail of the enterprise?" in page
    assert "Ola Hansen (key role) opened the letter" in page
    assert "You opened the letter" in text(client, "/access-log/")
    # To others on somebody's behalf, and to strangers, it is not there.
    given = helping(make_citizen("Solveig Moen"), kari)
    assert given.get("/access-log/").status_code == 404
    assert (
        screen(make_citizen()).post("/acting/start/", {"citizen": workshop.id}).status_code == 404
    )


def test_a_session_that_looks_at_an_enterprise_ends_with_the_role(ola, workshop):
    letter = make_letter(workshop, title="Til verkstedet", security_level=4)
    low = screen(ola, level=3)
    act_for(low, workshop)
    assert "Til verkstedet" not in text(low, "/")
    client = screen(ola)
    act_for(client, workshop)
    assert client.get(page_of(letter)).status_code == 200
    Representation.objects.update(withdrawn_at=clock.now())
    page = client.get("/", follow=True).content.decode()
    assert "You can no longer see the mail of GAUP BILVERKSTED" in page
    assert client.get(page_of(letter)).status_code == 404


def test_an_enterprise_is_nobody_that_can_log_in_or_give_up_what_it_is(ola, workshop):
    row = Representation.objects.get(citizen=workshop)
    assert "Give up this access" not in text(screen(ola), "/acting/")
    client = screen(ola)
    act_for(client, workshop)
    for address in ("/account/", "/sharing/", "/folders/", "/account/export/"):
        assert client.get(address).status_code == 404, address
    assert row.ends_at is not None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, "We are asking Altinn."),
        ({"failure": "temporary"}, "We cannot get an answer from Altinn right now, and try again"),
        ({"answered": True}, "Altinn last answered 23 November 2026"),
        ({"answered": True, "failure": "temporary"}, "What it said last applies for 30 days."),
        ({"answered": True, "persons_elsewhere": 1}, "Altinn also names 1 person whose mail"),
        ({"answered": True, "persons_elsewhere": 2}, "by the population register alone"),
    ],
)
def test_the_page_says_what_the_source_has_said(ola, said, told):
    answered = clock.now() if said.pop("answered", False) else None
    PartyList.objects.create(
        citizen=ola, source=make_source(), due_at=clock.now(), last_success_at=answered, **said
    )
    assert told in text(screen(ola), "/acting/")
