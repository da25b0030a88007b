"""Letters beside their source: all that the source said is on the page, or left out on purpose.

`docs/what-is-shown.md` has a row for each field of each envelope. Letters of the made-up world go
through the real simulators and connectors; of each, the envelopes that the archive keeps are held
against the table and against the letter's page.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography import x509
from django.test import Client
from django.urls import reverse
from django.utils.translation import override
from lxml import etree, html

from connectors import clock
from connectors.contract import EVIDENCE_PREFIX, Version
from connectors.dpi.envelope import peek, signer_of
from connectors.dpi.package import open_package
from connectors.nav.reasons import refused_because
from connectors.world.drafts import OSLO, Draft, finish
from connectors.world.letters import drafts
from connectors.world.model import Channel, SimulatedDocument
from inbox.archive import store
from inbox.archive.models import Blob
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.letters.models import Delivery, Letter
from inbox.sync import engine, retrieve
from inbox.sync.models import Mailbox, Source
from inbox.web.dates import Calendar
from inbox.web.letter_words import group_digits, language_name, size_of, type_of
from inbox.web.replying import amount_of, host_of
from tests.make import log_in

pytestmark = pytest.mark.django_db

TABLE = Path(__file__).parents[2] / "docs" / "what-is-shown.md"
SAMPLE = 20
SEED = "what is shown"
PACKED = ("manifest.xml", "lenke.xml", "arrangement.xml", "bevis.xml")
"""What of a package's files is said of the letter, besides its documents."""
RARE = ("printed", "processor", "appointment", "proof", "link_of_document")
LOAD = "stress"
"""Whose thousands of letters are alike: they would crowd out all others."""
LANGUAGES = {"no": "nb"}


Field = tuple[str, Any, Mapping[str, Any]]
"""Path, value, and all that stands beside and above it."""


@dataclass(frozen=True)
class Seen:
    """A letter: what its source said, and what she saw."""

    letter: Letter
    said: dict[str, list[Field]]
    """By envelope, as it came last."""
    fields: set[tuple[str, str]]
    """Envelope and path of each field that ever came."""
    before: str
    """The text of the page when she first came to it."""
    page: str
    """The text of the page when everything has been fetched."""
    below: str
    """The text of the page in a session of level 3."""
    heading: str
    main: str
    """The line over the main document."""
    hosts: list[str]
    """Where its buttons lead."""


Shows = Callable[[Any, Seen, Mapping[str, Any]], bool]
"""Says of a value, its letter and the object it stands in whether it is shown."""


def rows() -> dict[str, dict[str, bool]]:
    """Return by envelope the fields that the table has, and whether it says they are shown."""
    found: dict[str, dict[str, bool]] = {}
    fields: dict[str, bool] = {}
    for line in TABLE.read_text().splitlines():
        if heading := re.match(r"## .*`([\w.]+)`", line):
            fields = found.setdefault(heading[1], {})
        elif row := re.match(r"\| `(.+?)` \|(.*)\|(.*)\|$", line):
            shown, why = row[2].strip(), row[3].strip()
            assert bool(shown) != bool(why), f"{row[1]} must be shown or have a reason"
            assert row[1] not in fields, f"{row[1]} stands twice"
            fields[row[1]] = bool(shown)
    return found


def leaves(value: Any, path: str = "", above: Mapping[str, Any] | None = None) -> Iterator[Field]:
    """Yield each field below `value`: lists are passed through, empty ones are None."""
    if isinstance(value, Mapping) and value:
        beside = {**(above or {}), **value}
        for name, each in value.items():
            yield from leaves(each, f"{path}.{name}" if path else name, beside)
    elif isinstance(value, list) and value:
        for each in value:
            yield from leaves(each, path, above)
    else:
        yield path, None if isinstance(value, Mapping | list) else value, above or {}


def xml_leaves(element: Any, path: str = "") -> Iterator[Field]:
    """Yield each text and attribute below an element."""
    beside = {etree.QName(each).localname: (each.text or "").strip() for each in element}
    for name, value in element.attrib.items():
        yield f"{path}@{name}", value, beside
    for each in element:
        name = etree.QName(each).localname
        below = f"{path}.{name}" if path else name
        if not len(each):
            yield below, (each.text or "").strip(), beside
        yield from xml_leaves(each, below)


