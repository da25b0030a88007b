"""Letters of one citizen from an agency that hosts them itself and publishes our feed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors import contract
from connectors.contract import (
    Account,
    Batch,
    CursorExpired,
    Gone,
    Misconfigured,
    OutgoingReceipt,
    OutgoingReply,
    RawPart,
    ReceiptKind,
    ReplyRefused,
    Scope,
    Temporary,
    Unreadable,
)
from connectors.http import Http, NotFound, Refused, parse_json
from connectors.maskinporten.client import TokenSource
from connectors.minside import mapping
from connectors.tokens import Bearer

SCOPE = "samlepost:feed.read"
PAGES_MAX = 1000
CURSOR_MAX = 2000
REFERENCE_MAX = 255
CURSOR_EXPIRED = "cursor_expired"


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

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Raise Misconfigured when a setting is missing or the key cannot be read."""
        super().__init__(settings)
        self.label = settings.get("label") or self.label
        self._http = Http(settings["base_url"])
        self._maskinporten = Http(settings["maskinporten_url"])
        self._tokens = TokenSource(
            self._maskinporten,
            settings["maskinporten_url"],
            settings["client_id"],
            settings["private_key_file"],
        )

    def check(self) -> None:
        """Ask Maskinporten for a token; raises what stands in the way."""
        self._tokens.token(SCOPE)

    def fetch(self, account: Account | None, cursor: str | None) -> Iterator[Batch]:
        """Yield one batch for each page of the feed, oldest first.

        Raises CursorExpired when the agency has forgotten the cursor, Temporary when the page
        as a whole is not what was promised.
        """
        account = _given(account)
        for _ in range(PAGES_MAX):
            page = self._page(account, cursor)
            items, more = page["items"], page["more"]
            following = _next_cursor(page, cursor, more=more)
            letters, unreadable = mapping.read_items(
                items,
                account.national_id,
                self.settings["org_number"],
                self.settings.get("pages_url", ""),
            )
            if items:
                yield Batch(letters, unreadable, following)
            if not more:
                return
            cursor = following
        raise Temporary("the feed does not come to an end")

    def download(self, account: Account | None, ref: str) -> Iterator[bytes]:
        """Stream a document; the caller checks the size and digest that the item declared.

        Raises Gone when the agency has deleted it.
        """
        try:
            yield from self._http.stream(ref, bearer=self._bearer(_given(account)))
        except NotFound:
            raise Gone("the agency does not have the document") from None

    def reread(self, account: Account | None, external_id: str, raw: Sequence[RawPart]) -> Batch:
        """Read a quarantined item once more."""
        for part in raw:
            if part.name == "item.json":
                letters, unreadable = mapping.read_items(
                    [json.loads(part.content)],
                    _given(account).national_id,
                    self.settings["org_number"],
                    self.settings.get("pages_url", ""),
                )
                return Batch(letters, unreadable)
        return Batch(unreadable=[Unreadable(external_id, "the item was not kept", raw)])

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

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()
        self._maskinporten.close()

    def _page(self, account: Account, cursor: str | None) -> dict[str, Any]:
        answer = self._http.request(
            "GET",
            "feed",
            params={"cursor": cursor} if cursor else None,
            headers={"Accept": "application/json"},
            bearer=self._bearer(account),
            accept=(410,),
        )
        if answer.status_code == 410:
            raise _forgotten(parse_json(answer))
        page = parse_json(answer)
        if not isinstance(page, dict):
            raise Temporary("the feed is not the object that was promised")
        if not isinstance(page.get("items"), list) or not isinstance(page.get("more"), bool):
            raise Temporary("the feed lacks its items, or whether there are more")
        return page

    def _bearer(self, account: Account) -> Bearer:
        return self._tokens.bearer(SCOPE, account.national_id)


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


def _next_cursor(page: Mapping[str, Any], cursor: str | None, *, more: bool) -> str | None:
    """The cursor after a page; the old one stands where the feed is at its end."""
    following = page.get("next_cursor")
    if following is None and not more:
        return cursor
    if not isinstance(following, str) or not 0 < len(following) <= CURSOR_MAX:
        raise Temporary("the feed's next_cursor is not one")
    if more and following == cursor:
        raise Temporary("the feed says that it goes on but not where")
    return following


def _given(account: Account | None) -> Account:
    if account is None:
        raise Misconfigured("min side is asked for one citizen at a time")
    return account
