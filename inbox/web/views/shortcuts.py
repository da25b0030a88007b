"""The page of keyboard shortcuts, where they can be switched off (WCAG 2.1.4)."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from inbox.web.sessions import citizen_required


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """List the shortcuts that `shortcuts.js` knows."""
    keys = [
        (["j"], gettext("To the next letter in the list")),
        (["k"], gettext("To the letter before")),
        (["o", "Enter"], gettext("Open the letter")),
        (["x"], gettext("Select the letter, or not")),
        (
            ["e"],
            gettext("Move to the archive: the letters that are selected, or the one you are on"),
        ),
        (["#"], gettext("Move to the bin, likewise")),
        (["u"], gettext("Mark as unread, likewise")),
        (["/"], gettext("To the search")),
        (["g", "i"], gettext("To the inbox: first g, then i")),
        (["?"], gettext("To this page")),
    ]
    return render(request, "web/shortcuts.html", {"keys": keys})
