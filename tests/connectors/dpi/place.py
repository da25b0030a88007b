"""Both suppliers' queues in-process, and what the tests of DPI send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from connectors.contract import (
    IncomingLetter,
    OutgoingReceipt,
    ReceiptKind,
    Unreadable,
)
from connectors.dpi import simulator
from connectors.dpi.connector import SCOPE, Connector
from connectors.dpi.envelope import peek, sign_envelope
from connectors.dpi.sender import Message, message_id
from connectors.maskinporten import simulator as maskinporten
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_ORG, issue_token
from connectors.simulation import mounted
from connectors.world.agencies import agency
from connectors.world.model import Channel, SimulatedDocument, SimulatedLetter
from connectors.world.persons import by_slug

DATA = Path(__file__).parent.parent / "data" / "dpi"


URL = "http://127.0.0.1:8010"


SENT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


KARI = by_slug("kari")


NAV = agency("nav")


SAMPLE_ID = "4c96fb25-54b0-4560-a954-afdeed10077b"


DELIVERED = ReceiptKind.DELIVERED


class Wire(httpx.BaseTransport):
    """The way to the simulators: remembers addresses, and fails where it is told to."""

    def __init__(self, application: Any) -> None:
        self.inner = httpx.WSGITransport(application)
        self.urls: list[str] = []
        self.broken = ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        if self.broken and self.broken in request.url.path:
            return httpx.Response(503)
        return self.inner.handle_request(request)


class Place:
    """Both suppliers' queues, and connectors to them."""

    def __init__(self, state: Path, keys: Path) -> None:
        self.keys = keys
        self.dpi = simulator.make(state, keys)
        applications = {"dpi": self.dpi, "maskinporten": maskinporten.make(state, keys)}
        self.wire = Wire(mounted(applications))
        self.client = httpx.Client(transport=self.wire, base_url=f"{URL}/dpi/")
        self.settings = {
            source["slug"]: source["settings"] for source in simulator.sources(URL, keys)
        }

    def connector(self, channel: Channel = Channel.DIGIPOST, **changes: str) -> Connector:
        return Connector({**self.settings[channel.value], **changes})

    def token(self, scope: str = SCOPE) -> dict[str, str]:
        token = issue_token(self.keys, client_id=CLIENT_ID, consumer_org=CLIENT_ORG, scope=scope)
        return {"Authorization": f"Bearer {token}"}

    def forged(self, change: Callable[[dict[str, Any]], None], signer: str = "nav") -> None:
        """Put a letter in the queue whose payload was changed before it was signed."""
        message = self.dpi.sender.message(letter())
        payload = peek(message.envelope)
        change(payload["standardBusinessDocument"])
        envelope = sign_envelope(payload, self.dpi.authority.agency(agency(signer)))
        self.put(message, envelope)

    def put(self, message: Message, envelope: str) -> None:
        fields = {name: getattr(message, name) for name in Message.__slots__}
        self.dpi.put([Message(**{**fields, "envelope": envelope})])

    def signed(self, files: Mapping[str, bytes]) -> None:
        """Put a letter in the queue whose package holds these files, all in order otherwise."""
        self.packed(self.dpi.sender.packed(letter(), files))

    def packed(self, package: bytes) -> None:
        """Put a letter in the queue with this package, properly encrypted and signed for."""
        self.dpi.put([self.dpi.sender.sealed(letter(), package, message_id(letter()))])


def letter(key: str = "one", **changes: Any) -> SimulatedLetter:
    fields: dict[str, Any] = {
        "key": key,
        "channel": Channel.DIGIPOST,
        "person": KARI,
        "agency": NAV,
        "title": "Vedtak om foreldrepenger",
        "public_title": "Brev fra NAV",
        "sent_at": SENT,
        "security_level": 4,
        "wants_opening_receipt": True,
        "documents": (
            SimulatedDocument("vedlegg.pdf", "Klageskjema", "application/pdf", b"%PDF-1.7 b"),
            SimulatedDocument("vedtak.pdf", "Vedtak", "application/pdf", b"%PDF-1.7 a", True),
        ),
    }
    return SimulatedLetter(**{**fields, **changes})


def drained(connector: Connector) -> tuple[list[IncomingLetter], list[Unreadable]]:
    """Fetch as the engine does: every batch is settled before the next is asked for."""
    letters, unreadable = [], []
    for batch in connector.fetch(None, None):
        letters += batch.letters
        unreadable += batch.unreadable
        connector.settle(batch)
    return letters, unreadable


def receipt(place: Place, kind: ReceiptKind, key: str = "r1", **changes: Any) -> OutgoingReceipt:
    message = place.dpi.sender.message(letter())
    fields: dict[str, Any] = {
        "kind": kind,
        "reference": message.id,
        "at": SENT + timedelta(minutes=5),
        "idempotency_key": key,
        "raw": {"sbd.jwt": message.envelope.encode()},
    }
    return OutgoingReceipt(**{**fields, **changes})
