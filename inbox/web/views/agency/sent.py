"""What an agency has sent from the portal: how far each letter has come, and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import content_disposition_header, urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from connectors import clock
from inbox.agencies.models import Agency, Answer, Outgoing
from inbox.archive import store
from inbox.letters.models import DeliveryRecord
from inbox.web import agency_sending
from inbox.web.agency_pages import for_agency, show
from inbox.web.cursors import row_of
from inbox.web.dates import Calendar
from inbox.web.letter_words import size_of

ITEMS_A_PAGE = 50

State = Outgoing.State


@require_http_methods(["GET", "HEAD", "POST"])
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """List the letters, newest first; or those of one dispatch, or that have answers.

    What is looked for is posted: somebody may write an identity number there. No reference holds
    one (`agencies/letters.py`), so that those of found letters may stand in an address.
    """
    said = request.POST if request.method == "POST" else request.GET
    sent = Outgoing.objects.filter(agency=agency, dispatch__sent_at__isnull=False)
    asked = {name: said.get(name, "") for name in ("dispatch", "reference", "answered")}
    if asked["dispatch"]:
        sent = sent.filter(dispatch_id=_id_of(asked["dispatch"]))
    if asked["reference"]:
        sent = sent.filter(reference=asked["reference"][:64])
    if asked["answered"]:
        sent = sent.filter(answered_at__isnull=False)
    last = row_of(sent, request.GET.get("after", ""))
    shown = sent.filter(id__lt=last.id) if last else sent
    found = list(shown.order_by("-id")[: ITEMS_A_PAGE + 1])
    rest = {name: value for name, value in asked.items() if value}
    more = {**rest, "after": str(found[ITEMS_A_PAGE - 1].id)} if len(found) > ITEMS_A_PAGE else {}
    calendar = Calendar(clock.now(), get_language())
    records = _records(found[:ITEMS_A_PAGE])
    unread = set(
        Answer.objects.filter(outgoing__in=found, read_at=None).values_list(
            "outgoing_id", flat=True
        )
    )
    return show(
        request,
        agency,
        "sent",
        {
            "letters": [
                _line(each, records.get(each.delivery_id), calendar) | {"unread": each.id in unread}
                for each in found[:ITEMS_A_PAGE]
            ],
            "asked": asked,
            "is_narrowed": bool(rest),
            "first": not last,
            "more": f"?{urlencode(more)}" if more else "",
        },
    )


@require_safe
@for_agency
def letter(request: HttpRequest, agency: Agency, outgoing_id: UUID) -> HttpResponseBase:
    """Show how far a letter has come, and its answers."""
    found = _letter(agency, outgoing_id)
    calendar = Calendar(clock.now(), get_language())
    record = _records([found]).get(found.delivery_id)
    answers = list(found.answers.order_by("at", "id"))
    if request.method == "GET" and any(each.read_at is None for each in answers):
        found.answers.filter(read_at=None).update(read_at=clock.now())
    dispatch = found.dispatch
    return show(
        request,
        agency,
        "sent_letter",
        {
            "letter": _line(found, record, calendar),
            "dispatch": dispatch,
            "steps": _steps(found, record, calendar),
            "kind": agency_sending.kind_words()[dispatch.kind],
            "value": agency_sending.value_words(dispatch.documentary_value),
            "answer": agency_sending.form_words(dispatch.form),
            "answers": [_answer(agency, found, each, calendar) for each in answers],
        },
    )


@require_safe
@for_agency
def file(
    request: HttpRequest, agency: Agency, outgoing_id: UUID, answer_id: UUID, number: int
) -> HttpResponseBase:
    """Give a file of an answer, to be kept; never to be shown by the browser."""
    try:
        answer = Answer.objects.get(id=answer_id, outgoing=_letter(agency, outgoing_id))
        said = answer.files[number]
        chunks = store.read_chunks(agency.id, answer.id, said["path"])
    except (Answer.DoesNotExist, LookupError):
        raise Http404 from None
    response = StreamingHttpResponse(chunks, content_type=said["media_type"])
    response["Content-Disposition"] = content_disposition_header(True, said["name"])
    response["Content-Length"] = str(said["size"])
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _letter(agency: Agency, outgoing_id: UUID) -> Outgoing:
    """Return one of the agency's letters that are sent. Raises Http404."""
    found = Outgoing.objects.select_related("dispatch").filter(
        agency=agency, id=outgoing_id, dispatch__sent_at__isnull=False
    )
    letter = found.first()
    if letter is None:
        raise Http404
    return letter


