"""Letters that the agency sends by the API, what has become of them, and their answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, StreamingHttpResponse
from django.utils.http import content_disposition_header
from ninja import Field, File, Form, Header, Query, Router, Schema, Status, UploadedFile
from ninja.errors import ValidationError
from pydantic import AwareDatetime

from connectors.contract import LEVEL_HIGH, Kind, ReplyForm
from inbox.agencies import letters, submissions
from inbox.agencies.models import Agency, Answer, Outgoing
from inbox.archive import store
from inbox.web.agency_api.by_key import KeyRequest
from inbox.web.agency_api.described import says
from inbox.web.agency_api.letters import router as of_letters
from inbox.web.agency_api.paging import NEXT, PAGE_DEFAULT, PRINTABLE, Limit
from inbox.web.agency_api.problems import Problem

KEY_PATTERN = '^"?[A-Za-z0-9_-]{16,64}"?$'
LAST_YEAR = 2200
FIELD_OF = {
    **dict.fromkeys(("recipient", "lost_zero"), "recipient"),
    **dict.fromkeys(("title_missing", "title_long"), "title"),
    "public_title_long": "public_title",
    "due_past": "due_at",
    "reference_long": "reference",
    "reason_missing": "reply_reason",
    "question_missing": "reply_label",
    **dict.fromkeys(("choices", "choice_long", "choice_twice"), "reply_choices"),
    **dict.fromkeys(("empty", "too_large", "no_pdf", "unreadable"), "pdf"),
}
WHY = {
    "recipient": "No national identity number and no organisation number.",
    "lost_zero": "Ten digits: a zero in front has been lost.",
    "title_missing": "A title is needed.",
    "title_long": f"At most {letters.TITLE_MAX} characters.",
    "public_title_long": f"At most {letters.TITLE_MAX} characters.",
    "due_past": "The deadline has passed.",
    "reference_long": f"At most {letters.REFERENCE_MAX} characters.",
    "reason_missing": "Say why the letter cannot be answered.",
    "question_missing": "Say what is asked.",
    "choices": f"{letters.CHOICES[0]} to {letters.CHOICES[-1]} choices.",
    "choice_long": f"A choice has at most {letters.CHOICE_MAX} characters.",
    "choice_twice": "The same choice twice.",
    "label_long": f"What is asked, or why not: at most {letters.LABEL_MAX} characters.",
    "number_in_text": "A national identity number stands in a text that is no number's place.",
    "bad_sign": "A text has signs that cannot be shown: line breaks, for example.",
    "empty": "The file is empty.",
    "too_large": "The file is too large.",
    "no_pdf": "The file is no PDF.",
    "unreadable": "The PDF cannot be opened.",
}
SEND = """curl -H "Authorization: Bearer $SAMLEPOST_KEY" -H "Idempotency-Key: $(uuidgen)" \\
  -F "recipient=<recipient.txt" -F "title=Vedtak om barnehageplass" -F "kind=decision" \\
  -F "reference=2026-104233" -F "pdf=@vedtak.pdf" "$SAMLEPOST/letters\""""

router = Router(tags=["Sending"])


class NewLetter(Schema):
    """A letter to one recipient, with its PDF beside it."""

    recipient: str = Field(
        max_length=20,
        description="National identity number or organisation number; in the body alone",
    )
    title: str = Field(
        min_length=1,
        max_length=letters.TITLE_MAX,
        description="May be sensitive: it is shown at the letter's level",
    )
    public_title: str = Field(
        "", max_length=letters.TITLE_MAX, description="Shown at any level, and in notices"
    )
    security_level: int = Field(
        LEVEL_HIGH, ge=3, le=4, description="What the citizen must log in with"
    )
    kind: Literal["letter", "decision", "task", "notice"] = Field(
        "letter", description="A task asks the citizen to do something"
    )
    due_at: AwareDatetime | None = Field(None, description="The last moment to do it")
    case_reference: str = Field(
        "", max_length=letters.REFERENCE_MAX, description="The case's number; the citizen sees it"
    )
    reference: str = Field(
        "", max_length=letters.REFERENCE_MAX, description="Your own; nobody else sees it"
    )
    documentary_value: bool | None = Field(
        None, description="Whether it is worth keeping as evidence"
    )
    wants_receipt: bool = Field(
        False, description="Ask for a receipt of the opening, to which the citizen may say no"
    )
    reply: Literal["none", "choice", "text", "closed"] = Field(
        "none", description="How it can be answered; `closed` says why it cannot"
    )
    reply_label: str = Field(
        "", max_length=letters.LABEL_MAX, description="What is asked, for `choice` and `text`"
    )
    reply_choices: list[str] = Field(
        [], max_length=letters.CHOICES[-1], description="For `choice`: repeat the field"
    )
    reply_takes_files: bool = Field(False, description="For `text`: whether files may be added")
    reply_reason: str = Field("", max_length=letters.LABEL_MAX, description="For `closed`")


