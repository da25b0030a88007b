"""From the bytes of one message to a letter, or to the reason why not."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cryptography import x509

from connectors import clock
from connectors.contract import (
    ConnectorError,
    Fault,
    IncomingLetter,
    PaperNotice,
    PaperStep,
    RawPart,
    Unreadable,
)
from connectors.dpi import cms, mapping, schema
from connectors.dpi.envelope import Identity, Signer, open_envelope, peek
from connectors.dpi.evidence import (
    SUMMARY,
    AskedAtReceipt,
    AskedNow,
    Chain,
    Evidence,
    Revoked,
    gather,
)
from connectors.dpi.manifest import Manifest, parse_manifest
from connectors.dpi.package import MANIFEST, open_package
from connectors.dpi.receipts import is_answerable
from connectors.dpi.refusal import OurFault, Refusal
from connectors.dpi.revocation import Revocation
from connectors.dpi.token import Keys, check_token
from connectors.dpi.xades import verify_signature

ENVELOPE_PART = "sbd.jwt"
ENCRYPTED_PART = "asic.cms"
PACKAGE_PART = "package.asice"

NOT_READ = {
    "utskrift": "a letter to be printed names no mailbox, so whose it is cannot be known",
    "flyttet": "a letter moved from another mailbox is signed by who moved it, not by its sender",
}
"""Messages that are in order and yet no letters of ours; README.md says why."""

PRINT_STEPS = {
    "mottakskvittering": PaperStep.ACCEPTED,
    "leveringskvittering": PaperStep.POSTED,
    "returpostkvittering": PaperStep.RETURNED,
}
"""A printing service's receipts. Source: docs.digdir.no DPI `forretningsmeldinger`."""
NO_SUCH_LETTER = "the printing service's receipt tells of no letter that is here"

Found = IncomingLetter | Unreadable | PaperNotice

log = logging.getLogger("samlepost.connectors.dpi")


def envelope_part(envelope: str) -> RawPart:
    """Return the signed message as it is kept."""
    return RawPart(ENVELOPE_PART, envelope.encode(), "application/jwt")


def refused(key: str, reason: str, raw: Sequence[RawPart], fault: Fault) -> Unreadable:
    """Return the message as unreadable; it can be answered if its envelope, the first part, can."""
    envelope = raw[0].content.decode("utf-8", "replace")
    answerable = is_answerable(envelope)
    named = _claimed_id(envelope)
    return Unreadable(key, reason, raw, fault=fault, answerable=answerable, message_id=named)


def _claimed_id(envelope: str) -> str:
    """Return what the message calls itself, unverified; empty where it does not say."""
    try:
        return mapping.message_id(peek(envelope))
    except (Refusal, LookupError, TypeError, AttributeError):
        return ""


def is_print_receipt(envelope: str) -> bool:
    """Say whether it claims to be a receipt of a printing service: those have no package."""
    try:
        kind = mapping.header_of(peek(envelope))["documentIdentification"]["type"]
    except (LookupError, TypeError):
        return False
    return isinstance(kind, str) and kind in PRINT_STEPS