def _id_of(wanted: str) -> UUID:
    try:
        return UUID(wanted)
    except ValueError:
        raise Http404 from None


def _records(found: Sequence[Outgoing]) -> dict[UUID | None, DeliveryRecord]:
    """Return what may be known of the letters that are delivered, by delivery (1 query)."""
    wanted = [each.delivery_id for each in found if each.delivery_id]
    return dict(DeliveryRecord.objects.in_bulk(wanted)) if wanted else {}


def _line(letter: Outgoing, record: DeliveryRecord | None, calendar: Calendar) -> dict[str, Any]:
    words, color = _state(letter, record)
    return {
        "id": letter.id,
        "title": letter.title,
        "line": letter.line,
        "reference": letter.reference,
        "case_reference": letter.case_reference,
        "due": calendar.full_day(letter.due_at) if letter.due_at else "",
        "state": words,
        "color": color,
        "moment": calendar.short(letter.settled_at) if letter.settled_at else "",
        "iso": letter.settled_at.isoformat(timespec="minutes") if letter.settled_at else "",
    }


def _state(letter: Outgoing, record: DeliveryRecord | None) -> tuple[str, str]:
    if letter.answered_at:
        return _("Answered"), "success"
    if record and record.told_opened_at:
        return _("Opened"), "success"
    words = {
        State.WAITING.value: (_("Being sent"), "info"),
        State.DELIVERED.value: (_("Delivered"), "info"),
        State.REFUSED.value: (_("Not delivered: send it another way"), "danger"),
        State.FAILED.value: (_("Not delivered: fault in Samlepost"), "danger"),
    }
    return words[letter.state]


def _steps(
    letter: Outgoing, record: DeliveryRecord | None, calendar: Calendar
) -> list[tuple[str, str]]:
    """Return what has happened to a letter, and when."""
    sent_at, settled_at = letter.dispatch.sent_at, letter.settled_at
    steps = [(_("Sent"), calendar.moment(sent_at) if sent_at else "")]
    if letter.state == State.DELIVERED and settled_at:
        at = record.delivered_at if record and record.delivered_at else settled_at
        steps.append((_("Delivered"), calendar.moment(at)))
        notified = record.notified_at if record else None
        steps.append((_("Notified"), calendar.moment(notified) if notified else _("Not yet")))
        steps.append((_("Opened"), _opened(letter, record, calendar)))
    elif settled_at:
        steps.append((_state(letter, record)[0], calendar.moment(settled_at)))
    return steps


def _opened(letter: Outgoing, record: DeliveryRecord | None, calendar: Calendar) -> str:
    if not letter.dispatch.wants_receipt:
        return _("You did not ask to be told")
    opened = record.told_opened_at if record else None
    return calendar.moment(opened) if opened else _("Not yet, or the recipient has said no to it")


def _answer(agency: Agency, letter: Outgoing, answer: Answer, calendar: Calendar) -> dict[str, Any]:
    return {
        "id": answer.id,
        "moment": calendar.moment(answer.at),
        "iso": answer.at.isoformat(timespec="minutes"),
        "choice": answer.choice,
        "text": answer.text,
        "files": [
            {
                "name": each["name"],
                "size": size_of(each["size"]),
                "address": reverse(
                    "agency_sent_file", args=[agency.org_number, letter.id, answer.id, number]
                ),
            }
            for number, each in enumerate(answer.files)
        ],
    }
