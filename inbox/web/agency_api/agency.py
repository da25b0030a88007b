"""Whose key it is."""

from __future__ import annotations

from datetime import datetime

from ninja import Field, Router, Schema

from inbox.web.agency_api.by_key import KeyRequest
from inbox.web.agency_api.described import says

router = Router(tags=["Agency"])


class UsedKey(Schema):
    """The key of this request."""

    name: str = Field(description="What your agency calls it")
    prefix: str = Field(description="Its first characters")
    created_at: datetime
    expires_at: datetime | None = Field(
        description="From when it opens nothing, because another has taken its place"
    )


class WhoAmI(Schema):
    """The agency, and the key by which it asks."""

    name: str
    org_number: str = Field(pattern="^[0-9]{9}$")
    key: UsedKey


@router.get(
    "/agency",
    response=WhoAmI,
    operation_id="readAgency",
    summary="Whose key this is",
    openapi_extra=says(),
)
def agency(request: KeyRequest) -> WhoAmI:
    """A first call to try a key with."""
    own = request.auth.agency
    return WhoAmI(
        name=own.name, org_number=own.org_number, key=UsedKey.model_validate(request.auth)
    )