class Sent(Schema):
    """A letter that you have sent, by the API or in the portal."""

    id: UUID = Field(description="The same as `reference` in /letters and in webhooks")
    reference: str = Field(description="Your own")
    state: Literal["waiting", "delivered", "refused", "failed"] = Field(
        description="`refused`: nobody here gets letters from you by that number, so send it"
        " another way; `failed`: a fault of ours, which we mend"
    )
    sent_at: datetime
    settled_at: datetime | None = Field(description="Since when it waits no longer")
    letter: UUID | None = Field(description="Its id in /letters, once it is delivered")
    answered_at: datetime | None = Field(description="When the latest answer came")


class SentLetters(Schema):
    """A page of letters that you have sent, newest first."""

    items: list[Sent]
    next: str | None = Field(description=NEXT)


class AnswerFile(Schema):
    """A file of an answer."""

    number: int = Field(description="In its address")
    name: str
    media_type: str
    size: int = Field(description="Bytes")


class GivenAnswer(Schema):
    """What a citizen has answered. It is hers to say, and may hold anything."""

    id: UUID
    at: datetime
    choice: str = Field(description="The words of what was chosen; empty where it was no choice")
    text: str
    files: list[AnswerFile]


class GivenAnswers(Schema):
    """All answers to one letter, oldest first."""

    items: list[GivenAnswer]


@of_letters.post(
    "/letters",
    response={202: Sent},
    tags=["Sending"],
    operation_id="sendLetter",
    summary="Send a letter",
    openapi_extra=says(409, 413, 422) | {"x-codeSamples": [{"lang": "Shell", "source": SEND}]},
)
def send_letter(
    request: KeyRequest,
    letter: Form[NewLetter],
    pdf: File[UploadedFile],
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            pattern=KEY_PATTERN,
            description="Your own for this letter, 16 to 64 letters, digits, - and _, remembered"
            " for 7 days: asked again with it, the letter is sent once",
        ),
    ],
) -> Status[Sent]:
    """It is delivered within seconds; ask for it, or have a webhook tell you.

    409: the same is being sent just now, so ask again. 422: the key was used for something else.
    """
    try:
        sent = submissions.submit(
            request.auth.agency,
            idempotency_key.strip('"'),
            _terms(letter),
            _letter(letter),
            pdf.read(settings.OUTGOING_PDF_MAX_BYTES + 1),
            pdf.name or "",
        )
    except letters.Refused as error:
        raise ValidationError([why(each, "form") for each in error.problems]) from None
    except submissions.InProgress:
        raise Problem(409, "The same letter is being sent just now. Ask again.") from None
    except submissions.Reused:
        raise Problem(422, "The Idempotency-Key was used with another request.") from None
    return Status(202, sent_of(sent))


@router.get(
    "/sent",
    response=SentLetters,
    operation_id="listSent",
    summary="What you have sent, newest first",
    openapi_extra=says(),
)
def sent_letters(
    request: KeyRequest,
    reference: Annotated[
        str | None,
        Query(
            description="Only those with this reference of yours",
            min_length=1,
            max_length=letters.REFERENCE_MAX,
            pattern=PRINTABLE,
        ),
    ] = None,
    limit: Limit = PAGE_DEFAULT,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before")] = None,
) -> SentLetters:
    """Letters by the API and from the portal, also those that could not be delivered."""
    rows = _own(request.auth.agency)
    if reference is not None:
        rows = rows.filter(reference=reference)
    if cursor is not None:
        rows = rows.filter(id__lt=cursor)
    found = list(rows.order_by("-id")[: limit + 1])
    more = str(found[limit - 1].id) if len(found) > limit else None
    return SentLetters(items=[sent_of(each) for each in found[:limit]], next=more)