@dataclass(frozen=True, slots=True)
class Reader:
    """What is needed to verify and open one supplier's messages."""

    supplier: str
    """The supplier's organisation number."""
    anchors: Sequence[x509.Certificate]
    decryption: Sequence[Identity]
    """The keys that packages may be encrypted to; several while one is replaced."""
    verify_at: datetime | None = None
    """When certificates are judged; None: now."""
    helpers: Sequence[x509.Certificate] = ()
    """Issuers between an anchor and senders, who leave them out of their messages."""
    token_keys: Keys | None = None
    """Maskinporten's; None: an operator has said that senders' tokens are not verified."""
    printer: str = ""
    """The printing service's organisation number; "": letters to be printed are not read."""
    revocation: Revocation | None = None
    """Asks whether certificates are revoked; not with `verify_at`, as nobody says how it was."""

    def understand(
        self,
        key: str,
        envelope: str,
        encrypted: bytes | None,
        kept: Mapping[str, bytes] | None = None,
    ) -> Found:
        """Verify, decrypt, open and map the message that the queue calls `key`.

        `encrypted` is None for a receipt. `kept` is what was kept of a message that is read once
        more: evidence that was taken at receipt is not asked for again. Raises the contract's
        errors when Maskinporten's keys cannot be had.
        """
        asked = self._asked(kept or {})
        raw: tuple[RawPart, ...] = (envelope_part(envelope),)
        if encrypted is not None:
            raw = (*raw, RawPart(ENCRYPTED_PART, encrypted, "application/cms"))
        try:
            return self._understood(key, envelope, encrypted or b"", raw, asked)
        except Revoked as refusal:
            return _refused(key, refusal, (*raw, *refusal.parts))
        except Refusal as refusal:
            return _refused(key, refusal, raw)
        except ConnectorError:
            raise
        except Exception as error:
            # Hostile bytes may trip a parser in any way; one message must not stop the queue.
            log.error("reading a message failed: %s", type(error).__name__)
            reason = f"reading it failed ({type(error).__name__})"
            return refused(key, reason, raw, Fault.SERVER)

    def _asked(self, kept: Mapping[str, bytes]) -> AskedNow | AskedAtReceipt:
        if SUMMARY in kept:
            try:
                return AskedAtReceipt(kept)
            except (ValueError, TypeError, LookupError):
                log.error("evidence that was kept cannot be read: it is taken anew")
        if self.verify_at:
            return AskedNow(None, self.verify_at)
        return AskedNow(self.revocation, clock.now())

    def _understood(
        self,
        key: str,
        envelope: str,
        encrypted: bytes,
        raw: tuple[RawPart, ...],
        asked: AskedNow | AskedAtReceipt,
    ) -> Found:
        at = self.verify_at or clock.now()
        payload, signer = open_envelope(envelope, self.anchors, at, self.helpers)
        if self.printer and schema.document_type(payload) in PRINT_STEPS:
            return self._print_receipt(key, payload, signer, raw, asked)
        kind = schema.check_message(payload)
        if kind == "utskrift" and self.printer:
            return self._printed(key, payload, signer, encrypted, raw, asked)
        if kind in NOT_READ:
            raise Refusal(NOT_READ[kind])
        _check_parties(key, payload, signer)
        if mapping.receiver_org(payload) != self.supplier:
            raise Refusal("the message is addressed to another mailbox supplier")
        right = self._check_right(payload, signer, encrypted)
        package, files, manifest, chain = self._opened(payload, signer, encrypted)
        if manifest.mailbox_address not in ("", mapping.mailbox_address(payload)):
            raise Refusal("the package is for another mailbox than the message")
        evidence = gather([signer.chain, chain], asked)
        letter = mapping.letter_from(payload, manifest, files, signer, _all(raw, package, evidence))
        return _with(right, evidence, letter)

    def _printed(
        self,
        key: str,
        payload: dict[str, Any],
        signer: Signer,
        encrypted: bytes,
        raw: tuple[RawPart, ...],
        asked: AskedNow | AskedAtReceipt,
    ) -> PaperNotice:
        """A letter to be printed, of which its sender lets us know.

        It is addressed to the printing service, which alone answers it, and as a rule encrypted
        to it. Where we can open it and its manifest names a person it can be a letter of hers.
        """
        _check_parties(key, payload, signer)
        if mapping.receiver_org(payload) != self.printer:
            raise Refusal("the letter to be printed is addressed to another printing service")
        right = self._check_right(payload, signer, encrypted)
        gather([signer.chain], asked)
        otherwise: IncomingLetter | Unreadable
        try:
            package, files, manifest, chain = self._opened(payload, signer, encrypted)
            if not (manifest.national_id or manifest.mailbox_address):
                raise Refusal(NOT_READ["utskrift"])
            evidence = gather([signer.chain, chain], asked)
            kept = _all(raw, package, evidence)
            letter = mapping.printed_from(payload, manifest, files, signer, kept)
            otherwise = _with(right, evidence, letter)
        except OurFault:
            otherwise = _unanswered(key, Refusal(NOT_READ["utskrift"]), raw)
        except Refusal as refusal:
            otherwise = _unanswered(key, refusal, raw)
        return PaperNotice(
            external_id=key,
            step=PaperStep.SENT,
            at=mapping.created_at(payload),
            about=(f"dpi:{mapping.conversation_id(payload)}",),
            org_number=mapping.author_org(payload),
            otherwise=otherwise,
            raw=(replace(raw[0], name="utskrift.jwt"),),
        )

    def _print_receipt(
        self,
        key: str,
        payload: dict[str, Any],
        signer: Signer,
        raw: tuple[RawPart, ...],
        asked: AskedNow | AskedAtReceipt,
    ) -> PaperNotice:
        """A receipt of the printing service to the letter's sender, who lets us know of it."""
        kind = schema.check_receipt(payload)
        _check_parties(key, payload, signer)
        if signer.org_number != self.printer:
            raise Refusal("the receipt is not from the printing service")
        gather([signer.chain], asked)
        return PaperNotice(
            external_id=key,
            step=PRINT_STEPS[kind],
            at=mapping.receipt_at(payload),
            about=(f"dpi:{mapping.conversation_id(payload)}",),
            org_number=mapping.receiver_org(payload),
            otherwise=_unanswered(key, Refusal(NO_SUCH_LETTER), raw),
            raw=(replace(raw[0], name=f"{kind}.jwt"),),
        )

    def _check_right(self, payload: dict[str, Any], signer: Signer, encrypted: bytes) -> bool:
        """Check the right to send and the fingerprint; says whether the token was verified."""
        verified = check_token(
            mapping.sender_token(payload),
            author=mapping.author_org(payload),
            signer=signer.org_number,
            created=mapping.created_at(payload),
            keys=self.token_keys,
        )
        digest = base64.b64encode(hashlib.sha256(encrypted).digest()).decode()
        if digest != mapping.fingerprint(payload):
            raise Refusal("the package is not the one that the message was signed for")
        return verified

    def _opened(
        self, payload: dict[str, Any], signer: Signer, encrypted: bytes
    ) -> tuple[bytes, dict[str, bytes], Manifest, Chain]:
        """Return the package in clear, its files, its manifest and who signed, all verified."""
        package = cms.decrypt(encrypted, self.decryption)
        files = open_package(package)
        package_signer = verify_signature(files, self.anchors, self.verify_at or clock.now())
        if package_signer.org_number not in (signer.org_number, mapping.author_org(payload)):
            raise Refusal("the package is signed by another organisation than the message")
        if MANIFEST not in files:
            raise Refusal("the package has no manifest")
        manifest = parse_manifest(files[MANIFEST])
        if mapping.org_number(manifest.sender) != mapping.author_org(payload):
            raise Refusal("the package is from another author than the message")
        return package, files, manifest, package_signer.chain


