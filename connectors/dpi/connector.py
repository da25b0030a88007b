"""Receives digital post as a mailbox supplier (corner 4): list, verify, open, mark as read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from connectors import contract
from connectors.contract import (
    Account,
    Batch,
    ConnectorError,
    Gone,
    IncomingLetter,
    Misconfigured,
    OutgoingReceipt,
    RateLimited,
    RawPart,
    Scope,
    Temporary,
    Unreadable,
)
from connectors.dpi import receipts, schema
from connectors.dpi.envelope import Identity, load_certificates, load_identity, peek, sign_envelope
from connectors.dpi.queue import Gathered, Waiting, waiting_from
from connectors.dpi.reading import ENCRYPTED_PART, ENVELOPE_PART, Reader, envelope_part
from connectors.dpi.refusal import Refusal
from connectors.http import Http, NotFound
from connectors.maskinporten.client import TokenSource

SCOPE = "digitalpostinnbygger:send"
PAGE_SIZE = 50
PAGES_MAX = 200
PACKAGE_MAX_BYTES = 60_000_000
"""50 MB of documents, with room for what the container and the encryption add."""
ANSWER_MAX_BYTES = 10**12
"""Never reached: a package that is too large is a letter refused, not a fault of the queue."""
BATCH_BYTES = 32_000_000
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

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raise Misconfigured when a setting is missing or a key file cannot be used."""
        super().__init__(settings)
        self.label = settings.get("label") or self.label
        self._supplier = settings["supplier_org_number"]
        self._reader = Reader(
            supplier=self._supplier,
            anchors=load_certificates(settings["trust_anchor_file"], "trust_anchor_file"),
            decryption=_identity(settings, "decryption"),
            verify_at=_verify_at(settings.get("verify_at", "")),
        )
        self._signing = _identity(settings, "signing")
        self._http = Http(settings["base_url"])
        self._maskinporten = Http(settings["maskinporten_url"])
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
        """Yield the queue's letters, a batch for each page or 32 MB, until nothing is new.

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
        if ENVELOPE_PART not in parts or ENCRYPTED_PART not in parts:
            reason = "the message or its package was not kept"
            return Batch(unreadable=[Unreadable(external_id, reason, raw)])
        envelope = parts[ENVELOPE_PART].decode("utf-8", "replace")
        found = self._reader.understand(external_id, envelope, parts[ENCRYPTED_PART])
        if isinstance(found, IncomingLetter):
            return Batch(letters=[found])
        return Batch(unreadable=[found])

    def settle(self, batch: Batch) -> None:
        """Mark the batch's messages as read, which takes them off the queue."""
        for reference in batch.settle_refs:
            try:
                self._http.post(f"messages/in/{reference}/read", headers=self._headers())
            except (NotFound, Gone):
                continue  # an earlier attempt took it off

    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        """Send a signed receipt; its identifier follows from the idempotency key.

        Raises Misconfigured when `receipt.raw` lacks the message that it answers.
        """
        if receipt.kind not in receipts.TYPES:
            raise Misconfigured(f"DPI has no receipt of kind {receipt.kind}")
        message = peek(receipt.raw.get(ENVELOPE_PART, b"").decode("utf-8", "replace"))
        try:
            schema.document_type(message)
        except Refusal:
            raise Misconfigured("the message that the receipt answers is not kept") from None
        document = receipts.build_receipt(receipt, message, self._supplier)
        schema.check_receipt(document)
        envelope = sign_envelope(document, self._signing)
        self._http.post(
            "messages/out",
            params={"kanal": self._supplier},
            files={"forretningsmelding": (ENVELOPE_PART, envelope.encode(), "application/jwt")},
            headers=self._headers(),
        )

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()
        self._maskinporten.close()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens.token(SCOPE)}"}

    def _list(self, page: int | None, page_size: int = PAGE_SIZE) -> list[Waiting]:
        params = {"kanal": self._supplier, "page_size": str(page_size)}
        if page is not None:
            params["page"] = str(page)
        listing = self._http.get_json("messages/in", params=params, headers=self._headers())
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
        if gathered.letters or gathered.unreadable:
            yield gathered.batch()
        if stop:
            raise stop

    def _read(self, waiting: Waiting) -> tuple[IncomingLetter | Unreadable, str]:
        """Return the letter, or why not, and the reference to settle it with, if any."""
        try:
            package = self._download(waiting)
        except (NotFound, Gone):
            reason = "the queue no longer has the package"
            kept = (envelope_part(waiting.envelope),)
            return Unreadable(waiting.key, reason, kept), waiting.id
        if package is None:
            # It was not kept whole, so the queue must go on holding it.
            reason = f"the package is larger than {PACKAGE_MAX_BYTES} bytes"
            return Unreadable(waiting.key, reason, (envelope_part(waiting.envelope),)), ""
        return self._reader.understand(waiting.key, waiting.envelope, package), waiting.id

    def _download(self, waiting: Waiting) -> bytes | None:
        """Return the encrypted package, None when it is too large. Raises ConnectorError."""
        package = bytearray()
        for chunk in self._http.stream(
            waiting.download_url, headers=self._headers(), max_bytes=ANSWER_MAX_BYTES
        ):
            package += chunk
            if len(package) > PACKAGE_MAX_BYTES:
                return None
        return bytes(package)


def _identity(settings: Mapping[str, str], what: str) -> Identity:
    return load_identity(settings[f"{what}_key_file"], settings[f"{what}_certificate_file"], what)


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
