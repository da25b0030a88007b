"""Made-up persons with whom an agency tries its letters."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from inbox.agencies import made_up, sandbox
from inbox.agencies.letters import Refused
from inbox.agencies.models import Agency, SandboxPerson
from inbox.web import acting
from inbox.web.agency_pages import for_agency, show
from inbox.web.sessions import person_of


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Show the agency's made-up persons and what can be sent to them."""
    persons = [
        {"id": each.id, "name": each.citizen.name, "number": made_up.number_of(each)}
        for each in made_up.persons(agency)
    ]
    return show(request, agency, "sandbox", {"persons": persons, "samples": _samples()})


@require_POST
@for_agency
def make(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Make the agency's made-up persons."""
    made_up.make_persons(agency)
    return redirect("agency_sandbox", agency.org_number)


@require_POST
@for_agency
def send(request: HttpRequest, agency: Agency, person_id: UUID) -> HttpResponseBase:
    """Send one of them a sample."""
    try:
        sample = sandbox.Sample(request.POST.get("sample", ""))
    except ValueError:
        sample = sandbox.Sample.LETTER
    try:
        sandbox.send_sample(agency, person_id, sample, by=person_of(request).citizen_id)
    except SandboxPerson.DoesNotExist:
        raise Http404 from None
    except Refused:
        messages.error(request, gettext("The letter could not be sent."))
        return redirect("agency_sandbox", agency.org_number)
    messages.success(request, gettext("The letter is on its way. It takes a few seconds."))
    return redirect("agency_sandbox", agency.org_number)


@require_POST
@for_agency
def look(request: HttpRequest, agency: Agency, person_id: UUID) -> HttpResponseBase:
    """Go to the person's inbox, as that person."""
    person = person_of(request)
    try:
        citizen = made_up.look(agency, person_id, person.citizen_id)
    except SandboxPerson.DoesNotExist:
        raise Http404 from None
    if not acting.begin(request, person.citizen_id, person.level, citizen.id):
        raise Http404
    return redirect("inbox")


def _samples() -> list[tuple[str, str]]:
    words = {
        sandbox.Sample.LETTER: gettext("A letter to be read"),
        sandbox.Sample.QUESTION: gettext("A question that is answered with one press, by a day"),
        sandbox.Sample.TASK: gettext("A request for documents, answered in writing with files"),
        sandbox.Sample.DECISION: gettext("A decision of the high level, to be kept as proof"),
    }
    return [(sample.value, text) for sample, text in words.items()]
