"""Digdir's published messages on the whole way: queue, letter's page, receipt to their sender.

What `tests/connectors/data/dpi` holds (SOURCE.txt says where from) lies in the simulated queue byte
for byte; the engine fetches it over HTTP; she reads it; the simulated sender verifies the receipt.
Whose it is, whom to trust and when to judge are settings, as an operator would write them.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from lxml import html

from connectors import clock
from connectors.dpi import cms
from connectors.dpi.authority import SUPPLIERS
from connectors.dpi.envelope import Identity, load_certificates, peek, sign_envelope
from connectors.dpi.mapping import conversation_id, message_id
from connectors.dpi.package import open_package
from connectors.dpi.sender import Message
from connectors.dpi.simulator import DpiSimulator, ReceivedReceipt
from connectors.keys import ensure_rsa_key
from connectors.maskinporten.simulator import issue_token
from connectors.world.agencies import agency
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.archive.models import Blob
from inbox.citizens.identity import find_citizen, identify
from inbox.citizens.models import Citizen
from inbox.letters.models import Delivery, Document, Letter
from inbox.sync import engine, receipts, rejections
from inbox.sync.models import Quarantined, Rejection, Source
from inbox.sync.replay import replay
from tests.connectors.dpi.forger import certificate
from tests.connectors.dpi.place import DATA, SAMPLE_ID
from tests.connectors.dpi.test_schema import officially
from tests.make import log_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:Attribute's length")]

KARI, BJORG = by_slug("kari"), by_slug("bjorg")
DIGDIR = "991825827"
ROOT_2014 = "Buypass_Class_3_Test4_Root_CA.pem"
DIGITAL = {
    "trust_anchor_file": str(DATA / "Buypass_Class_3_Test4_CA_3.pem"),
    "verify_at": "2022-03-16T15:00:00+01:00",
}
PRINT = {
    "trust_anchor_file": str(DATA / "Buypass_Class_3_Test4_CA_G2_ST_Business.pem"),
    "verify_at": "2023-11-14T22:00:00+01:00",
}
TEXT = b"Test"
"""What the one document of each of these letters says."""
SIGNED_2014 = datetime(2014, 8, 26, 10, 53, 6, tzinfo=UTC)


@pytest.fixture
def sim(demo_citizens) -> DpiSimulator:
    simulator: DpiSimulator = demo_citizens.control.by_channel[Channel.EBOKS]
    assert simulator is demo_citizens.control.by_channel[Channel.DIGIPOST], "one serves both"
    return simulator


def configure(channel: Channel = Channel.EBOKS, **settings: str) -> None:
    """Write an operator's settings: the published key pair, tokens without keys, and the rest."""
    source = Source.objects.get(slug=channel.value)
    source.settings |= {
        "decryption_key_file": str(DATA / "eksempel.key.pem"),
        "decryption_certificate_file": str(DATA / "eksempel.pem"),
        "sender_tokens": "unverified",
        **settings,
    }
    source.save()


def put(sim: DpiSimulator, envelope: str, package: bytes, conversation: str = "") -> Message:
    """Put a message in its supplier's queue just as it is; the simulator knows it as said."""
    payload = peek(envelope)
    header = payload["standardBusinessDocument"]["standardBusinessDocumentHeader"]
    message = Message(
        message_id(payload),
        conversation or conversation_id(payload),
        supplier_of(payload),
        "kari",
        header["sender"][0]["identifier"]["value"].partition(":")[2],
        envelope,
        package,
    )
    sim.put([message])
    return message


def supplier_of(payload: dict[str, Any]) -> Channel:
    header = payload["standardBusinessDocument"]["standardBusinessDocumentHeader"]
    number = header["receiver"][0]["identifier"]["value"].partition(":")[2]
    # The print letter's receiver is none of the two.
    return next((each for each, org in SUPPLIERS.items() if org == number), Channel.EBOKS)


def published(sim: DpiSimulator, name: str, conversation: str = "") -> Message:
    envelope = (DATA / f"{name}-forretningsmelding.jwt").read_bytes().decode("ascii")
    return put(sim, envelope, (DATA / f"{name}-dokumentpakke.cms").read_bytes(), conversation)


