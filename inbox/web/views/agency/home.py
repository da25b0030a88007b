"""The portal's front page, and the choice between agencies."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from inbox.agencies import connections, quarantined, webhooks
from inbox.agencies.access import agencies_of
from inbox.agencies.models import Agency
from inbox.web.agency_pages import for_agency, places, show
from inbox.web.sessions import person_of, person_required

COUNTED_MAX = 99
"""Of what waits, no more is counted."""


@require_safe
@person_required
def choose(request: HttpRequest) -> HttpResponseBase:
    """Lead to her agency, ask which one, or say how an agency gets in."""
    found = agencies_of(person_of(request).citizen_id)
    if len(found) == 1:
        return redirect("agency_home", found[0].org_number)
    return render(request, "web/agency/choose.html", {"agencies": found})


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Say what needs somebody, and what the portal has."""
    words = _words()
    others = [(each, words[each.route]) for each in places(request, agency) if each.route in words]
    return show(request, agency, "home", {"others": others, "needs": _needs(agency)})


def _needs(agency: Agency) -> list[tuple[str, str]]:
    """Return what needs somebody: route and words; 3 queries, and 2 for each source."""
    found = []
    waiting = quarantined.waiting(agency)[: COUNTED_MAX + 1].count()
    if waiting > COUNTED_MAX:
        said = gettext("More than %(n)s letters could not be delivered.") % {"n": COUNTED_MAX}
        found.append(("agency_quarantine", said))
    elif waiting:
        said = ngettext(
            "%(n)s letter could not be delivered.", "%(n)s letters could not be delivered.", waiting
        )
        found.append(("agency_quarantine", said % {"n": waiting}))
    for each in connections.health(agency):
        if each.failing and each.source.active:
            said = gettext("Something fails at %(source)s.") % {"source": each.source.label}
            found.append(("agency_connections", said))
    if webhooks.troubled(agency):
        found.append(("agency_webhooks", gettext("A webhook does not work.")))
    return found


def _words() -> dict[str, str]:
    """Return what each page is for, by its route."""
    return {
        "agency_send": gettext("A PDF to one, or to many from a list."),
        "agency_sent": gettext("What you have sent from here, and what was answered."),
        "agency_log": gettext("What has become of each letter, by every channel."),
        "agency_figures": gettext("How many open your letters, and how soon."),
        "agency_sandbox": gettext("Try letters with made-up persons, and see what they see."),
        "agency_quarantine": gettext("What could not be delivered, and why."),
        "agency_connections": gettext("How your sources stand. Connect your own site."),
        "agency_conformance": gettext("Does your feed keep the rules?"),
        "agency_keys": gettext("For your own systems."),
        "agency_webhooks": gettext("We tell your systems what becomes of your letters."),
        "agency_documentation": gettext("How your systems use Samlepost."),
    }
