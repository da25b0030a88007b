"""The agency's letters and how far each has come; never what they say, nor to whom."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.http import Http404
from ninja import Field, Query, Router, Schema

from inbox.citizens.masking import masked_reference
from inbox.letters.models import DeliveryRecord
from inbox.web.agency_api.by_key import KeyRequest
from inbox.web.agency_api.described import says
from inbox.web.agency_api.paging import NEXT, PAGE_DEFAULT, PRINTABLE, Cursor, Limit, page

SLUG = "^[a-zA-Z0-9_-]+$"

router = Router(tags=["Letters"])


class Letter(Schema):
    """One letter by one channel. A step that has not been taken is null."""

    id: UUID = Field(description="The same as in webhooks")
    reference: str = Field(description="Your own id of the letter, as the channel carried it")
    source: str = Field(description="The channel: a source's `slug`")
    sender_proved_by: str = Field(
        description="How we know that it is from you: certificate, token, source, …"
    )
    security_level: int = Field(ge=3, le=4, description="What the citizen must log in with")
    received_at: datetime = Field(description="We had it, safe in the archive")
    delivered_at: datetime | None = Field(description="It lay before the citizen")
    notified_at: datetime | None = Field(description="She was told that it is there")
    opening_is_told: bool = Field(
        description="You asked for a receipt of the opening, and she agreed and opened it"
    )
    opened_at: datetime | None = Field(description="Null unless `opening_is_told`")
    replied_at: datetime | None = Field(description="You had her answer")
    withdrawn_at: datetime | None = Field(description="You took it back")


class Letters(Schema):
    """A page of letters, newest first."""

    items: list[Letter]
    next: str | None = Field(description=NEXT)


@router.get(
    "/letters",
    response=Letters,
    operation_id="listLetters",
    summary="Your letters, newest first",
    openapi_extra=says(),
)
def letters(
    request: KeyRequest,
    reference: Annotated[
        str | None,
        Query(description="Only letters with this id of yours", max_length=255, pattern=PRINTABLE),
    ] = None,
    source: Annotated[
        str | None,
        Query(description="Only letters by this channel", max_length=64, pattern=SLUG),
    ] = None,
    limit: Limit = PAGE_DEFAULT,
    cursor: Cursor = None,
) -> Letters:
    """The delivery log by every channel. A letter stays in it when the citizen deletes hers."""
    rows = DeliveryRecord.objects.filter(org_number=request.auth.agency.org_number)
    if reference is not None:
        rows = rows.filter(external_id=reference)
    if source is not None:
        rows = rows.filter(source=source)
    found, more = page(rows, "arrived_at", limit, cursor)
    return Letters(items=[_letter(row) for row in found], next=more)


@router.get(
    "/letters/{uuid:record_id}",
    response=Letter,
    operation_id="readLetter",
    summary="One letter and its steps",
    openapi_extra=says(404),
)
def letter(request: KeyRequest, record_id: UUID) -> Letter:
    """404 for a letter of another agency's, as for one that is not there."""
    own = request.auth.agency.org_number
    row = DeliveryRecord.objects.filter(org_number=own, id=record_id).first()
    if row is None:
        raise Http404
    return _letter(row)


def _letter(row: DeliveryRecord) -> Letter:
    return Letter(
        id=row.id,
        reference=masked_reference(row.external_id),
        source=row.source,
        sender_proved_by=row.verified,
        security_level=row.security_level,
        received_at=row.arrived_at,
        delivered_at=row.delivered_at,
        notified_at=row.notified_at,
        opening_is_told=row.tells_opening,
        opened_at=row.told_opened_at,
        replied_at=row.replied_at,
        withdrawn_at=row.withdrawn_at,
    )
