"""How an agency's systems use the API, and our documents for its developers."""

from __future__ import annotations

import json

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_safe

from inbox.agencies.models import Agency
from inbox.web import guides
from inbox.web.agency_api import api, by_key, problems, reading
from inbox.web.agency_pages import for_agency, show


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Show every call, as the OpenAPI document has it, with examples for this agency."""
    hello = {"name": agency.name, "org_number": agency.org_number}
    said = {
        "address": api.address(),
        "hello": json.dumps(hello, ensure_ascii=False, indent=2).removesuffix("\n}") + ",\n  …",
        "sections": reading.sections(api.document()),
        "requests_a_minute": by_key.REQUESTS_A_MINUTE,
        "problem_type": problems.MEDIA_TYPE,
        "problems": reading.problems_of_all(),
        "guides": guides.guides(),
    }
    return show(request, agency, "documentation", said)


@require_safe
@for_agency
def guide(request: HttpRequest, agency: Agency, name: str) -> HttpResponseBase:
    """Show one of our documents for developers."""
    found = guides.guide(name)
    if found is None:
        raise Http404

    def address_of(other: str) -> str:
        return reverse("agency_documentation_guide", args=[agency.org_number, other])

    said = {"title": found.title, "text": guides.render(found, address_of)}
    return show(request, agency, "guide", said)
