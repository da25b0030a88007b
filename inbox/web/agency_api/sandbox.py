"""Made-up persons, with whom letters are tried the whole way."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from django.http import Http404
from ninja import Field, Router, Schema, Status
from ninja.errors import ValidationError
from pydantic import ConfigDict

from inbox.agencies import made_up, sandbox
from inbox.agencies.letters import TITLE_MAX, Refused
from inbox.agencies.models import Agency, Outgoing, SandboxPerson
from inbox.web.agency_api.by_key import KeyRequest
from inbox.web.agency_api.described import says
from inbox.web.agency_api.sending import Sent, sent_of, why

SEND = """curl -H "Authorization: Bearer $SAMLEPOST_KEY" -H "Content-Type: application/json" \\
  -d '{"person": "<person_id>", "sample": "question"}' "$SAMLEPOST/sandbox/letters\""""

router = Router(tags=["Sandbox"])


class MadeUpPerson(Schema):
    """Nobody: a person of your agency's alone, into whose inbox its employees may look."""

    id: UUID
    name: str
    number: str = Field(
        description="A number that no real person can have (month + 80): what you send to it by"
        " any way reaches this person"
    )


class MadeUpPersons(Schema):
    """All of them, by name."""

    items: list[MadeUpPerson]


class NewSample(Schema):
    """A letter that is ready to be sent."""

    model_config = ConfigDict(extra="forbid")

    person: UUID = Field(description="The `id` of a made-up person")
    sample: Literal["letter", "question", "task", "decision"] = Field(
        "letter",
        description="`question` is answered with one press, `task` with text and files, both by"
        " a day; a `decision` is of level 4 and cannot be answered",
    )
    title: str = Field("", max_length=TITLE_MAX, description="Instead of the sample's own")


@router.get(
    "/sandbox/persons",
    response=MadeUpPersons,
    operation_id="listMadeUpPersons",
    summary="Your made-up persons",
    openapi_extra=says(),
)
def made_up_persons(request: KeyRequest) -> MadeUpPersons:
    """None before they are made."""
    return _persons(request.auth.agency)


@router.post(
    "/sandbox/persons",
    response=MadeUpPersons,
    operation_id="makeMadeUpPersons",
    summary="Make your made-up persons",
    openapi_extra=says(),
)
def make_persons(request: KeyRequest) -> MadeUpPersons:
    """Those that are there stay."""
    made_up.make_persons(request.auth.agency)
    return _persons(request.auth.agency)


@router.post(
    "/sandbox/letters",
    response={202: Sent},
    operation_id="sendSample",
    summary="Send a made-up person a letter",
    openapi_extra=says(404) | {"x-codeSamples": [{"lang": "Shell", "source": SEND}]},
)
def send_sample(request: KeyRequest, wanted: NewSample) -> Status[Sent]:
    """It goes the whole way: delivered, notified, opened and answered in the person's inbox."""
    try:
        dispatch = sandbox.send_sample(
            request.auth.agency, wanted.person, sandbox.Sample(wanted.sample), title=wanted.title
        )
    except SandboxPerson.DoesNotExist:
        raise Http404 from None
    except Refused as error:
        raise ValidationError([why(each, "body") for each in error.problems]) from None
    return Status(202, sent_of(Outgoing.objects.select_related("dispatch").get(dispatch=dispatch)))


def _persons(agency: Agency) -> MadeUpPersons:
    return MadeUpPersons(
        items=[
            MadeUpPerson(id=each.id, name=each.citizen.name, number=made_up.number_of(each))
            for each in made_up.persons(agency)
        ]
    )
