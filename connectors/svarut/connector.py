"""Fetches letters of municipalities as a receiving system of KS SvarUt (SvarInn, version 1)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import UUID

from connectors import contract
from connectors.contract import (
    Account,
    Batch,
    ConnectorError,
    Fault,
    Gone,
    IncomingLetter,
    Misconfigured,
    NotPermitted,
    OutgoingReceipt,
    RateLimited,
    RawPart,
    ReceiptKind,
    Scope,
    Temporary,
    Unreadable,
)
from connectors.dpi.envelope import load_identities
from connectors.fields import URL_MAX, table
from connectors.http import Http, NotFound, Refused, TooLarge
from connectors.maskinporten.client import TokenSource
from connectors.svarut import mapping
from connectors.svarut.reading import ENTRY_PART, Downloaded, Reader, kept, unreadable

SCOPE = "ks:fiks"
"""Of every Fiks interface that takes a token of Maskinporten (docs `Fiks integrasjoner`)."""
SYSTEM_NAME = "Samlepost"
LISTINGS_MAX = 200
BATCH_LETTERS = 50
BATCH_BYTES = 16_000_000
"""A batch is handed over when its packages pass this: they are in memory all at once."""
PACKAGE_MAX_BYTES = 60_000_000
"""50 MB of files, with room for what the container and the encryption add."""
REASON_MAX = 500

Found = IncomingLetter | Unreadable


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One entry of the listing. `id` is empty where it has none that could be an address's part."""

    id: str
    entry: bytes
    url: str

    @property
    def key(self) -> str:
        return self.id or hashlib.sha256(self.entry).hexdigest()


@dataclass
class _Gathered:
    """What becomes the next batch."""

    letters: list[IncomingLetter] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    settle_refs: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, found: Found, settle_ref: str) -> None:
        self.size += sum(len(part.content) for part in found.raw)
        if isinstance(found, IncomingLetter):
            self.letters.append(found)
        else:
            self.unreadable.append(found)
        if settle_ref:
            self.settle_refs.append(settle_ref)

    def is_full(self) -> bool:
        return self.size >= BATCH_BYTES or len(self) >= BATCH_LETTERS

    def __len__(self) -> int:
        return len(self.letters) + len(self.unreadable)

    def batch(self) -> Batch:
        return Batch(self.letters, self.unreadable, None, self.settle_refs)


