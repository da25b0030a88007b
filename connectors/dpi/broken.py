"""Messages that are wrong in one way each, sent on command by the simulated sender."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from connectors.dpi import cms
from connectors.dpi.authority import SUPPLIERS, Authority
from connectors.dpi.envelope import Identity, peek, sign_envelope
from connectors.dpi.manifest import NAMESPACE
from connectors.dpi.package import MANIFEST, MIMETYPE, build_package, open_package
from connectors.dpi.sender import Message, Sender, package_files
from connectors.world.agencies import agency
from connectors.world.model import SimulatedLetter

STRANGER = "ingen.her#0000"
Make = Callable[["Broken", SimulatedLetter, str], Message]


class Broken:
    """Makes broken messages; `VARIANTS` names them."""

    def __init__(self, sender: Sender, authority: Authority) -> None:
        self._sender = sender
        self._authority = authority

    def message(self, variant: str, letter: SimulatedLetter, identifier: str) -> Message:
        """Return the letter, broken in the way named. Raises KeyError for an unknown name."""
        _, make = VARIANTS[variant]
        return make(self, letter, identifier)

    def _whole(self, letter: SimulatedLetter, identifier: str) -> Message:
        package = self._sender.packed(letter, package_files(letter))
        return self._sender.sealed(letter, package, identifier)

    def _wrong_fingerprint(self, letter: SimulatedLetter, identifier: str) -> Message:
        package = self._sender.packed(letter, package_files(letter))
        return self._sender.sealed(letter, package, identifier, digest=b"\x00" * 32)

    def _no_zip(self, letter: SimulatedLetter, identifier: str) -> Message:
        return self._sender.sealed(letter, b"This is no ZIP container.", identifier)

    def _broken_manifest(self, letter: SimulatedLetter, identifier: str) -> Message:
        manifest = f'<manifest xmlns="{NAMESPACE}"><hoveddokument'.encode()
        files = {**package_files(letter), MANIFEST: manifest}
        return self._sender.sealed(letter, self._sender.packed(letter, files), identifier)

    def _unsigned(self, letter: SimulatedLetter, identifier: str) -> Message:
        package = build_package(package_files(letter), letter.sent_at)
        return self._sender.sealed(letter, package, identifier)

    def _changed_file(self, letter: SimulatedLetter, identifier: str) -> Message:
        return self._with_file(letter, identifier, "brev.txt", b"Changed after it was signed")

    def _uncovered_file(self, letter: SimulatedLetter, identifier: str) -> Message:
        return self._with_file(letter, identifier, "mer.txt", b"Never signed")

    def _with_file(
        self, letter: SimulatedLetter, identifier: str, name: str, content: bytes
    ) -> Message:
        files = open_package(self._sender.packed(letter, package_files(letter)))
        files = {**files, name: content}
        del files[MIMETYPE]
        package = build_package(files, letter.sent_at)
        return self._sender.sealed(letter, package, identifier)

    def _another_signer(self, letter: SimulatedLetter, identifier: str) -> Message:
        other = replace(letter, agency=agency("nav"))
        package = self._sender.packed(other, package_files(letter))
        return self._sender.sealed(letter, package, identifier)

    def _wrong_signature(self, letter: SimulatedLetter, identifier: str) -> Message:
        message = self._whole(letter, identifier)
        signed, _, _ = message.envelope.rpartition(".")
        _, _, of_another = self._whole(letter, identifier[::-1]).envelope.rpartition(".")
        return replace(message, envelope=f"{signed}.{of_another}")

    def _unknown_mailbox(self, letter: SimulatedLetter, identifier: str) -> Message:
        nobody = replace(letter.person, mailbox_address=STRANGER)
        return self._whole(replace(letter, person=nobody), identifier)

    def _expired_certificate(self, letter: SimulatedLetter, identifier: str) -> Message:
        message = self._whole(letter, identifier)
        return self._signed_anew(message, self._authority.expired_agency(letter.agency), {})

    def _revoked_certificate(self, letter: SimulatedLetter, identifier: str) -> Message:
        message = self._whole(letter, identifier)
        return self._signed_anew(message, self._authority.revoked_agency(letter.agency), {})

    def _schema_violation(self, letter: SimulatedLetter, identifier: str) -> Message:
        message = self._whole(letter, identifier)
        identity = self._authority.agency(letter.agency)
        return self._signed_anew(message, identity, {"sikkerhetsnivaa": 9})

    def _wrong_recipient_key(self, letter: SimulatedLetter, identifier: str) -> Message:
        other = next(channel for channel in SUPPLIERS if channel != letter.channel)
        package = self._sender.packed(letter, package_files(letter))
        encrypted = cms.encrypt(package, self._sender.recipients[other])
        digest = hashlib.sha256(encrypted).digest()
        message = self._sender.sealed(letter, package, identifier, digest=digest)
        return replace(message, package=encrypted)

    def _signed_anew(
        self, message: Message, identity: Identity, changes: Mapping[str, Any]
    ) -> Message:
        payload = peek(message.envelope)
        payload["standardBusinessDocument"]["digital"].update(changes)
        return replace(message, envelope=sign_envelope(payload, identity))


VARIANTS: Mapping[str, tuple[str, Make]] = {
    "wrong_fingerprint": ("Feil fingeravtrykk", Broken._wrong_fingerprint),
    "no_zip": ("Pakken er ikke en ZIP", Broken._no_zip),
    "broken_manifest": ("Ødelagt manifest", Broken._broken_manifest),
    "unsigned": ("Pakken er ikke signert", Broken._unsigned),
    "changed_file": ("En fil er endret etter signering", Broken._changed_file),
    "uncovered_file": ("En fil som signaturen ikke dekker", Broken._uncovered_file),
    "another_signer": ("Pakken er signert av en annen", Broken._another_signer),
    "wrong_signature": ("Feil signatur", Broken._wrong_signature),
    "unknown_mailbox": ("Ukjent postkasseadresse", Broken._unknown_mailbox),
    "expired_certificate": ("Utløpt sertifikat", Broken._expired_certificate),
    "revoked_certificate": ("Tilbakekalt sertifikat", Broken._revoked_certificate),
    "schema_violation": ("Bryter skjemaet", Broken._schema_violation),
    "wrong_recipient_key": ("Kryptert til feil nøkkel", Broken._wrong_recipient_key),
}
"""Each with its name on the control page."""
IN_TURN = 7
"""So many of them, from the first, come in turn where none is named."""