def kari(mailbox_address: str) -> Citizen:
    """Kari, who has this mailbox too."""
    citizen = find_citizen("national_id", KARI.national_id)
    assert citizen
    identify(citizen, "mailbox_address", mailbox_address)
    return citizen


def fetched(channel: Channel = Channel.EBOKS) -> None:
    engine.sync_source(channel.value)
    source = Source.objects.get(slug=channel.value)
    assert not source.failures, source.last_error


def looked_at(citizen: Citizen) -> tuple[str, list[bytes]]:
    """Return the page of her one letter, and the documents that it leads to."""
    screen = Client()
    log_in(screen, citizen, level=3)
    (letter,) = Letter.objects.filter(citizen=citizen)
    page = screen.get(reverse("letter", args=[letter.id]))
    assert page.status_code == 200
    files = []
    for document in Document.objects.filter(citizen=citizen).order_by("position"):
        address = reverse("document", args=[letter.id, document.id])
        assert address in page.content.decode()
        answer = screen.get(address)
        files.append(b"".join(answer) if answer.streaming else answer.content)
    return page.content.decode(), files


def page_of(letter: Letter) -> str:
    """Return a letter's page at the lower level."""
    screen = Client()
    log_in(screen, Citizen.objects.get(id=letter.citizen_id), level=3)
    return str(screen.get(reverse("letter", args=[letter.id])).content.decode())


def words(page: str) -> str:
    """Return a page's text on one line."""
    return " ".join(" ".join(html.document_fromstring(page).itertext()).split())


def kept(citizen: Citizen) -> dict[str, bytes]:
    """Return what arrived, as the archive has it."""
    (delivery,) = Delivery.objects.filter(citizen=citizen)
    blobs = Blob.objects.filter(citizen_id=citizen.id, path__startswith="original/")
    return {
        blob.path.removeprefix("original/"): store.read_bytes(
            delivery.citizen_id, delivery.id, blob.path
        )
        for blob in blobs
    }


def answered(sim: DpiSimulator, message: Message) -> ReceivedReceipt:
    """Return the one receipt that the sender took, which it has verified: signer and parties."""
    (taken,) = sim.receipts(KARI)
    payload = peek(taken.envelope)
    assert officially(payload, taken.type) is True
    assert conversation_id(payload) == message.conversation
    header = payload["standardBusinessDocument"]["standardBusinessDocumentHeader"]
    assert header["receiver"][0]["identifier"]["value"] == f"0192:{message.sender_org}"
    assert header["sender"][0]["identifier"]["value"] == f"0192:{SUPPLIERS[message.channel]}"
    return taken


def refusal(sim: DpiSimulator, message: Message) -> str:
    """Return what the sender was told of a message that was refused, judged as `feil`."""
    assert not Letter.objects.exists()
    Rejection.objects.update(due_at=timezone.now())
    assert rejections.send_due() == 1
    taken = answered(sim, message)
    assert taken.type == "feil"
    body = peek(taken.envelope)["standardBusinessDocument"]["feil"]
    assert body["feiltype"] == "KLIENT"
    return str(body["detaljer"])


def test_the_published_letter_is_on_her_screen_and_its_sender_is_told(sim: DpiSimulator) -> None:
    configure(**DIGITAL)
    citizen = kari("0000487204")
    message = published(sim, "digital")
    assert message.id == SAMPLE_ID
    fetched()
    page, files = looked_at(citizen)
    assert html.document_fromstring(page).xpath("string(//h1)").strip() == "Test.txt"
    published_package = (DATA / "digital-dokumentpakke.zip").read_bytes()
    assert files == [open_package(published_package)["Test.txt"]] == [TEXT]
    assert "Fra DIGITALISERINGSDIREKTORATET" in words(page)
    assert "Signert av Digdir test (991 825 827)" in words(page)
    raw = kept(citizen)
    assert raw["sbd.jwt"] == (DATA / "digital-forretningsmelding.jwt").read_bytes()
    assert raw["asic.cms"] == message.package
    assert raw["package.asice"] == published_package
    assert receipts.send_due() == 1
    assert answered(sim, message).type == "leveringskvittering"
    fetched()
    assert Letter.objects.count() == 1, "and it has left the queue"