def _check_parties(key: str, payload: dict[str, Any], signer: Signer) -> None:
    if mapping.message_id(payload) != key:
        raise Refusal("the queue lists the message under another identifier")
    if mapping.sender_org(payload) != signer.org_number:
        raise Refusal("the sender is not the organisation of the certificate")


def _all(raw: tuple[RawPart, ...], package: bytes, evidence: Evidence) -> tuple[RawPart, ...]:
    opened = RawPart(PACKAGE_PART, package, "application/vnd.etsi.asic-e+zip")
    return (*raw, opened, *evidence.parts)


def _with(verified: bool, evidence: Evidence, letter: IncomingLetter) -> IncomingLetter:
    found = {
        "sender_token": "verified" if verified else "not verified",
        "revocation": evidence.state,
    }
    return replace(letter, provenance={**letter.provenance, **found})


def _refused(key: str, refusal: Refusal, raw: Sequence[RawPart]) -> Unreadable:
    fault = Fault.SERVER if isinstance(refusal, OurFault) else Fault.CLIENT
    return refused(key, str(refusal), raw, fault)


def _unanswered(key: str, refusal: Refusal, raw: Sequence[RawPart]) -> Unreadable:
    """What is addressed to somebody else, who answers it: we do not."""
    return replace(_refused(key, refusal, raw), answerable=False)