def envelopes(letter: Letter) -> Iterator[tuple[str, list[Field]]]:
    """Yield all that the letter's sources said, from what the archive keeps, oldest first."""
    kept = Blob.objects.filter(citizen_id=letter.citizen_id, path__startswith="original/")
    for delivery in letter.deliveries.all():
        for blob in kept.filter(package_id=delivery.id).order_by("version"):
            content = store.read_bytes(delivery.citizen_id, delivery.id, blob.path, blob.version)
            name = blob.path.removeprefix("original/")
            if name.startswith(EVIDENCE_PREFIX):
                continue  # no words of the source's
            if name.endswith(".json"):
                yield name, list(leaves(json.loads(content)))
            elif name.endswith(".jwt"):
                token = content.decode()
                head = json.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))
                head["x5c"] = head["x5c"][:1]  # Those behind it are its issuers'.
                yield name, list(leaves(head | peek(token)["standardBusinessDocument"]))
            elif name == "package.asice":
                for inside, xml in open_package(content).items():
                    if inside in PACKED:
                        yield inside, list(xml_leaves(etree.fromstring(xml)))
            else:
                sealed = ("asic.cms", "download.bin")
                assert name in sealed, f"{name} is an envelope that nobody looks into"


def plain(page: str) -> str:
    """Return a page's text on one line."""
    tree = html.document_fromstring(page)
    for each in tree.xpath("//script | //style"):
        each.drop_tree()
    # What stands side by side is told apart by its place on the screen, not by a space.
    return one_line(" ".join(tree.itertext(with_tail=True)))


def chosen(count: int = SAMPLE) -> list[Draft]:
    """Return letters at random, the same each time, about as many of each source."""
    dice = Random(SEED)
    found = [each for each in drafts() if each.person.slug != LOAD and not each.enterprise]
    dice.shuffle(found)
    by_source: dict[Channel, list[Draft]] = {}
    for draft in found:
        by_source.setdefault(draft.channel, []).append(draft)
    picked: list[Draft] = []
    while len(picked) < min(count, len(found)):
        picked += [by_source[channel].pop() for channel in Channel if by_source.get(channel)]
    picked = picked[:count]
    # What few letters have must be among them.
    rare: dict[str, Draft] = {}
    for each in found:
        for name in RARE:
            if getattr(each, name):
                rare.setdefault(name, each)
    return picked + [each for each in rare.values() if each not in picked]


@pytest.fixture
def looked_at(demo_citizens) -> list[Seen]:
    """The chosen letters, sent, fetched and opened by whom they are to."""
    picked = chosen(int(os.environ.get("SHOWN", SAMPLE)))
    people = {}
    for draft in picked:
        letter = finish(draft)
        sent = demo_citizens.control.by_channel[letter.channel].send(letter)
        if letter.channel is Channel.ALTINN:
            demo_citizens.simulators["altinn"].transmit(
                sent,
                "Et vedtak i saken",
                kind="Decision",
                summary="Les vedtaket.",
                body="Du får *medhold*.",
                urls=["https://skatt.example/vedtak"],
                files=[SimulatedDocument("v.pdf", "Vedtaksbrevet", "application/pdf", b"%PDF")],
                ways_out=[("Klag her", "https://klage.example/", clock.now() + timedelta(9))],
                versions=[Version("en", "A decision", "", "Read the decision.")],
            )
        people[letter.person.slug] = find_citizen("national_id", letter.person.national_id)
    for mailbox in Mailbox.objects.filter(citizen__in=people.values(), source__shared_queue=False):
        engine.sync_mailbox(mailbox.citizen_id, mailbox.id)
    for source in Source.objects.filter(shared_queue=True):
        engine.sync_source(source.slug)
    assert Delivery.objects.count() == len(picked)
    return [seen for citizen in people.values() for seen in look(citizen)]


def look(citizen: Citizen) -> Iterator[Seen]:
    """Open all of a citizen's letters."""
    screen, low = Client(), Client()
    screen.cookies["django_language"] = low.cookies["django_language"] = "en"
    log_in(screen, citizen, level=4)
    log_in(low, citizen, level=3)
    letters = list(Letter.objects.filter(citizen=citizen, revealed=True).order_by("id"))
    first = {letter.id: text_of(screen, letter) for letter in letters}
    for letter in letters:
        screen.post(reverse("letter_agree", args=[letter.id]))
    while retrieve.run_due():
        pass
    for letter in letters:
        letter.refresh_from_db()
        page = text_of(screen, letter)
        tree = html.document_fromstring(page)
        said = list(envelopes(letter))
        yield Seen(
            letter=letter,
            said=dict(said),
            fields={(name, path) for name, fields in said for path, _, _ in fields},
            before=plain(first[letter.id]),
            page=plain(page),
            below=plain(text_of(low, letter)),
            heading=one_line(tree.xpath("string(//h1)")),
            main=one_line(tree.xpath("string(//*[@class='pbar'])")),
            hosts=re.findall(r"\(opens ([^,)\s]+)", plain(page)),
        )


