"""Letters of one citizen from an agency that hosts them itself and publishes our feed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from connectors import contract
from connectors.contract import (
    LEVEL_HIGH,
    LEVEL_SUBSTANTIAL,
    Account,
    Batch,
    CursorExpired,
    Gone,
    Misconfigured,
    NotPermitted,
    OutgoingReceipt,
    OutgoingReply,
    RawPart,
    ReceiptKind,
    ReplyRefused,
    Scope,
    Temporary,
    Unreadable,
)
from connectors.http import Http, NotFound, Refused
from connectors.maskinporten.client import TokenSource
from connectors.maskinporten.verify import ORGANISATION, TokenVerifier
from connectors.minside import entries
from connectors.minside.mapping import DOCUMENT_BYTES_MAX, Agency
from connectors.minside.page import Page, Round, read_json, read_page, rules_named
from connectors.public import public_addresses, public_or_loopback
from connectors.tokens import Bearer

SCOPE = "samlepost:feed.read"
PING_SCOPE = "samlepost:feed.ping"
RETENTION_DAYS_MAX = 100 * 366
REFERENCE_MAX = 255
CURSOR_EXPIRED = "cursor_expired"
RESOLVERS = {"": None, "public": public_addresses, "public_or_loopback": public_or_loopback}
"""What the setting `resolve` says of the feed's host; a feed that an agency itself has named is on
the public internet."""


class Connector(contract.Connector):
    """One citizen's letters at one agency. See README.md for the settings and the feed."""

    label = "Min side"
    scope = Scope.PER_CITIZEN
    required_settings = (
        "base_url",
        "maskinporten_url",
        "client_id",
        "private_key_file",
        "org_number",
    )
    receipts = frozenset({ReceiptKind.OPENED, ReceiptKind.HANDLED, ReceiptKind.REOPENED})
    proves_pings = True
    size_rule, digest_rule = "F-31", "F-32"

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raise Misconfigured when a setting is missing or the key cannot be read."""
        super().__init__(settings)
        self.label = settings.get("label") or self.label
        self._http = Http(settings["base_url"], resolve=RESOLVERS[settings.get("resolve", "")])
        self._maskinporten = Http(settings["maskinporten_url"])
        self._tokens = TokenSource(
            self._maskinporten,
            settings["maskinporten_url"],
            settings["client_id"],
            settings["private_key_file"],
        )
        self._agency = Agency(
            settings["org_number"],
            settings.get("pages_url", ""),
            _retention(settings),
            _level_min(settings),
        )
        self._audience = settings.get("audience") or settings["base_url"].rstrip("/")

    def check(self) -> None:
        """Ask Maskinporten for a token; raises what stands in the way."""
        self._tokens.token(SCOPE)

    def fetch(self, account: Account | None, cursor: str | None) -> Iterator[Batch]:
        """Yield one batch for each page of the feed, oldest first.

        Raises CursorExpired when the agency has forgotten the cursor, Temporary when the page
        as a whole is not what was promised.
        """
        account = _given(account)
        so_far = Round({cursor})
        while True:
            page = self._page(account, cursor)
            so_far.note(page)
            cursor = page.following or cursor
            if page.items:
                yield entries.read_entries(page.items, account.national_id, self._agency, cursor)
            if not page.more:
                return

    def download(self, account: Account | None, ref: str) -> Iterator[bytes]:
        """Stream a document; the caller checks the size and digest that the item declared.

        Raises Gone when the agency has deleted it.
        """
        bearer = self._bearer(_given(account))
        try:
            with rules_named():
                yield from self._http.stream(ref, bearer=bearer, max_bytes=DOCUMENT_BYTES_MAX)
        except NotFound:
            raise Gone("the agency does not have the document") from None

    def reread(self, account: Account | None, external_id: str, raw: Sequence[RawPart]) -> Batch:
        """Read a quarantined entry once more."""
        batch = entries.reread(raw, _given(account).national_id, self._agency)
        return batch or Batch(unreadable=[Unreadable(external_id, "the item was not kept", raw)])

    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        """Tell the agency what the citizen has done with a letter; it ignores what it knows."""
        if receipt.kind not in self.receipts:
            raise Misconfigured(f"min side takes no receipt of kind {receipt.kind}")
        self._http.post(
            "receipts",
            json={
                "id": receipt.reference,
                "kind": receipt.kind.value,
                "at": receipt.at.isoformat(),
                "idempotency_key": receipt.idempotency_key,
            },
            bearer=self._bearer(_given(account)),
        )

    def reply(self, account: Account, reply: OutgoingReply) -> str:
        """Send an answer; returns the agency's reference, the same for the same key.

        Raises ReplyRefused with the agency's reason when the thread is closed or the answer is
        not one that it takes.
        """
        body = {
            "letter": reply.reference,
            "form": reply.form,
            "idempotency_key": reply.idempotency_key,
            "at": reply.at.isoformat(),
            "choice": reply.choice or None,
            "text": reply.text or None,
            "attachments": [
                {
                    "name": each.name,
                    "media_type": each.media_type,
                    "content": base64.b64encode(each.content).decode(),
                }
                for each in reply.attachments
            ],
        }
        try:
            answer = self._http.post_json("replies", json=body, bearer=self._bearer(account))
        except Refused as error:
            raise ReplyRefused(_reason(error.body)) from None
        reference = answer.get("reference") if isinstance(answer, dict) else None
        if not isinstance(reference, str) or not 0 < len(reference) <= REFERENCE_MAX:
            raise Temporary("the agency gave no reference for the answer")
        return reference

    def check_ping(self, authorization: str, address: str) -> None:
        """Check that a ping carries a token of the agency's own, made for this address.

        Raises Unproven, NotPermitted for another organisation's, Temporary while Maskinporten's
        keys are not to be had.
        """
        verifier = TokenVerifier(self._maskinporten, self.settings["maskinporten_url"])
        consumer = verifier.claims(authorization, PING_SCOPE, address).get("consumer")
        said = consumer.get("ID") if isinstance(consumer, dict) else None
        if said != f"{ORGANISATION}{self.settings['org_number']}":
            raise NotPermitted("F-61: the ping is another organisation's")

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()
        self._maskinporten.close()

    def _page(self, account: Account, cursor: str | None) -> Page:
        with rules_named():
            answer = self._http.request(
                "GET",
                "feed",
                params={"cursor": cursor} if cursor else None,
                headers={"Accept": "application/json"},
                bearer=self._bearer(account),
                accept=(410,),
            )
        if answer.status_code == 410:
            raise _forgotten(read_json(answer))
        return read_page(answer)

    def _bearer(self, account: Account) -> Bearer:
        return self._tokens.bearer(SCOPE, account.national_id, resource=self._audience)


def _retention(settings: Mapping[str, str]) -> timedelta | None:
    said = settings.get("retention_days") or ""
    if not said:
        return None
    if not (said.isascii() and said.isdecimal() and 0 < int(said) <= RETENTION_DAYS_MAX):
        raise Misconfigured(f"retention_days is not a number from 1 to {RETENTION_DAYS_MAX}")
    return timedelta(days=int(said))


def _level_min(settings: Mapping[str, str]) -> int:
    said = settings.get("level_min") or str(LEVEL_SUBSTANTIAL)
    if said not in (str(LEVEL_SUBSTANTIAL), str(LEVEL_HIGH)):
        raise Misconfigured(f"level_min is neither {LEVEL_SUBSTANTIAL} nor {LEVEL_HIGH}")
    return int(said)


def _forgotten(problem: Any) -> CursorExpired | Gone:
    if isinstance(problem, dict) and problem.get("code") == CURSOR_EXPIRED:
        return CursorExpired("the agency no longer knows the cursor")
    return Gone("the agency's feed is gone")


def _reason(body: bytes) -> str:
    """The agency's words for why it takes no such answer, "" where it gives none."""
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail[:REFERENCE_MAX] if isinstance(detail, str) else ""


def _given(account: Account | None) -> Account:
    if account is None:
        raise Misconfigured("min side is asked for one citizen at a time")
    return account
