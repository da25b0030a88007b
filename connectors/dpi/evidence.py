"""The evidence of who signed, taken at receipt: the chain, and that it was not revoked then.

DPI's signature carries no time that anybody but its signer vouches for (XAdES-BES). When the
certificate has run out, nobody can ask any more whether it was good at receipt; what lies here
beside the message, sealed and logged with it, still says so (as ETSI EN 319 132-1 §5.5 keeps
certificates and revocation values with a signature).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from connectors.contract import EVIDENCE_PREFIX, RawPart
from connectors.dpi.answers import NoAnswer
from connectors.dpi.refusal import Refusal
from connectors.dpi.revocation import JUDGES, LETTER_SECONDS, LIST, OCSP, LookUp, Revocation

SUMMARY = f"{EVIDENCE_PREFIX}revocation.json"
MEDIA_TYPES = {OCSP: "application/ocsp-response", LIST: "application/pkix-crl"}
NOT_REVOKED, REVOKED, NOT_LOOKED_UP = "not revoked", "revoked", "not looked up"
OWN_TIME = "certificates are judged at another time than that of receipt"

Chain = Sequence[x509.Certificate]
"""From a signer to its anchor, verified."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is kept beside a message."""

    parts: tuple[RawPart, ...]
    state: str
    """NOT_REVOKED when that is known of the whole of each chain, else NOT_LOOKED_UP."""


class Revoked(Refusal):
    """A certificate of a chain is revoked; `parts` are the evidence of it."""

    def __init__(self, reason: str, parts: tuple[RawPart, ...]) -> None:
        super().__init__(reason)
        self.parts = parts


class AskedNow:
    """Asks the authorities, at most LETTER_SECONDS long; asks nobody without `revocation`."""

    def __init__(self, revocation: Revocation | None, at: datetime) -> None:
        self._at = at
        self._revocation = revocation
        self._until = time.monotonic() + LETTER_SECONDS

    def look_up(self, certificate: x509.Certificate, issuer: x509.Certificate) -> LookUp:
        """Return what came of asking."""
        if self._revocation is None:
            return LookUp(None, reason=OWN_TIME)
        return self._revocation.look_up(certificate, issuer, self._at, self._until)


class AskedAtReceipt:
    """What was asked when the message came, from the evidence that is kept; asks nobody.

    An answer is judged at the moment that it speaks of: that it counted at receipt was checked
    then. A certificate that was revoked between receipt and reading says nothing of the letter.
    """

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        """Raise ValueError when the evidence cannot be read."""
        summary = json.loads(parts[SUMMARY])
        self._said = {each["sha256"]: each for each in summary["certificates"]}
        self._moments = {
            each["file"]: datetime.fromisoformat(each["this_update"])
            for each in summary["certificates"]
            if "file" in each
        }
        self._parts = parts

    def look_up(self, certificate: x509.Certificate, issuer: x509.Certificate) -> LookUp:
        """Return what came of asking, verified once more."""
        said = self._said.get(certificate.fingerprint(SHA256()).hex(), {})
        name = said.get("file", "")
        kind = name.rpartition(".")[2]
        if not name:
            return LookUp(None, reason=said.get("reason", "it was not asked about at receipt"))
        try:
            content = self._parts[name]
            answer = JUDGES[kind](content, certificate, issuer, self._moments[name])
            return LookUp(answer, content, kind)
        except (NoAnswer, KeyError):
            return LookUp(None, reason="the answer at receipt does not hold")


def gather(chains: Iterable[Chain], asked: AskedNow | AskedAtReceipt) -> Evidence:
    """Return the evidence for each different one of `chains`, the message's first.

    An anchor is believed as it is. Raises Revoked when another certificate was revoked when it
    was asked about.
    """
    different = list(dict.fromkeys(tuple(chain) for chain in chains))
    pairs = dict.fromkeys(pair for chain in different for pair in pairwise(chain))
    found = {pair: asked.look_up(*pair) for pair in pairs}
    answers: dict[str, RawPart] = {}
    said = [_said(certificate, each, answers) for (certificate, _), each in found.items()]
    # Without the time of asking: the same message with the same answers has the same evidence.
    summary = {"certificates": said}
    content = json.dumps(summary, ensure_ascii=False, indent=1, sort_keys=True).encode()
    parts = (
        *(_chain_part(chain, position) for position, chain in enumerate(different)),
        *answers.values(),
        RawPart(SUMMARY, content, "application/json"),
    )
    for (certificate, _), each in found.items():
        if each.answer and each.answer.revoked_at:
            day = each.answer.revoked_at.date().isoformat()
            signs = any(certificate == chain[0] for chain in different)
            whose = "the signer" if signs else "an issuer"
            raise Revoked(f"the certificate of {whose} has been revoked since {day}", parts)
    known = all(each.answer for each in found.values())
    return Evidence(parts, NOT_REVOKED if known else NOT_LOOKED_UP)


def _chain_part(chain: Chain, position: int) -> RawPart:
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    name = "package-chain" if position else "chain"
    return RawPart(f"{EVIDENCE_PREFIX}{name}.pem", pem, "application/pem-certificate-chain")


def _said(
    certificate: x509.Certificate, found: LookUp, answers: dict[str, RawPart]
) -> dict[str, Any]:
    """Return a certificate's entry in the summary; its answer becomes one of `answers`."""
    entry: dict[str, Any] = {
        "sha256": certificate.fingerprint(SHA256()).hex(),
        "serial": f"{certificate.serial_number:x}",
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
    }
    if found.answer is None:
        return {**entry, "state": NOT_LOOKED_UP, "reason": found.reason}
    same = (name for name, part in answers.items() if part.content == found.content)
    name = next(same, "")
    if not name:
        name = f"{EVIDENCE_PREFIX}{entry['serial']}.{found.kind}"
        if name in answers:  # another authority's certificate of the same number
            name = f"{EVIDENCE_PREFIX}{entry['serial']}-{len(answers)}.{found.kind}"
        answers[name] = RawPart(name, found.content, MEDIA_TYPES[found.kind])
    revoked_at = found.answer.revoked_at
    return {
        **entry,
        "state": REVOKED if revoked_at else NOT_REVOKED,
        "file": name,
        "this_update": found.answer.this_update.isoformat(),
        "next_update": found.answer.next_update.isoformat(),
        **({"revoked_at": revoked_at.isoformat()} if revoked_at else {}),
    }