@router.get(
    "/sent/{uuid:outgoing_id}",
    response=Sent,
    operation_id="readSent",
    summary="One letter that you have sent",
    openapi_extra=says(404),
)
def sent_letter(request: KeyRequest, outgoing_id: UUID) -> Sent:
    """What became of it: delivered or not. Its steps after that are in /letters."""
    return sent_of(_one(request.auth.agency, outgoing_id))


@router.get(
    "/sent/{uuid:outgoing_id}/answers",
    response=GivenAnswers,
    operation_id="listAnswers",
    summary="The answers to a letter that you have sent",
    openapi_extra=says(404),
)
def answers(request: KeyRequest, outgoing_id: UUID) -> GivenAnswers:
    """In the portal they stay new until somebody has looked at them there."""
    found = _one(request.auth.agency, outgoing_id).answers.order_by("at", "id")
    return GivenAnswers(items=[_answer(each) for each in found])


@router.get(
    "/sent/{uuid:outgoing_id}/answers/{uuid:answer_id}/files/{int:number}",
    operation_id="readAnswerFile",
    summary="A file of an answer",
    openapi_extra=says(404, sends="application/octet-stream"),
)
def answer_file(
    request: KeyRequest, outgoing_id: UUID, answer_id: UUID, number: int
) -> StreamingHttpResponse:
    """As the citizen sent it: treat it as what a stranger sent."""
    letter = _one(request.auth.agency, outgoing_id)
    answer = letter.answers.filter(id=answer_id).first()
    if answer is None or number >= len(answer.files):
        raise Http404
    said = answer.files[number]
    chunks = store.read_chunks(letter.agency_id, answer.id, said["path"])
    response = StreamingHttpResponse(chunks, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, said["name"])
    response["Content-Length"] = str(said["size"])
    response["X-Content-Type-Options"] = "nosniff"
    return response


def why(problem: letters.Problem, place: str) -> dict[str, object]:
    """Return one thing that is wrong as ninja has it; `place` is where the fields stood."""
    name = FIELD_OF.get(problem.code, "")
    path = {"form": ("form", name), "body": ("body", "wanted", name)}[place]
    where = ("file", name) if name == "pdf" else path
    return {"type": "refused", "loc": where, "msg": WHY.get(problem.code, problem.code)}


def sent_of(letter: Outgoing) -> Sent:
    """Return what is told of a letter that is sent."""
    return Sent.model_validate(
        {
            "id": letter.id,
            "reference": letter.reference,
            "state": letter.state,
            "sent_at": letter.dispatch.sent_at,
            "settled_at": letter.settled_at,
            "letter": letter.delivery_id,
            "answered_at": letter.answered_at,
        }
    )


def _own(agency: Agency) -> QuerySet[Outgoing]:
    rows = Outgoing.objects.filter(agency=agency, dispatch__sent_at__isnull=False)
    return rows.select_related("dispatch")


def _one(agency: Agency, outgoing_id: UUID) -> Outgoing:
    found = _own(agency).filter(id=outgoing_id).first()
    if found is None:
        raise Http404
    return found


def _terms(wanted: NewLetter) -> letters.Terms:
    return letters.Terms(
        public_title=wanted.public_title,
        security_level=wanted.security_level,
        kind=Kind(wanted.kind),
        documentary_value=wanted.documentary_value,
        wants_receipt=wanted.wants_receipt,
        form=_form(wanted),
    )


def _form(wanted: NewLetter) -> ReplyForm | None:
    if wanted.reply == "choice":
        return letters.choice_form(wanted.reply_label, wanted.reply_choices)
    if wanted.reply == "text":
        return letters.text_form(wanted.reply_label, takes_files=wanted.reply_takes_files)
    if wanted.reply == "closed":
        return letters.closed_form(wanted.reply_reason)
    return None


def _letter(wanted: NewLetter) -> letters.Wanted:
    if wanted.due_at and wanted.due_at.year > LAST_YEAR:
        said = {"type": "refused", "loc": ("form", "due_at"), "msg": "Too far away."}
        raise ValidationError([said])
    return letters.Wanted(
        wanted.recipient, wanted.title, wanted.due_at, wanted.case_reference, wanted.reference
    )


def _answer(answer: Answer) -> GivenAnswer:
    files = [
        AnswerFile(
            number=number, name=each["name"], media_type=each["media_type"], size=each["size"]
        )
        for number, each in enumerate(answer.files)
    ]
    return GivenAnswer(
        id=answer.id, at=answer.at, choice=answer.choice, text=answer.text, files=files
    )
