"""A letter from elsewhere, put into a citizen's own mailbox: the upload and its receipt.

Both suppliers let a person upload to her own mailbox in their own apps, by interfaces that are not
public: address, fields and scope are a stand-in (README.md).
"""

from __future__ import annotations

import json
from typing import Any

from connectors.contract import CopyReceipt, CopyRefused, OutgoingCopy, Temporary
from connectors.fields import WrongField, moment, table, text
from connectors.http import Http, Refused, parse_json
from connectors.tokens import Bearer

SCOPE = "samlepost:mailbox.write"
PATH = "mailbox/documents"
METADATA_PART = "opplasting"
DOCUMENT_PART = "dokument"
REFERENCE_MAX = 255
REASON_MAX = 255


def upload(http: Http, supplier: str, copy: OutgoingCopy, bearer: Bearer) -> CopyReceipt:
    """Send metadata and documents in one request; returns the supplier's receipt.

    `supplier` is the organisation number, `bearer` the citizen's token. Raises CopyRefused with
    the supplier's reason.
    """
    metadata = {
        "id": copy.idempotency_key,
        "postkasseadresse": copy.recipient.value,
        "tittel": copy.title,
        "avsender": copy.sender_name,
        "sendt": copy.sent_at.isoformat(),
        "sikkerhetsnivaa": copy.security_level,
    }
    parts: list[tuple[str, tuple[str, bytes, str]]] = [
        (METADATA_PART, ("opplasting.json", json.dumps(metadata).encode(), "application/json"))
    ]
    parts += [
        (DOCUMENT_PART, (each.name, each.content, each.media_type)) for each in copy.documents
    ]
    try:
        answer = http.post(
            PATH,
            params={"kanal": supplier},
            files=parts,
            headers={"Accept": "application/json"},
            bearer=bearer,
        )
    except Refused as error:
        raise CopyRefused(_reason(error.body)) from None
    try:
        said = table(parse_json(answer), "the receipt")
        return CopyReceipt(text(said, "referanse", longest=REFERENCE_MAX), moment(said, "mottatt"))
    except WrongField as error:
        raise Temporary(f"the supplier's receipt cannot be read: {error}") from None


def _reason(body: bytes) -> str:
    """The supplier's words for why it does not take the copy, "" where it gives none."""
    try:
        problem: Any = json.loads(body)
    except ValueError:
        return ""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail[:REASON_MAX] if isinstance(detail, str) else ""