def text_of(client: Client, letter: Letter) -> str:
    answer = client.get(reverse("letter", args=[letter.id]))
    assert answer.status_code == 200
    return str(answer.content.decode())


def one_line(text: str) -> str:
    return " ".join(text.split())


def calendar() -> Calendar:
    return Calendar(clock.now(), "en")


def day(value: str) -> str:
    return calendar().full_day(datetime.fromisoformat(value))


def short_day(value: str) -> str:
    return calendar().day(datetime.fromisoformat(value))


def moment(value: str) -> str:
    return calendar().moment(datetime.fromisoformat(value))


def event(value: str) -> str:
    return calendar().moment_short(datetime.fromisoformat(value))


def number(value: str) -> str:
    return f"org. no. {group_digits(value.removeprefix('0192:'))}"


def level(value: int) -> str:
    return {3: "Security level Substantial (level 3)", 4: "Security level High (level 4)"}[value]


def account(value: str) -> str:
    return f"{value[:4]} {value[4:6]} {value[6:]}"


def signed_by(value: str) -> str:
    """Who signed, as her certificate says."""
    signer = signer_of(x509.load_der_x509_certificate(b64decode(value)))
    return f"Signed by {signer.name} ({group_digits(signer.org_number)})"


def shown(form: Callable[[Any], str] = str) -> Shows:
    """Return what looks on the page for a value in this form."""
    return lambda value, seen, _beside: one_line(form(value)) in seen.page


def if_true(*words: str) -> Shows:
    """Return what looks for one of these where the value is true."""
    return lambda value, seen, _beside: not value or any(each in seen.page for each in words)


def where(name: str, wanted: Any, shows: Shows) -> Shows:
    """Return what looks for a value only where another beside it is `wanted`."""
    return lambda value, seen, beside: beside.get(name) != wanted or shows(value, seen, beside)


def in_its_language(shows: Shows) -> Shows:
    """Return what looks for a text that is in the letter's own language; others are a way away."""
    return lambda value, seen, beside: (
        beside["languageCode"] != seen.letter.language or shows(value, seen, beside)
    )


