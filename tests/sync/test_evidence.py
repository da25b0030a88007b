"""A signer's evidence on the whole way: taken at receipt, sealed, told on the page."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cryptography import x509
from django.test import Client
from django.urls import reverse

from connectors.dpi import revocation
from connectors.dpi.simulator import DpiSimulator
from connectors.simulate import World
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.letters.models import Delivery
from inbox.sync import engine, receipts
from inbox.sync.models import OutboundReceipt, Quarantined
from inbox.sync.replay import replay
from tests.make import log_in

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
SLUG = Channel.DIGIPOST.value


@pytest.fixture
def sim(demo_citizens: World) -> DpiSimulator:
    found = demo_citizens.control.by_channel[Channel.DIGIPOST]
    assert isinstance(found, DpiSimulator)
    return found


def kari() -> Citizen:
    found = find_citizen("mailbox_address", KARI.mailbox_address)
    assert found
    return found


def arrived(sim: DpiSimulator, title: str) -> Delivery:
    sim.send(new_letter(KARI, Channel.DIGIPOST, title=title, at=STUDY_DATE))
    engine.sync_source(SLUG)
    return Delivery.objects.get(citizen=kari(), letter__title=title)


def page_of(client: Client, delivery: Delivery) -> str:
    log_in(client, kari(), level=4)
    return client.get(reverse("letter", args=[delivery.letter_id])).content.decode()


def test_the_evidence_is_sealed_with_the_letter_and_told_on_its_page(
    sim: DpiSimulator, client: Client
) -> None:
    delivery = arrived(sim, "Vedtak")
    stored = store.describe(delivery.citizen_id, delivery.id)
    evidence = sorted(path for path in stored.files if path.startswith("original/evidence-"))
    kinds = [path.rpartition(".")[2] for path in evidence]
    assert sorted(kinds) == ["crl", "json", "ocsp", "pem"]
    assert store.verify(delivery.id) == []

    def read(path: str) -> bytes:
        return store.read_bytes(delivery.citizen_id, delivery.id, path)

    chain = x509.load_pem_x509_certificates(read("original/evidence-chain.pem"))
    assert len(chain) == 3 and chain[2] == sim.authority.certificate
    said = json.loads(read("original/evidence-revocation.json"))["certificates"]
    assert all(f"original/{each['file']}" in stored.files for each in said)
    page = page_of(client, delivery)
    assert "Avsenderens sertifikat var ikke trukket tilbake da brevet kom" in page
    # The receipt quotes what arrived, and no evidence.
    quoted = receipts._quotable(delivery)
    assert "sbd.jwt" in quoted and not [each for each in quoted if each.startswith("evidence-")]
    assert OutboundReceipt.objects.filter(citizen=kari(), kind="delivered").count() == 1


def test_a_letter_comes_though_nobody_answers_and_says_so(
    sim: DpiSimulator, client: Client
) -> None:
    sim.responder.set_mode("down")
    delivery = arrived(sim, "Vedtak")
    page = page_of(client, delivery)
    assert "Om avsenderens sertifikat er trukket tilbake" in page
    assert "var ikke trukket tilbake" not in page
    assert "Signaturen er ekte" in page


def test_what_waited_is_received_with_the_evidence_of_its_receipt(
    sim: DpiSimulator, without_address: Callable[[], None]
) -> None:
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Ventet", at=STUDY_DATE))
    engine.sync_source(SLUG)
    item = Quarantined.objects.get()
    before = {each["path"]: each["sha256"] for each in item.files if "evidence-" in each["path"]}
    without_address()
    sim.responder.set_mode("revoked")
    revocation.kept.clear()
    assert replay(item.id)
    delivery = Delivery.objects.get(citizen=kari())
    stored = store.describe(delivery.citizen_id, delivery.id)
    after = {path: stored.files[path].sha256 for path in before}
    assert before == after and len(before) == 4


@pytest.fixture
def without_address(sim: DpiSimulator) -> Callable[[], None]:
    """Take her address away; what is returned gives it back."""
    held = kari().identifiers.filter(kind="mailbox_address")
    rows = list(held)
    held.delete()

    def give_back() -> None:
        for row in rows:
            row.save(force_insert=True)

    return give_back
