"""Runs of the conformance kit on an agency's own sources."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from connectors.conformance.outcome import Verdict
from connectors.conformance.report import Report, as_html, as_junit
from inbox.agencies import conformance, connections, tasks
from inbox.agencies.access import sources_of
from inbox.agencies.models import Agency, ConformanceRun
from inbox.sync.models import Source
from inbox.sync.wake import wake
from inbox.web.agency_pages import for_agency, show
from inbox.web.dates import Calendar
from inbox.web.sessions import person_of

FORMS = {"html": ("text/html", as_html), "xml": ("application/xml", as_junit)}


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """List the latest runs, and what can be tried."""
    return _page(request, agency)


@require_POST
@for_agency
def start(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Ask for a run."""
    said = {name: request.POST.get(name, "") for name in ("source", "person", "stranger")}
    by = person_of(request).citizen_id
    try:
        run = conformance.ask(agency, said["source"], by, (said["person"], said["stranger"]))
    except Source.DoesNotExist:
        return _page(request, agency, {"error": gettext("Choose one of your sources.")})
    except connections.Refused as error:
        return _page(request, agency, {"error": _refusal(str(error)), "chosen": said["source"]})
    wake(tasks.run_conformance, run.id)
    return redirect("agency_conformance_run", agency.org_number, run.id)


@require_safe
@for_agency
def one(request: HttpRequest, agency: Agency, run_id: UUID) -> HttpResponseBase:
    """Show what came of a run, rule by rule, as far as it has come."""
    run = _run(agency, run_id)
    calendar = Calendar(clock.now(), get_language())
    report = conformance.report_of(run)
    said = {
        "run": _row(run, calendar),
        "report": report,
        "failed": [each for each in report.findings if each.verdict is Verdict.FAILED],
        "rest": [each for each in report.findings if each.verdict is not Verdict.FAILED],
        "verdicts": {
            Verdict.PASSED: gettext("kept"),
            Verdict.FAILED: gettext("not kept"),
            Verdict.LEFT_OUT: gettext("not tried"),
        },
    }
    htmx: Any = getattr(request, "htmx", None)
    if htmx and run.state == "waiting":
        return render(request, "web/agency/_run.html", {"agency": agency} | said)
    if htmx:
        # It is over: the whole page, with what to do.
        answer = HttpResponse()
        answer["HX-Refresh"] = "true"
        return answer
    return show(request, agency, "conformance_run", said)


@require_safe
@for_agency
def file(request: HttpRequest, agency: Agency, run_id: UUID, form: str) -> HttpResponseBase:
    """Send a run as a file: a page of its own, or JUnit XML."""
    run = _run(agency, run_id)
    if form not in FORMS or run.state != "done":
        raise Http404
    media_type, write = FORMS[form]
    answer = HttpResponse(write(conformance.report_of(run)), content_type=media_type)
    name = f"samlepost-{run.asked_at:%Y-%m-%d}.{form}"
    answer["Content-Disposition"] = content_disposition_header(True, name)
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _run(agency: Agency, run_id: UUID) -> ConformanceRun:
    try:
        return agency.runs.select_related("source").get(id=run_id)
    except ConformanceRun.DoesNotExist:
        raise Http404 from None


def _page(
    request: HttpRequest, agency: Agency, said: dict[str, Any] | None = None
) -> HttpResponseBase:
    calendar = Calendar(clock.now(), get_language())
    runs = agency.runs.select_related("source").order_by("-asked_at", "-id")[: conformance.KEPT]
    known = {
        "own_sources": list(sources_of(agency).values_list("slug", "label")),
        "runs": [_row(each, calendar) for each in runs],
        "demo": settings.DEMO,
    }
    return show(request, agency, "conformance", known | (said or {}))


def _row(run: ConformanceRun, calendar: Calendar) -> dict[str, Any]:
    subject: Report = conformance.report_of(run)
    return {
        "id": run.id,
        "subject": run.address or subject.subject,
        "label": run.source.label if run.source else "",
        "asked": calendar.moment(run.asked_at),
        "waits": run.state == "waiting",
        "done": run.state == "done",
        "tried": len(run.findings),
        "passed": run.passed,
        "failed": run.failed,
        "left_out": run.left_out,
        "error": run.last_error if run.state == "failed" else "",
    }


def _refusal(what: str) -> str:
    words = {
        "person": gettext(
            "Write the identity numbers of two made-up persons, of Tenor's test data. Numbers of"
            " real persons are not taken."
        ),
        "same person": gettext("Write two different persons."),
        "waiting": gettext("Two runs wait already. Try again when one of them is done."),
    }
    return words.get(what, gettext("The feed's address cannot be used. Mend it first."))