class Connector(contract.Connector):
    """The queue of one receiving system. See README.md for the settings."""

    label = "SvarUt"
    scope = Scope.SHARED_QUEUE
    required_settings = (
        "base_url",
        "username",
        "password_file",
        "decryption_key_file",
        "decryption_certificate_file",
        "maskinporten_url",
        "client_id",
        "private_key_file",
        "integration_id",
        "integration_password_file",
    )
    receipts = frozenset({ReceiptKind.OPENED, ReceiptKind.REJECTED})

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raise Misconfigured when a setting is missing or a file cannot be used."""
        super().__init__(settings)
        self.label = settings.get("label") or self.label
        password = _secret(settings, "password_file")
        pair = base64.b64encode(f"{settings['username']}:{password}".encode()).decode()
        self._basic = {"Authorization": f"Basic {pair}"}
        self._integration = {
            "IntegrasjonId": settings["integration_id"],
            "IntegrasjonPassord": _secret(settings, "integration_password_file"),
        }
        self._http = Http(settings["base_url"])
        self._maskinporten = Http(settings["maskinporten_url"])
        self._tokens = TokenSource(
            self._maskinporten,
            settings["maskinporten_url"],
            settings["client_id"],
            settings["private_key_file"],
        )
        self._reader = Reader(
            load_identities(
                settings["decryption_key_file"],
                settings["decryption_certificate_file"],
                "decryption",
            ),
            settings.get("edialog_url") or mapping.EDIALOG_URL,
            self._http.base_url,
        )

    def check(self) -> None:
        """List what waits, and download nothing; raises what stands in the way."""
        self._list()

    def fetch(self, account: Account | None, cursor: str | None) -> Iterator[Batch]:
        """Yield what waits, 50 letters or 16 MB at a time, until a listing has nothing new.

        A letter stays in the queue until `settle`. One that cannot be downloaded just now stays
        there, too; the others go on, and the error is raised when they are done.
        """
        seen: set[str] = set()
        troubles: list[ConnectorError] = []
        for _ in range(LISTINGS_MAX):
            fresh: dict[str, _Waiting] = {}
            for each in self._list():
                if each.key not in seen:
                    fresh.setdefault(each.key, each)
            if not fresh:
                break
            seen.update(fresh)
            yield from self._batches(fresh.values(), troubles)
        if troubles:
            raise troubles[-1]

    def reread(self, account: Account | None, external_id: str, raw: Sequence[RawPart]) -> Batch:
        """Read a quarantined consignment once more, with the keys of today."""
        gathered = _Gathered()
        gathered.add(self._reader.understand(external_id, kept(raw)), "")
        return gathered.batch()

    def settle(self, batch: Batch) -> None:
        """Acknowledge the batch's letters; say of what cannot be read that it cannot, and why.

        SvarUt then notifies and prints that as if there were no receiving system; what is our own
        fault (`permanent` false) it offers again.
        """
        refused = {each.external_id: each for each in batch.unreadable}
        for reference in batch.settle_refs:
            try:
                if reference in refused:
                    item = refused[reference]
                    self._fail(reference, item.reason, permanent=item.fault is Fault.CLIENT)
                else:
                    self._post(f"kvitterMottak/forsendelse/{reference}")
            except (NotFound, Gone):
                continue  # an earlier attempt took it off

    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        """Tell SvarUt that she has read it, or that we have no such person.

        Raises Misconfigured where the consignment that names her was not kept.
        """
        if receipt.kind is ReceiptKind.REJECTED:
            try:
                self._fail(receipt.reference, receipt.detail, permanent=True)
            except (NotFound, Gone):
                return  # it is not ours any more
            return
        if receipt.kind is not ReceiptKind.OPENED:
            raise Misconfigured(f"SvarUt has no receipt of kind {receipt.kind}")
        try:
            said = table(json.loads(receipt.raw.get(ENTRY_PART, b"")), "the consignment")
            number = mapping.national_id(said)
        except (ValueError, RecursionError):
            raise Misconfigured("the consignment that the receipt is for is not kept") from None
        self._http.post(
            f"api/v2/forsendelser/{receipt.reference}/lest",
            json={
                "fnr": number,
                "tidspunkt": receipt.at.isoformat(timespec="milliseconds"),
                "eksterntSystemnavn": SYSTEM_NAME,
            },
            headers=self._integration,
            bearer=self._tokens.bearer(SCOPE),
        )

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()
        self._maskinporten.close()

    def _post(self, path: str, **more: Any) -> None:
        self._http.post(f"tjenester/svarinn/{path}", headers=self._basic, **more)

    def _fail(self, reference: str, reason: str, *, permanent: bool) -> None:
        said = {"feilmelding": reason[:REASON_MAX], "permanent": permanent}
        self._post(f"mottakFeilet/forsendelse/{reference}", json=said)

    def _list(self) -> list[_Waiting]:
        path = "tjenester/svarinn/mottaker/hentNyeForsendelser"
        listing = self._http.get_json(path, headers=self._basic)
        if not isinstance(listing, list):
            raise Temporary("the queue's listing is not a list")
        return [_waiting(each) for each in listing]

    def _batches(
        self, fresh: Iterable[_Waiting], troubles: list[ConnectorError]
    ) -> Iterator[Batch]:
        gathered = _Gathered()
        failed_in_a_row = 0
        stop: ConnectorError | None = None
        for waiting in fresh:
            try:
                gathered.add(self._read(waiting), waiting.id)
                failed_in_a_row = 0
            except ConnectorError as error:
                troubles.append(error)
                failed_in_a_row += 1
                if failed_in_a_row == 2 or isinstance(error, RateLimited | Misconfigured):
                    stop = error
                    break
            if gathered.is_full():
                yield gathered.batch()
                gathered = _Gathered()
        if len(gathered):
            yield gathered.batch()
        if stop:
            raise stop

    def _read(self, waiting: _Waiting) -> Found:
        """Return the letter, or why not. Raises ConnectorError for what may pass."""
        bare = Downloaded(waiting.entry)
        if not waiting.id:
            return unreadable(waiting.key, "it has no id that is a UUID", bare, Fault.CLIENT)
        url = _absolute(waiting.url, self._http.base_url)
        if not url or _origin(url) != _origin(self._http.base_url):
            reason = "downloadUrl is not an address of SvarUt's"
            return unreadable(waiting.key, reason, bare, Fault.CLIENT)
        try:
            package = self._download(waiting, url)
        except TooLarge:
            reason = f"its files are too large: more than {PACKAGE_MAX_BYTES} bytes"
            return unreadable(waiting.key, reason, bare, Fault.CLIENT)
        except (NotFound, Gone):
            reason = "the queue no longer has its files"
            return unreadable(waiting.key, reason, bare, Fault.SERVER)
        came = Downloaded(waiting.entry, self._metadata(waiting.id), package)
        return self._reader.understand(waiting.key, came)

    def _download(self, waiting: _Waiting, url: str) -> bytes:
        answer = self._http.request("GET", url, headers=self._basic, max_bytes=PACKAGE_MAX_BYTES)
        is_page = "html" in answer.headers.get("content-type", "")
        if is_page and b"html" not in waiting.entry:
            raise Temporary("a web page where the files of a letter were promised")
        return answer.content

    def _metadata(self, identifier: str) -> bytes:
        """Return SvarUt's word of the files, empty where it does not give it to us.

        It is made for senders: whether a receiving system may ask is not said.
        """
        try:
            answer = self._http.request(
                "GET",
                f"api/v2/forsendelser/{identifier}/metadata",
                headers={**self._integration, "Accept": "application/json"},
                bearer=self._tokens.bearer(SCOPE),
            )
        except (NotFound, Gone, NotPermitted, Refused):
            return b""
        return answer.content


def _waiting(entry: Any) -> _Waiting:
    content = json.dumps(entry, separators=(",", ":")).encode()
    said = entry if isinstance(entry, dict) else {}
    url = said.get("downloadUrl")
    try:
        identifier = str(UUID(said["id"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        identifier = ""
    return _Waiting(identifier, content, url if isinstance(url, str) else "")


def _absolute(said: str, base_url: str) -> str:
    """Return the address that a message names, "" where it is none."""
    if not 0 < len(said) <= URL_MAX or not all("!" <= sign <= "~" for sign in said):
        return ""
    try:
        return urljoin(base_url, said)
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        standard = {"http": 80, "https": 443}.get(parts.scheme)
        return parts.scheme, parts.hostname or "", parts.port or standard
    except ValueError:
        return "", "", None


def _secret(settings: Mapping[str, str], name: str) -> str:
    """Return what the file named by a setting holds. Raises Misconfigured naming the setting."""
    try:
        secret = Path(settings[name]).read_text().strip()
    except (OSError, ValueError):
        raise Misconfigured(f"{name} cannot be read") from None
    if not secret:
        raise Misconfigured(f"{name} is empty")
    return secret
