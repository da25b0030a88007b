"""The agency portal: who gets in, and what each of its pages has besides its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext

from inbox.agencies.access import agency_for
from inbox.agencies.models import Agency
from inbox.citizens.models import SecurityLevel
from inbox.web.sessions import person_of, person_required

P = ParamSpec("P")
AgencyView = Callable[Concatenate[HttpRequest, Agency, P], HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the portal's navigation."""

    route: str
    name: str
    symbol: str
    """One of `web/icons/`."""
    address: str
    is_here: bool


def for_agency(view: AgencyView[P]) -> Callable[..., HttpResponseBase]:
    """Let an agency's employee in, at the high level; for all others the page does not exist.

    What citizens answer may be of the high level, and who sends in an agency's name must be sure.
    """

    @wraps(view)
    @person_required
    def checked(
        request: HttpRequest, /, org_number: str, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponseBase:
        person = person_of(request)
        try:
            agency = agency_for(person.citizen_id, org_number)
        except Agency.DoesNotExist:
            raise Http404 from None
        if person.level < SecurityLevel.HIGH:
            back = request.get_full_path() if request.method == "GET" else reverse("agencies")
            return redirect(f"{reverse('step_up')}?{urlencode({'next': back})}")
        return view(request, agency, *args, **kwargs)

    return checked


def show(
    request: HttpRequest,
    agency: Agency,
    template: str,
    page: dict[str, Any] | None = None,
) -> HttpResponse:
    """Render a page of the portal: `template` is a name in `web/agency/`, without its ending."""
    said = {"agency": agency, "agency_places": places(request, agency)} | (page or {})
    return render(request, f"web/agency/{template}.html", said)


def places(request: HttpRequest, agency: Agency) -> list[Page]:
    """Return the portal's navigation, in its order; a page's own pages count as it."""
    route = request.resolver_match.url_name if request.resolver_match else ""
    return [
        Page(
            name,
            text,
            symbol,
            reverse(name, args=[agency.org_number]),
            route == name or str(route).startswith(f"{name}_"),
        )
        for name, text, symbol in _named()
    ]


def _named() -> list[tuple[str, str, str]]:
    return [
        ("agency_home", gettext("Overview"), "Inbox"),
        ("agency_send", gettext("Send letters"), "Paperplane"),
        ("agency_sent", gettext("Sent letters"), "EnvelopeClosed"),
        ("agency_log", gettext("Delivery log"), "Tasklist"),
        ("agency_figures", gettext("Figures"), "FileText"),
        ("agency_sandbox", gettext("Send test letters"), "Eye"),
        ("agency_quarantine", gettext("Errors to fix"), "ExclamationmarkTriangle"),
        ("agency_connections", gettext("Connectors"), "Link"),
        ("agency_conformance", gettext("Conformance test"), "ShieldCheckmark"),
        ("agency_keys", gettext("Keys"), "PadlockLocked"),
        ("agency_webhooks", gettext("Webhooks"), "Link"),
        ("agency_documentation", gettext("The API"), "FileText"),
    ]
