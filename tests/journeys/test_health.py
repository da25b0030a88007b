"""Helsenorge's archive and the doctors' pasientpost: whole at level high, nothing below it."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.core import mail
from django.test import Client

from config.panel import read_panel_sites
from connectors import clock
from connectors.world.drafts import finish
from connectors.world.letters import drafts, new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.letters import texts
from inbox.letters.models import Letter
from inbox.notifications.deliver import send_due
from inbox.sync import engine
from inbox.sync.models import Mailbox, Source
from inbox.web.panel import COOKIE
from tests.make import act_for, log_in
from tests.pages import Answer, asking, crawl

pytestmark = pytest.mark.django_db

HEALTH = (Channel.HELSENORGE, Channel.PASIENTPOST)
PERSONS = ("ola", "solveig", "henrik", "eirik", "olena", "sara")
TELLING = re.compile(
    r"hjert|\brygg|\bMR\b|prøve|blod|ferritin|metoprolol|tuberc|screening|treatment|grå stær|søvn"
    r"|henvis|tilvis|epikrise|konsultasjon|sykehus|poliklinikk|undersøkels|fastlege",
    re.IGNORECASE,
)
"""Words of these letters that tell something of her health; the sender's own name is shown."""
SHOWN = re.compile(r"\bFastlegen\b|Pasientpost \(fastlegen\)|\b\w{40,}")
"""The names of the two, and tokens in which any letters may stand side by side."""
EVERY = {"letter": 50, "document": 50, "appointment_file": 50}


@pytest.fixture
def fetched(demo_citizens, settings) -> dict[str, Citizen]:
    """Those who have such letters, with these and no others."""
    settings.PANEL_SITES = read_panel_sites(
        ["nav|https://www.nav.example/|889640782|NAV"], loopback=False
    )
    found = {}
    for slug in PERSONS:
        person = by_slug(slug)
        own = [finish(each) for each in drafts(person) if each.channel in HEALTH]
        demo_citizens.control.by_channel[Channel.HELSENORGE].send_many(own)
        found[slug] = find_citizen("national_id", person.national_id)
        for row in Mailbox.objects.filter(citizen=found[slug], source__in=HEALTH):
            engine.sync_mailbox(row.citizen_id, row.id)
        assert Letter.objects.filter(citizen=found[slug]).count() == len(own) > 0
    return found


def screen(citizen: Citizen, level: int) -> Client:
    client = Client(headers={"accept-language": "nb"})
    log_in(client, citizen, level)
    return client


def telling(answer: Answer) -> list[str]:
    said = f"{answer.body.decode('utf-8', 'replace')} {answer.headers}"
    return TELLING.findall(SHOWN.sub("", said)) if answer.status == 200 else []


def walked(client: Client) -> list[Answer]:
    starts = ("/", "/deadlines/", "/cases/", "/archive/", "/sources/")
    return crawl(asking(client), starts, each=2, more=EVERY)


def test_at_level_high_all_of_it_is_there_and_below_nothing_but_sender_day_and_public_title(
    fetched,
):
    for citizen in fetched.values():
        letters = list(Letter.objects.filter(citizen=citizen))
        high = walked(screen(citizen, 4))
        for letter in letters:
            assert any(letter.title in answer.text for answer in high if answer.is_page)
        assert any(telling(answer) for answer in high)
        low = screen(citizen, 3)
        nobody = asking(screen(find_citizen("national_id", by_slug("nora").national_id), 4))
        seen = walked(low)
        rest = {answer.address for answer in high} - {answer.address for answer in seen}
        seen += [asking(low)(address) for address in rest]
        said = {answer.address: words for answer in seen if (words := telling(answer))}
        # Our own words, of life events for one, are on everybody's page.
        assert {at: words for at, words in said.items() if words != telling(nobody(at))} == {}
        listed = asking(low)("/").text
        for letter in letters:
            assert letter.public_title in listed
            assert letter.title not in listed


def test_a_search_below_the_level_finds_none_of_their_words(fetched):
    while texts.read_due():
        pass
    for slug, wanted in (
        ("ola", ("epikrise", "blodprøver", "metoprolol", "tungpust")),
        ("henrik", ("ryggen", "MR-undersøkelsen")),
        ("olena", ("tuberculosis",)),
    ):
        for word in wanted:
            address = f"/?q={quote(word)}"
            assert "/letters/" in asking(screen(fetched[slug], 4))(address).text, word
            assert "/letters/" not in asking(screen(fetched[slug], 3))(address).text, word


def test_what_her_doctor_writes_to_a_girl_of_fifteen_is_not_for_her_father(fetched):
    father = screen(fetched["henrik"], 4)
    act_for(father, fetched["sara"])
    listed = asking(father)("/")
    assert listed.status == 200 and "Sara" in listed.text
    letter = Letter.objects.get(citizen=fetched["sara"])
    assert str(letter.id) not in listed.text
    assert father.get(f"/letters/{letter.id}/").status_code == 404


def test_notices_the_panel_and_the_export_tell_nothing_of_them(fetched):
    clock.freeze(clock.now() + timedelta(days=7))  # reminders of deadlines as well
    send_due()
    assert mail.outbox
    for message in mail.outbox:
        assert not TELLING.search(SHOWN.sub("", message.subject + message.body))
    for citizen in fetched.values():
        client, framed = screen(citizen, 3), Client()
        assert client.post("/panel/consent/", {"site": "nav"}).status_code == 200
        framed.cookies[COOKIE] = client.cookies[COOKIE].value
        said = framed.get("/panel/", {"site": "nav"}).content.decode()
        for hidden in ("Helsenorge", "astlege", citizen.name):
            assert hidden not in said
        answer = client.post("/export/download/")
        assert answer.status_code == 302 and "/login/step-up/" in answer["Location"]


def test_what_such_a_feed_says_to_be_of_a_lower_level_is_of_level_high_all_the_same(demo_citizens):
    ola = by_slug("ola")
    for channel in (*HEALTH, Channel.BERGEN):
        letter = new_letter(ola, channel, at=clock.now(), title="Prøvesvaret ditt", level=3)
        demo_citizens.control.by_channel[channel].send(letter)
        row = Mailbox.objects.get(citizen__name=ola.name, source_id=channel.value)
        engine.sync_mailbox(row.citizen_id, row.id)
    levels = dict(Letter.objects.values_list("source", "security_level"))
    assert levels == {"minside-helsenorge": 4, "minside-pasientpost": 4, "minside-bergen": 3}


@pytest.mark.parametrize("wrong", ["5", "0", "høyt"])
def test_a_lowest_level_that_is_none_stops_the_agency_and_is_named(demo_citizens, wrong):
    source = Source.objects.get(slug=Channel.HELSENORGE.value)
    source.settings["level_min"] = wrong
    source.save()
    row = Mailbox.objects.filter(source=source).first()
    engine.sync_mailbox(row.citizen_id, row.id)
    row.refresh_from_db()
    assert row.failure == "misconfigured" and "level_min" in row.failure_detail


def test_an_appointment_of_a_feed_goes_into_her_calendar(fetched):
    letter = Letter.objects.get(title__startswith="Timeavtale")
    client = screen(fetched["ola"], 4)
    file = client.get(f"/letters/{letter.id}/appointments/0.ics")
    assert file.status_code == 200
    assert "DTSTART:20261203T082000Z" in file.content.decode()
    assert (
        screen(fetched["ola"], 3).get(f"/letters/{letter.id}/appointments/0.ics").status_code != 200
    )
