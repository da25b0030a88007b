"""The panel on an agency's page, and her consent to it, site by site."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import get_language, gettext, ngettext, override
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from inbox.citizens import panel as agreed
from inbox.citizens.models import Citizen
from inbox.web.panel import COUNT_MAX, Site, count_others, find_citizen, find_site, give_cookie
from inbox.web.sessions import citizen_required, herself_required, viewer_of

POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors {}"
)


@require_safe
@never_cache
@xframe_options_exempt
def frame(request: HttpRequest) -> HttpResponseBase:
    """Show the number on a site that she has agreed to, on other known sites only a link."""
    site = _site(request.GET.get("site", ""))
    citizen = find_citizen(request)
    if citizen and not agreed.consents(citizen.pk).filter(site=site.slug).exists():
        citizen = None
    language = citizen.language if citizen else get_language() or "nb"
    with override(language):
        said = _say(count_others(citizen, site)) if citizen else ""
        context = {"language": language, "said": said, "site": site}
        answer = HttpResponse(render_to_string("web/panel.html", context))
    answer["Content-Security-Policy"] = POLICY.format(" ".join(site.origins))
    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def consent(request: HttpRequest) -> HttpResponseBase:
    """Explain what the site would show; she agrees, or goes back."""
    asked = request.POST if request.method == "POST" else request.GET
    site = _site(asked.get("site", ""))
    citizen_id = viewer_of(request).citizen_id
    if request.method == "POST":
        agreed.agree(citizen_id, site.slug)
    given = agreed.consents(citizen_id).filter(site=site.slug).exists()
    answer = render(request, "web/panel_consent.html", {"site": site, "given": given})
    if given and isinstance(request.user, Citizen):
        give_cookie(request, answer, request.user)
    return answer


@require_POST
@citizen_required
@herself_required
def withdraw(request: HttpRequest) -> HttpResponseBase:
    """She takes her consent back; the site's panel is empty from now on."""
    slug = request.POST.get("site", "")
    if not agreed.withdraw(viewer_of(request).citizen_id, slug):
        raise Http404
    site = find_site(slug)
    said = gettext("%(site)s no longer shows how many new letters you have.")
    messages.success(request, said % {"site": site.name if site else slug})
    return redirect("account")


def _site(slug: str) -> Site:
    site = find_site(slug)
    if site is None:
        raise Http404
    return site


def _say(number: int) -> str:
    if number > COUNT_MAX:
        return gettext("More than {n} new letters from others").format(n=COUNT_MAX)
    if not number:
        return gettext("No new letters from others")
    return ngettext("{n} new letter from others", "{n} new letters from others", number).format(
        n=number
    )