def test_the_published_letter_on_behalf_of_another_names_both(sim: DpiSimulator) -> None:
    configure(Channel.DIGIPOST, **DIGITAL)
    citizen = kari("test.testesen#8HC7")
    message = published(sim, "digital-pa-vegne-av")
    fetched(Channel.DIGIPOST)
    page, files = looked_at(citizen)
    assert files == [TEXT]
    assert "Sendt av KOLLEKTIV TIGER AS - TEST Maskinporten og OIDC på vegne av 910076787" in words(
        page
    )
    assert "Avsender 910076787 (org.nr. 910 076 787)" in words(page)
    assert "Signert av KOLLEKTIV TIGER AS - TEST Maskinporten og OIDC (810 969 342)" in words(page)
    assert receipts.send_due() == 1
    assert answered(sim, message).type == "leveringskvittering"


def test_the_published_letter_of_a_part_of_its_sender_is_on_her_screen(sim: DpiSimulator) -> None:
    configure(**DIGITAL)
    citizen = kari("0000487204")
    message = published(sim, "digital-avsenderidentifikator")
    fetched()
    page, files = looked_at(citizen)
    assert files == [TEXT]
    assert "Fra DIGITALISERINGSDIREKTORATET" in words(page)
    assert receipts.send_due() == 1
    assert answered(sim, message).type == "leveringskvittering"


def test_the_published_letter_is_refused_when_judged_today(sim: DpiSimulator) -> None:
    configure(**{**DIGITAL, "verify_at": clock.now().isoformat()})
    kari("0000487204")
    message = published(sim, "digital")
    fetched()
    assert "was not valid when the message was judged" in refusal(sim, message)


def test_the_published_print_letter_is_nobodys_and_its_sender_is_told(sim: DpiSimulator) -> None:
    configure(**PRINT, print_supplier_org_number="")
    message = published(sim, "utskrift")
    fetched()
    item = Quarantined.objects.get()
    assert (item.external_id, item.citizen_id) == (message.id, None)
    assert "names no mailbox" in refusal(sim, message)


CONVERSATION = "c2e01afe-e883-47c7-9cb9-a9b649b7b1d1"
"""That of the published letter to be printed."""
PRINTER = "974761076"
"""Whom the published letter to be printed is addressed to."""


def hers(sim: DpiSimulator, agency_slug: str, conversation: str) -> Letter:
    """Return a letter of Bjørg's, who is with e-Boks, sent in this conversation."""
    letter = new_letter(
        BJORG, Channel.EBOKS, title="Vedtak", at=clock.now(), agency=agency(agency_slug)
    )
    sim.send(replace(letter, conversation=conversation))
    fetched()
    return Letter.objects.get()


def test_the_published_print_letter_marks_the_letter_of_its_conversation(sim: DpiSimulator) -> None:
    letter = hers(sim, "digdir", CONVERSATION)
    configure(**PRINT, print_supplier_org_number=PRINTER)
    message = published(sim, "utskrift", "print")
    fetched()
    assert Letter.objects.count() == 1 and not Quarantined.objects.exists()
    page = words(page_of(letter))
    assert "Avsenderen sendte dette brevet på papir 14. november 2023." in page
    assert "14. nov. 2023 kl. 21.16 Sendt på papir" in page
    assert Blob.objects.get(path="original/utskrift.jwt").size == len(message.envelope)
    sim.redeliver(message.id)
    fetched()
    assert page_of(letter).count("Sendt på papir") == page.count("Sendt på papir")
    assert receipts.send_due() == 1, "the letter itself was delivered; print is not ours to answer"
    assert not Rejection.objects.exists()


@pytest.mark.parametrize(
    ("agency_slug", "conversation"),
    [("nav", CONVERSATION), ("digdir", "c2e01afe-e883-47c7-9cb9-a9b649b7b1d2")],
)
def test_of_another_sender_or_conversation_the_print_letter_is_nobodys_and_unanswered(
    sim: DpiSimulator, agency_slug: str, conversation: str
) -> None:
    letter = hers(sim, agency_slug, conversation)
    configure(**PRINT, print_supplier_org_number=PRINTER)
    published(sim, "utskrift", "print")
    fetched()
    assert "names no mailbox" in Quarantined.objects.get().reason
    assert not Rejection.objects.exists()
    assert "på papir" not in page_of(letter)


