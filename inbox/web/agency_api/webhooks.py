"""The agency's webhooks: to be told what becomes of letters, rather than to ask."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.http import Http404
from ninja import Field, Router, Schema, Status
from ninja.errors import ValidationError
from pydantic import ConfigDict

from inbox.agencies import webhooks as kept
from inbox.agencies.models import Webhook as Row
from inbox.web.agency_api.by_key import KeyRequest
from inbox.web.agency_api.described import says
from inbox.web.agency_api.problems import Problem

Event = Literal[
    "letter.delivered",
    "letter.notified",
    "letter.opened",
    "letter.replied",
    "letter.withdrawn",
    "letter.quarantined",
]
WRONG = {
    kept.Problem.NO_ADDRESS: "No address that can be used.",
    kept.Problem.NOT_HTTPS: "The address must begin with https://.",
    kept.Problem.NOT_PUBLIC: "The host is not on the public internet.",
    kept.Problem.NO_EVENTS: "At least one event is needed.",
}
CREATE = """curl -H "Authorization: Bearer $SAMLEPOST_KEY" -H "Content-Type: application/json" \\
  -d '{"url": "https://agency.example/hook", "events": ["letter.opened"]}' "$SAMLEPOST/webhooks\""""

router = Router(tags=["Webhooks"])


class NewWebhook(Schema):
    """A new webhook."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        max_length=kept.URL_MAX,
        description="Where messages are posted: https, on the public internet",
        examples=["https://agency.example/hook"],
        json_schema_extra={"format": "uri"},
    )
    events: list[Event] = Field(
        min_length=1, description="What is told; `letter.opened` only where the citizen agreed"
    )


class Webhook(Schema):
    """An address that is told what becomes of letters."""

    id: UUID
    url: str
    events: list[Event]
    created_at: datetime
    off: Literal["", "by_agency", "gone", "failing"] = Field(
        description="Why nothing is sent; empty: it is on"
    )
    failing_since: datetime | None = Field(description="Since when nothing has got through")


class MadeWebhook(Webhook):
    """A new webhook with its secret, the one time that it is told."""

    secret: str = Field(description="What messages are signed with (Standard Webhooks)")


class Webhooks(Schema):
    """All of them, oldest first."""

    items: list[Webhook]


@router.get(
    "/webhooks",
    response=Webhooks,
    operation_id="listWebhooks",
    summary="Your webhooks",
    openapi_extra=says(),
)
def webhooks(request: KeyRequest) -> Webhooks:
    """Their secrets are told once, when they are made."""
    found = kept.of(request.auth.agency)
    return Webhooks(items=[Webhook.model_validate(each) for each in found])


@router.post(
    "/webhooks",
    response={201: MadeWebhook},
    operation_id="createWebhook",
    summary="Add a webhook",
    openapi_extra=says(409) | {"x-codeSamples": [{"lang": "Shell", "source": CREATE}]},
)
def create_webhook(request: KeyRequest, wanted: NewWebhook) -> Status[MadeWebhook]:
    """It is told what happens from now on. 409: you have as many as you may have."""
    try:
        made = kept.create(request.auth.agency, wanted.url, wanted.events)
    except kept.NotTaken as error:
        if error.reason == kept.Problem.TOO_MANY:
            raise Problem(409, f"No more than {kept.WEBHOOKS_MAX} webhooks.") from None
        name = "events" if error.reason == kept.Problem.NO_EVENTS else "url"
        said = {"type": "refused", "loc": ("body", "wanted", name), "msg": WRONG[error.reason]}
        raise ValidationError([said]) from None
    shown = Webhook.model_validate(made.webhook).model_dump()
    return Status(201, MadeWebhook(**shown, secret=made.secret))


@router.delete(
    "/webhooks/{uuid:webhook_id}",
    response={204: None},
    operation_id="deleteWebhook",
    summary="Remove a webhook",
    openapi_extra=says(404),
)
def remove_webhook(request: KeyRequest, webhook_id: UUID) -> Status[None]:
    """Nothing more is sent to it."""
    try:
        kept.remove(request.auth.agency, webhook_id)
    except Row.DoesNotExist:
        raise Http404 from None
    return Status(204, None)
