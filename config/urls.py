"""Every address: the citizen's pages, and the health page for those who run the service."""

from __future__ import annotations

from django.urls import include, path

from inbox.web.views.health import healthz

handler400 = "inbox.web.views.errors.bad_request"
handler403 = "inbox.web.views.errors.forbidden"
handler404 = "inbox.web.views.errors.not_found"
handler500 = "inbox.web.views.errors.server_error"

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("", include("inbox.web.urls")),
]
