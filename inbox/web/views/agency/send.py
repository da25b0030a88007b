"""Sending letters from the portal: written or listed, looked over, and sent."""

from __future__ import annotations

from io import BytesIO
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from connectors import clock
from connectors.conformance import shown
from connectors.contract import LEVEL_HIGH, IncomingLetter, Recipient, RecipientKind, SenderRef
from inbox.agencies import address_list, drafts, letters, outgoing
from inbox.agencies.letters import Refused
from inbox.agencies.models import Agency, Dispatch, Outgoing
from inbox.web import agency_sending
from inbox.web.agency_pages import for_agency, show
from inbox.web.agency_sending import Form
from inbox.web.dates import Calendar
from inbox.web.letter_words import size_of
from inbox.web.sessions import person_of
from inbox.web.spreadsheet import csv_answer

UNDELIVERED_SHOWN = 200


@require_http_methods(["GET", "HEAD", "POST"])
@for_agency
def one(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Write a letter to one."""
    return _write(request, agency, is_list=False)


@require_http_methods(["GET", "HEAD", "POST"])
@for_agency
def many(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Write a letter to each of a list."""
    return _write(request, agency, is_list=True)


@require_http_methods(["GET", "HEAD", "POST"])
@for_agency
def dispatch(request: HttpRequest, agency: Agency, dispatch_id: UUID) -> HttpResponseBase:
    """Look letters over before they are sent, send them, and see how far they have come."""
    found = _find(agency, dispatch_id)
    if request.method == "POST":
        return _act(request, agency, found)
    calendar = Calendar(clock.now(), get_language())
    if found.state == Dispatch.State.DRAFT:
        return show(request, agency, "send_preview", _preview(agency, found, calendar))
    return show(request, agency, "send_progress", _progress(found, calendar))


@require_safe
@for_agency
def undelivered(request: HttpRequest, agency: Agency, dispatch_id: UUID) -> HttpResponseBase:
    """Give all letters of a dispatch that could not be delivered, for a spreadsheet."""
    found = _find(agency, dispatch_id)
    rows = [[_("Line"), _("Your reference"), _("Title"), _("Why")]]
    for letter in _undelivered(found).iterator(2000):
        rows.append([str(letter.line), letter.reference, letter.title, _why(letter.state)])
    return csv_answer(rows, f"samlepost-{found.id}.csv")


def _find(agency: Agency, dispatch_id: UUID) -> Dispatch:
    """Return one of the agency's. Raises Http404."""
    try:
        return Dispatch.objects.get(agency=agency, id=dispatch_id)
    except Dispatch.DoesNotExist:
        raise Http404 from None


def _undelivered(found: Dispatch) -> QuerySet[Outgoing]:
    gone = (Outgoing.State.REFUSED, Outgoing.State.FAILED)
    return found.letters.filter(state__in=gone).order_by("line")


def _why(state: str) -> str:
    return _("Fault in Samlepost") if state == Outgoing.State.FAILED else _("No inbox here")


def _write(request: HttpRequest, agency: Agency, *, is_list: bool) -> HttpResponseBase:
    form = agency_sending.form_of(request.POST)
    if request.method == "POST":
        made = _prepare(request, agency, form, is_list=is_list)
        if made:
            return redirect("agency_send_dispatch", agency.org_number, made.id)
    calendar = Calendar(clock.now(), get_language())
    page = {
        "form": form,
        "is_list": is_list,
        "drafts": [_draft(each, calendar) for each in drafts.waiting(agency)],
        "kinds": agency_sending.kind_words().items(),
        "title_max": letters.TITLE_MAX,
        "label_max": letters.LABEL_MAX,
        "reference_max": letters.REFERENCE_MAX,
        "rows_max": settings.OUTGOING_ROWS_MAX,
        "pdf_max": size_of(settings.OUTGOING_PDF_MAX_BYTES),
        "zip_max": size_of(settings.OUTGOING_ZIP_MAX_BYTES),
    }
    return show(request, agency, "send", page)


def _prepare(request: HttpRequest, agency: Agency, form: Form, *, is_list: bool) -> Dispatch | None:
    """Make a draft of what was posted; None where something is wrong, which the form says then."""
    terms, due_at = agency_sending.terms_of(form), agency_sending.due_of(form)
    upload = request.FILES.get("file")
    if upload is None:
        form.errors["file"] = _("Attach the letter.")
    elif not is_list and (upload.size or 0) > settings.OUTGOING_PDF_MAX_BYTES:
        form.errors["file"] = _("The file is too large.")
    addresses = request.FILES.get("list")
    if is_list and addresses is None:
        form.errors["list"] = _("Attach the list.")
    file = cast(BinaryIO, upload.file) if upload else BytesIO()
    try:
        if is_list:
            content = addresses.read() if addresses else b""
            wanted = address_list.read(content, form.values["title"], due_at) if content else []
        else:
            recipient = request.POST.get("recipient", "")
            wanted = [agency_sending.letter_of(form, recipient, due_at)]
        if form.errors:
            raise Refused(letters.problems_of(terms, wanted) if wanted else [])
        return outgoing.prepare(
            agency,
            terms,
            wanted,
            file,
            name=(upload.name or "") if upload else "",
            by=person_of(request).citizen_id,
            is_list=is_list,
        )
    except Refused as refused:
        own = dict(form.errors)
        form.refuse(refused.problems)
        form.errors |= own
        return None


def _act(request: HttpRequest, agency: Agency, found: Dispatch) -> HttpResponseBase:
    if request.POST.get("do") == "discard":
        if drafts.discard(agency, found.id):
            messages.success(request, _("The draft is discarded. Nothing was sent."))
            return redirect("agency_send", agency.org_number)
    elif outgoing.confirm(agency, found.id):
        messages.success(request, _("The letters are being sent."))
    else:
        messages.info(request, _("This has been sent already. It is sent once."))
    return redirect("agency_send_dispatch", agency.org_number, found.id)


def _draft(found: Dispatch, calendar: Calendar) -> dict[str, Any]:
    first = found.letters.order_by("line").first()
    title = first.title if first else ""
    return {"id": found.id, "title": title, "made": calendar.moment(found.made_at)}


def _preview(agency: Agency, found: Dispatch, calendar: Calendar) -> dict[str, Any]:
    count = found.letters.count()
    first = found.letters.order_by("line").first()
    assert first
    before = outgoing.sent_before(found)
    return {
        **_said(found, calendar),
        "letter": _letter(first, calendar),
        "count": count,
        "cautions": [agency_sending.caution_words(*each) for each in found.cautions],
        "sent_before": calendar.moment(before) if before else "",
        "is_high": found.security_level >= LEVEL_HIGH,
        "day": calendar.day(calendar.now),
        **_notices(agency, first),
    }


def _progress(found: Dispatch, calendar: Calendar) -> dict[str, Any]:
    counts = outgoing.counts(found)
    shown_lines = _undelivered(found)[:UNDELIVERED_SHOWN]
    single = None if found.is_list else found.letters.first()
    return {
        **_said(found, calendar),
        "sent": calendar.moment(found.sent_at) if found.sent_at else "",
        "count": sum(counts.values()),
        "waiting": counts.get("waiting", 0),
        "delivered": counts.get("delivered", 0),
        "refused": counts.get("refused", 0),
        "failed": counts.get("failed", 0),
        "undelivered": [_letter(each, calendar) for each in shown_lines],
        "undelivered_max": UNDELIVERED_SHOWN,
        "single": single,
    }


def _said(found: Dispatch, calendar: Calendar) -> dict[str, Any]:
    return {
        "dispatch": found,
        "kind": agency_sending.kind_words()[found.kind],
        "value": agency_sending.value_words(found.documentary_value),
        "answer": agency_sending.form_words(found.form),
        "made": calendar.moment(found.made_at),
    }


def _letter(letter: Outgoing, calendar: Calendar) -> dict[str, Any]:
    return {
        "line": letter.line,
        "title": letter.title,
        "reference": letter.reference,
        "case_reference": letter.case_reference,
        "due": calendar.full_day(letter.due_at) if letter.due_at else "",
        "file": letter.file,
        "why": _why(letter.state),
    }


def _notices(agency: Agency, letter: Outgoing) -> dict[str, str]:
    """Return what notices of the letter say, in the words that recipients get."""
    incoming = IncomingLetter(
        external_id="",
        recipient=Recipient(RecipientKind.NATIONAL_ID, ""),
        sender=SenderRef(agency.name, agency.org_number),
        title=letter.title,
        sent_at=clock.now(),
    )
    return {"subject": shown.subject(incoming)}
