"""The agency's own sources, how each stands, and what arrived from them and waits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import Http404
from ninja import Field, Router, Schema

from inbox.agencies import connections, quarantined
from inbox.citizens.masking import masked, masked_reference
from inbox.sync.models import Quarantined
from inbox.web.agency_api.by_key import KeyRequest
from inbox.web.agency_api.described import says
from inbox.web.agency_api.paging import NEXT, PAGE_DEFAULT, Cursor, Limit, page

router = Router(tags=["Sources"])


class Failing(Schema):
    """One kind of failure."""

    failure: str = Field(description="temporary, notpermitted, misconfigured, untrustworthy, …")
    mailboxes: int = Field(
        ge=1, description="How many citizens' mailboxes it hits; 1 of a queue that all share"
    )


class Source(Schema):
    """A source of yours, from which we fetch letters."""

    slug: str = Field(description="As in `source` of /letters")
    name: str = Field(description="As citizens know it")
    connector: str = Field(description="What it speaks: minside, svarut, …")
    active: bool = Field(description="Whether we fetch from it")
    failing: list[Failing] = Field(description="Empty: all is well")
    detail: str = Field(description="What one of the failures said")
    last_success_at: datetime | None
    paused_until: datetime | None = Field(description="You have asked us to wait until then (429)")


class Sources(Schema):
    """All of them, by name."""

    items: list[Source]


class Item(Schema):
    """A letter that arrived and could not be delivered."""

    id: UUID
    source: str
    reference: str = Field(description="Your own id of the letter, as far as it could be read")
    reason: str
    arrived_at: datetime
    replays: int = Field(description="How often it has been tried again")


class Items(Schema):
    """A page of what waits, newest first."""

    items: list[Item]
    next: str | None = Field(description=NEXT)


class Replayed(Schema):
    """What came of trying again."""

    delivered: bool
    reason: str = Field(description="Why it still cannot be; empty where it is delivered")


@router.get(
    "/sources",
    response=Sources,
    operation_id="listSources",
    summary="Your sources, and how each stands",
    openapi_extra=says(),
)
def sources(request: KeyRequest) -> Sources:
    """The feeds and queues that are your agency's alone, not channels that several share."""
    return Sources(items=[_source(each) for each in connections.health(request.auth.agency)])


@router.get(
    "/quarantine",
    response=Items,
    operation_id="listQuarantine",
    summary="Letters from your sources that could not be delivered",
    openapi_extra=says(),
)
def quarantine(request: KeyRequest, limit: Limit = PAGE_DEFAULT, cursor: Cursor = None) -> Items:
    """They are kept whole. A letter that was wrong is mended by your sending it again."""
    found, more = page(quarantined.waiting(request.auth.agency), "arrived_at", limit, cursor)
    return Items(items=[_item(each) for each in found], next=more)


@router.post(
    "/quarantine/{uuid:item_id}/replay",
    response=Replayed,
    operation_id="replay",
    summary="Try to deliver it once more",
    openapi_extra=says(404),
)
def replay(request: KeyRequest, item_id: UUID) -> Replayed:
    """What was our fault may be readable now."""
    waiting = quarantined.waiting(request.auth.agency)
    try:
        delivered = quarantined.replay(request.auth.agency, item_id)
    except Quarantined.DoesNotExist:
        raise Http404 from None
    if delivered:
        return Replayed(delivered=True, reason="")
    reason = waiting.filter(id=item_id).values_list("reason", flat=True).first()
    return Replayed(delivered=False, reason=masked(reason or ""))


def _source(found: connections.Health) -> Source:
    return Source(
        slug=found.source.slug,
        name=found.source.label,
        connector=found.source.connector,
        active=found.source.active,
        failing=[Failing(failure=name, mailboxes=n) for name, n in found.failing.items()],
        detail=masked(found.detail),
        last_success_at=found.last_success_at,
        paused_until=found.paused_until,
    )


def _item(row: Quarantined) -> Item:
    return Item(
        id=row.id,
        source=row.source_id,
        reference=masked_reference(row.external_id),
        reason=masked(row.reason),
        arrived_at=row.arrived_at,
        replays=row.replays,
    )
