"""The folder to copy: an agency with one list of letters, read with a Maskinporten token."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from connectors import contract
from connectors.contract import Account, Batch, IncomingLetter, Temporary, Unreadable
from connectors.fields import WrongField, moment, table, text
from connectors.http import Http
from connectors.maskinporten.client import TokenSource

SCOPE = "example:letters.read"


class Connector(contract.Connector):
    """One citizen's letters at the example agency."""

    label = "Example agency"
    required_settings = ("base_url", "maskinporten_url", "client_id", "private_key_file")

    def __init__(self, settings: Mapping[str, str]) -> None:
        super().__init__(settings)
        url, client = settings["maskinporten_url"], settings["client_id"]
        self._http, self._maskinporten = Http(settings["base_url"]), Http(url)
        self._tokens = TokenSource(self._maskinporten, url, client, settings["private_key_file"])

    def fetch(self, account: Account | None, cursor: str | None) -> Iterator[Batch]:
        """Yield the letters after `cursor`, which is the number of the last one seen."""
        if account is None:
            raise contract.Misconfigured("the example is asked for one citizen at a time")
        bearer = self._tokens.bearer(SCOPE, account.national_id)
        while True:
            page = self._http.get_json("letters", params={"after": cursor or 0}, bearer=bearer)
            if not isinstance(page, list):
                raise Temporary("the answer is not the list that was promised")
            if not page:
                return
            following = str(max(number_of(item) for item in page))
            if following == cursor:
                raise Temporary("the list says the same again")
            yield to_batch(page, account.national_id, following)
            cursor = following

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()
        self._maskinporten.close()


def to_batch(page: list[Any], national_id: str, cursor: str) -> Batch:
    """Read item by item, so that one that is broken does not hide the others."""
    letters, unreadable = [], []
    for item in page:
        try:
            letters.append(to_letter(item, national_id))
        except WrongField as error:
            unreadable.append(Unreadable(str(item.get("id", "")), str(error), [raw(item)]))
    return Batch(letters, unreadable, cursor)


def to_letter(item: Any, national_id: str) -> IncomingLetter:
    """Map one item; in a larger connector this is `mapping.py`. Raises WrongField."""
    said = table(item, "the item")
    return IncomingLetter(
        external_id=text(said, "id"),
        recipient=contract.Recipient(contract.RecipientKind.NATIONAL_ID, national_id),
        sender=contract.SenderRef("Example agency", verified="source"),
        title=text(said, "title"),
        body=text(said, "text"),
        sent_at=moment(said, "sent"),
        raw=[raw(item)],
    )


def raw(item: Any) -> contract.RawPart:
    """Keep what arrived."""
    return contract.RawPart("letter.json", json.dumps(item).encode(), "application/json")


def number_of(item: Any) -> int:
    """The item's place in the list. Raises Temporary: without it there is no going on."""
    number = item.get("number") if isinstance(item, dict) else None
    if not isinstance(number, int):
        raise Temporary("an item has no number")
    return number