def host(value: str, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    return host_of(value) in seen.hosts


def heading(value: str, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    return one_line(value) == seen.heading


def below(value: str, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    return seen.letter.security_level == 3 or one_line(value) in seen.below


def language(value: str, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    code = LANGUAGES.get(value.lower(), value.lower())
    if any(each["language"] == code for each in seen.letter.versions):
        return language_name(code) in seen.page[seen.page.index("Also in:") :]
    return code == "en" or f"The letter is written in: {language_name(code)}" in seen.page


def kind(value: str, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    return value == "letter" or f"Kind of letter {value.capitalize()}" in seen.page


def body(value: str, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    """Its marks (Markdown) aside, every word of the body is there, in order."""
    return " ".join(re.findall(r"\w+", value)) in " ".join(re.findall(r"\w+", seen.page))


def asked(value: bool, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    return not value or CONSENT in seen.before or "The letter was opened at" in seen.page


def status(value: str, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    words = {"RequiresAttention": TO_DO, "Completed": DONE}.get(value)
    return words is None or any(each in seen.page for each in words)


def proof(value: bool, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    said = "lasting value as proof" if value else "no lasting value as proof"
    return f"The sender says that the letter has {said}" in seen.page


def main(value: bool, seen: Seen, beside: Mapping[str, Any]) -> bool:
    return not value or seen.main.startswith(one_line(beside["title"]))


def signing(value: str, seen: Seen, _beside: Mapping[str, Any]) -> bool:
    words = {"waiting": "waits for your signature", "signed": "You have signed"}
    words |= {"rejected": "You have declined to sign", "expired": "has passed"}
    return words[value] in seen.page


CONSENT = "wants to know when you open this letter."
DONE = ("This is done.", "You confirmed that you have got the letter")
TO_DO = ("You must ", "The sender asks you to do something.", "The deadline passed on", *DONE)
GET = ("httpMethod", "GET")
VARSEL_KINDS = {"beskjed": "notice", "innboks": "notice", "oppgave": "task"}

FORMS: dict[str, dict[str, Shows]] = {
    "sbd.jwt": {
        "x5c": shown(signed_by),
        "standardBusinessDocumentHeader.documentIdentification.creationDateAndTime": shown(event),
        "standardBusinessDocumentHeader.sender.identifier.value": shown(
            lambda value: group_digits(value.removeprefix("0192:"))
        ),
        "digital.avsender.virksomhetsidentifikator.value": shown(number),
        "digital.sikkerhetsnivaa": shown(level),
        "digital.virkningstidspunkt": shown(moment),
        "digital.virkningsdato": shown(day),
        "digital.aapningskvittering": asked,
        "digital.ikkesensitivtittel": below,
        "digital.spraak": language,
    },
    "manifest.xml": {
        "hoveddokument.tittel": heading,
        "hoveddokument@mime": shown(type_of),
        "vedlegg.tittel": shown(),
        "vedlegg@mime": shown(type_of),
        "lenke.url": host,
        "lenke.knappTekst": shown(),
        "lenke.beskrivelse": where("knappTekst", None, shown()),
        "lenke.frist": shown(day),
    },
    "lenke.xml": {
        "url": host,
        "knappTekst": shown(),
        "beskrivelse": where("knappTekst", None, shown()),
        "frist": shown(day),
    },
    "arrangement.xml": {
        "tittel": shown(),
        "tidsrom.fra": shown(moment),
        "tidsrom.til": shown(lambda value: calendar().time_of_day(datetime.fromisoformat(value))),
        "oppmøte-informasjon": shown(),
        "møteplass.navn": shown(),
        "møteplass.gateadresse": shown(),
        "møteplass.postnummer": shown(),
        "møteplass.sted": shown(),
        "møteplass.land": shown(),
        "lenker.lenke.navn": shown(),
        "lenker.lenke.url": host,
    },
    "bevis.xml": {
        "tittel": shown(),
        "utsteder-visningsnavn": shown(),
        "gyldighetsperiode.periode.fra": shown(day),
        "gyldighetsperiode.periode.til": shown(day),
    },
    "utskrift.jwt": {
        "standardBusinessDocumentHeader.documentIdentification.creationDateAndTime": shown(event),
    },
    "mottakskvittering.jwt": {"mottakskvittering.tidspunkt": shown(event)},
    "leveringskvittering.jwt": {"leveringskvittering.tidspunkt": shown(event)},
    "returpostkvittering.jwt": {
        "returpostkvittering.tidspunkt": lambda value, seen, _beside: (
            event(value) in seen.page and f"came back on {day(value)}" in seen.page
        ),
    },
    "dialog.json": {
        "status": status,
        "dueAt": shown(day),
        "createdAt": shown(event),
        "updatedAt": where("status", "Completed", shown(event)),
        "expiresAt": shown(day),
        "seenSinceLastContentUpdate.seenAt": shown(event),
        "content.title.value.value": in_its_language(heading),
        "content.title.value.languageCode": language,
        "content.summary.value.value": in_its_language(shown()),
        "transmissions.createdAt": shown(moment),
        "transmissions.type": lambda value, seen, _beside: (
            value == "Information" or value in seen.page
        ),
        "transmissions.sender.actorName": shown(),
        "transmissions.content.title.value.value": in_its_language(shown()),
        "transmissions.content.summary.value.value": in_its_language(shown()),
        "transmissions.attachments.displayName.value": shown(),
        "transmissions.navigationalActions.title.value": shown(),
        "transmissions.navigationalActions.url": host,
        "transmissions.navigationalActions.expiresAt": shown(short_day),
        "content.senderName.value.value": shown(),
        "guiActions.url": where(*GET, host),
        "guiActions.title.value": where(*GET, shown()),
    },
    "transmissions.json": {},
    "correspondence.json": {
        "sender": shown(number),
        "messageSender": shown(),
        "dueDateTime": shown(day),
        "content.language": language,
        "content.messageTitle": heading,
        "content.messageSummary": shown(),
        "content.messageBody": body,
        "content.attachments.displayName": shown(),
        "content.attachments.dataType": shown(type_of),
        "externalReferences.referenceValue": where("referenceType", "Generic", shown()),
        "replyOptions.linkURL": host,
        "replyOptions.linkText": shown(),
        "isConfirmationNeeded": if_true("Confirm that you have got the letter", *DONE),
        "isConfidential": if_true(level(4)),
    },
    "item.json": {
        "type": kind,
        "title": heading,
        "public_title": below,
        "summary": shown(),
        "language": language,
        "security_level": shown(level),
        "sent_at": shown(event),
        "visible_from": shown(moment),
        "due_at": shown(day),
        "deleted_at_source": shown(day),
        "case_reference": shown(),
        "sender.name": shown(),
        "sender.org_number": shown(number),
        "link.url": host,
        "link.label": shown(),
        "needs_action": if_true(*TO_DO),
        "wants_opening_receipt": asked,
        "documentary_value": proof,
        "opened_at": shown(event),
        "handled_at": shown(event),
        "handled_by": shown(),
        "withdrawn": if_true("The sender has withdrawn this letter."),
        "reply_forms.label": shown(),
        "reply_forms.choices.label": shown(),
        "reply_forms.text_max": shown(lambda value: f"At most {value} characters" * bool(value)),
        "reply_forms.attachments_max": shown(lambda value: f"At most {value} files" * bool(value)),
        "reply_forms.attachment_types": shown(type_of),
        "reply_forms.attachment_bytes_max": shown(lambda value: size_of(value) if value else ""),
        "reply_forms.reason": shown(),
        "messages.at": shown(moment),
        "messages.text": shown(),
        "messages.author": shown(),
        "payment.amount": lambda value, seen, beside: (
            one_line(amount_of(value, beside["currency"])) in seen.page
        ),
        "payment.currency": shown(),
        "payment.account": shown(account),
        "payment.kid": shown(),
        "payment.due_at": shown(day),
        "signing.status": signing,
        "signing.url": where("status", "waiting", host),
        "signing.at": shown(moment),
        "appointments.title": shown(),
        "appointments.place": shown(),
        "appointments.starts_at": shown(moment),
        "appointments.ends_at": shown(
            lambda value: calendar().time_of_day(datetime.fromisoformat(value))
        ),
        "appointments.note": shown(),
        "documents.title": shown(),
        "documents.media_type": shown(type_of),
        "documents.size": shown(size_of),
        "documents.main": main,
    },
    "varsel.json": {
        "type": lambda value, seen, beside: kind(VARSEL_KINDS[value], seen, beside),
        "innhold.spraakkode": language,
        "innhold.tekst": body,
        "innhold.link": host,
        "opprettet": shown(event),
        "inaktivert": lambda value, seen, _beside: any(each in seen.page for each in DONE),
    },
    "journalpost.json": {
        "tittel": heading,
        "datoSortering": shown(
            lambda value: event(datetime.fromisoformat(value).replace(tzinfo=OSLO).isoformat())
        ),
        "sak.fagsakId": shown(),
        "dokumenter.tittel": shown(),
        "dokumenter.dokumentvarianter.code": where(
            "brukerHarTilgang", False, shown(lambda value: refused_because([value]))
        ),
    },
    "tema.json": {"navn": shown()},
    "forsendelse.json": {
        "avsender.navn": shown(),
        "tittel": heading,
        "date": shown(lambda value: event(datetime.fromtimestamp(value / 1000, UTC).isoformat())),
        "filmetadata.filnavn": shown(),
        "filmetadata.mimetype": shown(type_of),
        "krevNiva4Innlogging": shown(lambda value: level(4 if value else 3)),
        "korrelasjonsid": shown(),
        "signeringUtloper": shown(day),
        "lenker.url": host,
        "lenker.tekst": shown(),
        "lenker.ledetekst": where("tekst", None, shown()),
    },
    "metadata.json": {
        "dokumenter.filnavn": shown(),
        "dokumenter.storrelse": shown(size_of),
        "dokumenter.kanSigneres": if_true("waits for your signature"),
        "dokumenter.signeringUrl": host,
    },
}
"""How each field that the table says is shown stands on the page."""


def test_what_the_table_says_is_shown_is_what_is_looked_for():
    assert {name: set(forms) for name, forms in FORMS.items()} == {
        name: {path for path, is_shown in fields.items() if is_shown}
        for name, fields in rows().items()
    }


def test_every_field_that_a_source_gave_is_in_the_table_and_if_shown_on_the_page(looked_at):
    table = rows()
    gave = {field for seen in looked_at for field in seen.fields}
    assert sorted(field for field in gave if not is_named(table, *field)) == []
    with override("en"):
        lacking = [
            f"{seen.letter.source} {name}: {path} = {str(value)[:80]} of “{seen.heading}”"
            for seen in looked_at
            for name, fields in seen.said.items()
            for path, value, beside in fields
            if path in FORMS[name] and value not in (None, "")
            if not FORMS[name][path](value, seen, beside)
        ]
    assert not lacking, "\n".join(lacking)


def is_named(table: dict[str, dict[str, bool]], name: str, path: str) -> bool:
    """Say whether the table has the field, or one that it stands below or above of."""
    rows_there = table.get(name, {})
    return any(
        path == row or path.startswith((f"{row}.", f"{row}@")) or row.startswith(f"{path}.")
        for row in rows_there
    )
