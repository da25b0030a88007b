"""Receives digital post as a mailbox supplier (corner 4): list, verify, open, mark as read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from connectors import contract
from connectors.contract import (
    Account,
    Batch,
    ConnectorError,
    CopyReceipt,
    Fault,
    Gone,
    Misconfigured,
    OutgoingCopy,
    OutgoingReceipt,
    RateLimited,
    RawPart,
    Scope,
    Temporary,
    Unreadable,
)
from connectors.dpi import own_mailbox, receipts, schema
from connectors.dpi.envelope import (
    load_certificates,
    load_identities,
    load_identity,
    peek,
    sign_envelope,
)
from connectors.dpi.queue import Gathered, Waiting, waiting_from
from connectors.dpi.reading import (
    ENCRYPTED_PART,
    ENVELOPE_PART,
    Found,
    Reader,
    envelope_part,
    is_print_receipt,
    refused,
)
from connectors.dpi.revocation import Revocation
from connectors.dpi.token import Keys, keys_at
from connectors.http import Http, NotFound
from connectors.maskinporten.client import TokenSource
from connectors.tokens import Bearer

SCOPE = "digitalpostinnbygger:send"
PAGE_SIZE = 50
PAGES_MAX = 200
PACKAGE_MAX_BYTES = 60_000_000
"""50 MB of documents, with room for what the container and the encryption add."""
VERIFIED, UNVERIFIED = "verified", "unverified"
ANSWER_MAX_BYTES = 10**12
"""Never reached: a package that is too large is a letter refused, not a fault of the queue."""
BATCH_BYTES = 16_000_000
"""A batch is handed over when its packages pass this: they are in memory all at once."""


class Connector(contract.Connector):
    """One mailbox supplier's queue. See README.md for the settings."""

    label = "Digital postkasse"
    scope = Scope.SHARED_QUEUE
    required_settings = (
        "base_url",
        "maskinporten_url",
        "client_id",
        "private_key_file",
        "supplier_org_number",
        "decryption_key_file",
        "decryption_certificate_file",
        "trust_anchor_file",
        "signing_key_file",
        "signing_certificate_file",
    )
    receipts = frozenset(receipts.TYPES)
    takes_copies = True

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raise Misconfigured when a setting is missing or a key file cannot be used."""
        super().__init__(settings)
        self.label = settings.get("label") or self.label
        self._supplier = settings["supplier_org_number"]
        self._maskinporten = Http(settings["maskinporten_url"])
        self._reader = Reader(
            supplier=self._supplier,
            anchors=load_certificates(settings["trust_anchor_file"], "trust_anchor_file"),
            decryption=load_identities(
                settings["decryption_key_file"],
                settings["decryption_certificate_file"],
                "decryption",
            ),
            verify_at=_verify_at(settings.get("verify_at", "")),
            helpers=load_certificates(settings.get("issuer_file", ""), "issuer_file"),
            token_keys=self._token_keys(settings.get("sender_tokens", VERIFIED)),
            printer=settings.get("print_supplier_org_number", ""),
            revocation=Revocation(_hosts(settings.get("revocation_hosts", ""))),
        )
        self._signing = load_identity(
            settings["signing_key_file"], settings["signing_certificate_file"], "signing"
        )
        self._http = Http(settings["base_url"])
        self._tokens = TokenSource(
            self._maskinporten,
            settings["maskinporten_url"],
            settings["client_id"],
            settings["private_key_file"],
        )

    def check(self) -> None:
        """Ask for a token and a listing of one; raises what stands in the way."""
        self._list(None, page_size=1)

    def fetch(self, account: Account | None, cursor: str | None) -> Iterator[Batch]:
        """Yield the queue's letters, a batch for each page or 16 MB, until nothing is new.

        A letter stays in the queue until `settle`, so a listing may repeat what was seen in
        this run. A package that cannot be downloaded just now stays in the queue; the others
        go on, and the error is raised when they are done.
        """
        seen: set[str] = set()
        troubles: list[ConnectorError] = []
        page: int | None = None
        for _ in range(PAGES_MAX):
            listing = self._list(page)
            fresh = [each for each in listing if each.key not in seen]
            seen.update(each.key for each in fresh)
            if fresh:
                yield from self._batches(fresh, troubles)
            elif len(listing) < PAGE_SIZE:
                break
            else:
                # A full page of what cannot leave the queue: look behind it. Whether pages
                # are counted from 0 or 1 is not documented; both ways reach the next.
                page = 1 if page is None else page + 1
        if troubles:
            raise troubles[-1]

    def reread(self, account: Account | None, external_id: str, raw: Sequence[RawPart]) -> Batch:
        """Read a quarantined message once more, with the keys and anchors of today."""
        parts = {part.name: part.content for part in raw}
        envelope = parts.get(ENVELOPE_PART, b"").decode("utf-8", "replace")
        if ENCRYPTED_PART not in parts and not (envelope and self._has_no_package(envelope)):
            reason = "the message or its package was not kept"
            lacking = Unreadable(external_id, reason, raw, fault=Fault.SERVER)
            return Batch(unreadable=[lacking])
        found = self._reader.understand(external_id, envelope, parts.get(ENCRYPTED_PART), parts)
        gathered = Gathered()
        gathered.add(found, "")
        return gathered.batch()

    def settle(self, batch: Batch) -> None:
        """Mark the batch's messages as read, which takes them off the queue."""
        for reference in batch.settle_refs:
            try:
                self._http.post(f"messages/in/{reference}/read", bearer=self._bearer())
            except (NotFound, Gone):
                continue  # an earlier attempt took it off

    def sign_receipt(self, receipt: OutgoingReceipt) -> bytes:
        """Return the signed receipt (a JWS); its identifier follows from the idempotency key.

        Raises Misconfigured when `receipt.raw` lacks the message that it answers.
        """
        if receipt.kind not in receipts.TYPES:
            raise Misconfigured(f"DPI has no receipt of kind {receipt.kind}")
        envelope = receipt.raw.get(ENVELOPE_PART, b"").decode("utf-8", "replace")
        if not receipts.is_answerable(envelope):
            raise Misconfigured("the message that the receipt answers is not kept")
        document = receipts.build_receipt(receipt, peek(envelope), self._supplier)
        schema.check_receipt(document)
        return sign_envelope(document, self._signing).encode()

    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        """Send the signed receipt. Raises as `sign_receipt` does where it is not signed yet."""
        signed = receipt.signed or self.sign_receipt(receipt)
        self._http.post(
            "messages/out",
            params={"kanal": self._supplier},
            files={"forretningsmelding": (ENVELOPE_PART, signed, "application/jwt")},
            bearer=self._bearer(),
        )

    def put_copy(self, account: Account, copy: OutgoingCopy) -> CopyReceipt:
        """Upload a letter to her mailbox, by a token that Maskinporten made out for her.

        Raises CopyRefused with the supplier's reason.
        """
        bearer = self._tokens.bearer(own_mailbox.SCOPE, account.national_id)
        return own_mailbox.upload(self._http, self._supplier, copy, bearer)

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()
        self._maskinporten.close()

    def _token_keys(self, said: str) -> Keys | None:
        if said not in (VERIFIED, UNVERIFIED):
            raise Misconfigured(f"sender_tokens is neither {VERIFIED} nor {UNVERIFIED}")
        return keys_at(self._maskinporten, "jwks") if said == VERIFIED else None

    def _bearer(self) -> Bearer:
        return self._tokens.bearer(SCOPE)

    def _list(self, page: int | None, page_size: int = PAGE_SIZE) -> list[Waiting]:
        params = {"kanal": self._supplier, "page_size": str(page_size)}
        if page is not None:
            params["page"] = str(page)
        listing = self._http.get_json("messages/in", params=params, bearer=self._bearer())
        if listing is None:
            return []
        if not isinstance(listing, list):
            raise Temporary("the queue's listing is not a list")
        return [waiting_from(each) for each in listing]

    def _batches(self, fresh: Iterable[Waiting], troubles: list[ConnectorError]) -> Iterator[Batch]:
        gathered = Gathered()
        failed_in_a_row = 0
        stop: ConnectorError | None = None
        for waiting in fresh:
            try:
                gathered.add(*self._read(waiting))
                failed_in_a_row = 0
            except ConnectorError as error:
                troubles.append(error)
                failed_in_a_row += 1
                if failed_in_a_row == 2 or isinstance(error, RateLimited):
                    stop = error
                    break
            if gathered.size >= BATCH_BYTES:
                yield gathered.batch()
                gathered = Gathered()
        if gathered.holds_something():
            yield gathered.batch()
        if stop:
            raise stop

    def _has_no_package(self, envelope: str) -> bool:
        return bool(self._reader.printer) and is_print_receipt(envelope)

    def _read(self, waiting: Waiting) -> tuple[Found, str]:
        """Return the letter, or why not, and the reference to settle it with, if any."""
        if self._has_no_package(waiting.envelope):
            return self._reader.understand(waiting.key, waiting.envelope, None), waiting.id
        try:
            package = self._download(waiting)
        except (NotFound, Gone):
            reason = "the queue no longer has the package"
            kept = (envelope_part(waiting.envelope),)
            return refused(waiting.key, reason, kept, Fault.SERVER), waiting.id
        if package is None:
            # The signed message, kept whole, is what the refusal is answered from.
            reason = f"the package was too large: more than {PACKAGE_MAX_BYTES} bytes"
            kept = (envelope_part(waiting.envelope),)
            return refused(waiting.key, reason, kept, Fault.CLIENT), waiting.id
        return self._reader.understand(waiting.key, waiting.envelope, package), waiting.id

    def _download(self, waiting: Waiting) -> bytes | None:
        """Return the encrypted package, None when it is too large. Raises ConnectorError."""
        package, size = io.BytesIO(), 0
        for chunk in self._http.stream(
            waiting.download_url, bearer=self._bearer(), max_bytes=ANSWER_MAX_BYTES
        ):
            size += package.write(chunk)
            if size > PACKAGE_MAX_BYTES:
                return None
        return package.getvalue()


def _hosts(text: str) -> list[str]:
    return [each.strip().lower() for each in text.split(",") if each.strip()]


def _verify_at(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured("verify_at is not a time") from None
    if moment.tzinfo is None:
        raise Misconfigured("verify_at has no time zone")
    return moment