def test_a_print_letter_that_came_before_its_letter_can_be_replayed(sim: DpiSimulator) -> None:
    before = Source.objects.get(slug=Channel.EBOKS.value).settings
    configure(**PRINT, print_supplier_org_number=PRINTER)
    published(sim, "utskrift", "print")
    fetched()
    Source.objects.filter(slug=Channel.EBOKS.value).update(settings=before)
    letter = hers(sim, "digdir", CONVERSATION)
    configure(**PRINT, print_supplier_org_number=PRINTER)
    assert replay(Quarantined.objects.get().id)
    assert "på papir 14. november 2023" in page_of(letter)


@pytest.fixture
def of_2014(sim: DpiSimulator, tmp_path: Path, _keys: Path) -> Message:
    """The package of 2014 as it is, in a message of today's kind of that day.

    Its own message was of the older format. Digdir's key is not published, so a certificate in
    its number, from a root of the test's own, signs the message.
    """
    key = ensure_rsa_key(tmp_path / "of-2014.key.pem")
    valid = datetime(2010, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
    root = certificate("Root", key, "Root", key, ca=True, valid=valid)
    leaf = certificate("Leaf", ensure_rsa_key(tmp_path / "leaf.key.pem"), "Root", key, valid=valid)
    signer = Identity(ensure_rsa_key(tmp_path / "leaf.key.pem"), leaf)
    (tmp_path / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    mailbox = load_certificates(str(DATA / "eksempel.pem"), "mailbox")[0]
    package = cms.encrypt((DATA / "post.asice.zip").read_bytes(), mailbox)
    payload = peek((DATA / "digital-forretningsmelding.jwt").read_text())
    document = payload["standardBusinessDocument"]
    header, body = document["standardBusinessDocumentHeader"], document["digital"]
    header["documentIdentification"]["creationDateAndTime"] = SIGNED_2014.isoformat()
    digest = base64.b64encode(hashlib.sha256(package).digest()).decode()
    body |= {
        "mottaker": {"postkasseadresse": "dangfart.utnes#1BK5"},
        "ikkesensitivtittel": "Eksempel",
        "maskinportentoken": issue_token(
            _keys,
            client_id="digdir",
            consumer_org=f"0192:{DIGDIR}",
            scope="digitalpostinnbygger:send",
            issued_at=SIGNED_2014.timestamp(),
        ),
    }
    body["dokumentpakkefingeravtrykk"]["digestValue"] = digest
    body.pop("virkningstidspunkt")
    anchors = f"{DATA / ROOT_2014},{tmp_path / 'root.pem'}"
    configure(trust_anchor_file=anchors, sender_tokens="verified")
    return put(sim, sign_envelope(payload, signer), package)


def test_the_package_of_2014_is_on_her_screen_when_judged_at_its_signing(
    sim: DpiSimulator, of_2014: Message
) -> None:
    configure(verify_at=SIGNED_2014.isoformat(), sender_tokens="verified")
    citizen = kari("dangfart.utnes#1BK5")
    fetched()
    page, files = looked_at(citizen)
    assert "Eksempel ASiC pakke" in page and "ts_101903v010402p.pdf" in page
    assert "org.nr. 991 825 827" in words(page)
    published_package = (DATA / "post.asice.zip").read_bytes()
    inside = open_package(published_package)
    assert files[0] == inside["hoveddokument.txt"]
    assert {*files} == {inside[name] for name in inside if name.endswith((".txt", ".pdf"))}
    assert kept(citizen)["package.asice"] == published_package
    assert receipts.send_due() == 1
    assert answered(sim, of_2014).type == "leveringskvittering"


def test_the_package_of_2014_has_expired_today_and_can_be_replayed_as_of_then(
    sim: DpiSimulator, of_2014: Message
) -> None:
    configure(verify_at=clock.now().isoformat(), sender_tokens="verified")
    citizen = kari("dangfart.utnes#1BK5")
    fetched()
    assert "the package's signature was not valid when the message was judged" in refusal(
        sim, of_2014
    )
    configure(verify_at=SIGNED_2014.isoformat(), sender_tokens="verified")
    assert replay(Quarantined.objects.get().id)
    assert "Eksempel ASiC pakke" in looked_at(citizen)[0]
