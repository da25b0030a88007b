"""From the bytes of one message to a letter, or to the reason why not."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509

from connectors import clock
from connectors.contract import IncomingLetter, RawPart, Unreadable
from connectors.dpi import cms, mapping, schema
from connectors.dpi.envelope import Identity, Signer, open_envelope
from connectors.dpi.manifest import parse_manifest
from connectors.dpi.package import MANIFEST, open_package
from connectors.dpi.refusal import Refusal

ENVELOPE_PART = "sbd.jwt"
ENCRYPTED_PART = "asic.cms"
PACKAGE_PART = "package.asice"

log = logging.getLogger("samlepost.connectors.dpi")


def envelope_part(envelope: str) -> RawPart:
    """Return the signed message as it is kept."""
    return RawPart(ENVELOPE_PART, envelope.encode(), "application/jwt")


@dataclass(frozen=True, slots=True)
class Reader:
    """What is needed to verify and open one supplier's messages."""

    supplier: str
    """The supplier's organisation number."""
    anchors: Sequence[x509.Certificate]
    decryption: Identity
    verify_at: datetime | None = None
    """When certificates are judged; None: now."""

    def understand(self, key: str, envelope: str, encrypted: bytes) -> IncomingLetter | Unreadable:
        """Verify, decrypt, open and map the message that the queue calls `key`."""
        raw = (envelope_part(envelope), RawPart(ENCRYPTED_PART, encrypted, "application/cms"))
        try:
            payload, signer = self._verified(key, envelope)
            return self._opened(payload, signer, encrypted, raw)
        except Refusal as refusal:
            return Unreadable(key, str(refusal), raw)
        except Exception as error:
            # Hostile bytes may trip a parser in any way; one message must not stop the queue.
            log.error("reading a message failed: %s", type(error).__name__)
            return Unreadable(key, f"reading it failed ({type(error).__name__})", raw)

    def _verified(self, key: str, envelope: str) -> tuple[dict[str, Any], Signer]:
        at = self.verify_at or clock.now()
        payload, signer = open_envelope(envelope, self.anchors, at)
        schema.check_known_type(schema.document_type(payload))
        schema.check_digital(payload)
        if mapping.message_id(payload) != key:
            raise Refusal("the queue lists the message under another identifier")
        if mapping.receiver_org(payload) != self.supplier:
            raise Refusal("the message is addressed to another mailbox supplier")
        if mapping.sender_org(payload) != signer.org_number:
            raise Refusal("the sender is not the organisation of the certificate")
        if mapping.author_org(payload) != signer.org_number:
            raise Refusal("the message is sent on behalf of another, which is not supported")
        return payload, signer

    def _opened(
        self,
        payload: dict[str, Any],
        signer: Signer,
        encrypted: bytes,
        raw: tuple[RawPart, ...],
    ) -> IncomingLetter:
        digest = base64.b64encode(hashlib.sha256(encrypted).digest()).decode()
        if digest != mapping.fingerprint(payload):
            raise Refusal("the package is not the one that the message was signed for")
        package = cms.decrypt(encrypted, self.decryption)
        files = open_package(package)
        if MANIFEST not in files:
            raise Refusal("the package has no manifest")
        manifest = parse_manifest(files[MANIFEST])
        if manifest.mailbox_address not in ("", mapping.mailbox_address(payload)):
            raise Refusal("the package is for another mailbox than the message")
        kept = (*raw, RawPart(PACKAGE_PART, package, "application/vnd.etsi.asic-e+zip"))
        return mapping.letter_from(payload, manifest, files, signer, kept)
