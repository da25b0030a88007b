"""Samlepost as an app on her phone or computer: the manifest, the worker and the offline page.

The same for everybody, and nothing of anybody's: the worker keeps static files and the offline
page alone (W3C Web Application Manifest; Service Workers, served from the root for its scope).
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext, override
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

THEME = "#0062ba"
"""The colour of the favicon, and of Designsystemet's accent."""
FILES = (
    "web/favicon.svg",
    "web/vendor/designsystemet/designsystemet.css",
    "web/vendor/designsystemet/theme-digdir.css",
    "web/app.css",
    "web/vendor/inter/inter-latin.woff2",
)
"""What the offline page is drawn with."""


@require_safe
@cache_control(max_age=3600, public=True)
def manifest(request: HttpRequest) -> HttpResponseBase:
    """Tell browsers how Samlepost looks as an app. Browsers ask without cookies."""
    icons = [("any", "icon-192", 192), ("any", "icon-512", 512)]
    icons.append(("maskable", "icon-maskable-512", 512))
    with override(settings.LANGUAGE_CODE):
        said = {
            "id": "/",
            "name": "Samlepost",
            "short_name": "Samlepost",
            "description": gettext("All your public-sector mail in one place"),
            "lang": settings.LANGUAGE_CODE,
            "start_url": reverse("inbox"),
            "scope": "/",
            "display": "standalone",
            "theme_color": THEME,
            "background_color": "#ffffff",
            "icons": [
                {
                    "src": static(f"web/{name}.png"),
                    "sizes": f"{size}x{size}",
                    "type": "image/png",
                    "purpose": purpose,
                }
                for purpose, name, size in icons
            ],
        }
    return JsonResponse(said, content_type="application/manifest+json")


@require_safe
@cache_control(no_cache=True)
def worker(request: HttpRequest) -> HttpResponseBase:
    """Serve the service worker. Its text changes with any file it keeps, and it is renewed then."""
    return HttpResponse(_worker(), content_type="text/javascript; charset=utf-8")


@require_safe
@cache_control(no_cache=True)
def offline(request: HttpRequest) -> HttpResponseBase:
    """Show what stands in for every page while there is no network.

    In all languages at once: it is kept before anybody has chosen one, and is asked for without
    cookies, so that it cannot hold anything of hers.
    """
    return HttpResponse(_offline())


@cache
def _worker() -> str:
    files = [static(name) for name in FILES]
    version = sha256("\n".join([*files, _offline()]).encode()).hexdigest()[:16]
    context = {"files": files, "offline": reverse("offline"), "version": version}
    return render_to_string("web/service-worker.js", context)


@cache
def _offline() -> str:
    said: list[tuple[str, tuple[str, str, str]]] = []
    for code, _name in settings.LANGUAGES:
        with override(code):
            texts = (
                gettext("You are offline"),
                gettext("Samlepost keeps no letters on this device. Connect to the network."),
                gettext("Try again"),
            )
        if texts[0] not in [each[0] for _, each in said]:  # not translated: shown in bokmål
            said.append((code, texts))
    return render_to_string("web/offline.html", {"language": settings.LANGUAGE_CODE, "said": said})
