"""Every page of Samlepost at the root; a project with pages of its own includes the same."""

from __future__ import annotations

from django.urls import include, path

handler400 = "inbox.web.views.errors.bad_request"
handler403 = "inbox.web.views.errors.forbidden"
handler404 = "inbox.web.views.errors.not_found"
handler500 = "inbox.web.views.errors.server_error"

urlpatterns = [path("", include("inbox.web.urls"))]
