"""Bringing letters in from a copy that was taken out before."""

from __future__ import annotations

from typing import Any, BinaryIO, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from inbox.archive.bag.reading import BadBag, Limits
from inbox.citizens.models import SecurityLevel
from inbox.letters import bring_in
from inbox.letters.bring_in import NotEmpty, Taken
from inbox.web.letter_words import size_of
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.uploading import Most, bound, passed_over

UNPACKED = 2
"""A copy holds its files as they are: so many times its size at most, once unpacked."""


@csrf_exempt
def page(request: HttpRequest) -> HttpResponseBase:
    """Take a copy in.

    The file is bounded before anything is read, the token among it: it is looked at inside.
    """
    most = settings.IMPORT_ZIP_MAX_BYTES
    bound(request, Most(1, most, most))
    return _page(request)


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def _page(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    is_empty = bring_in.is_empty(viewer)
    problem = ""
    if request.method == "POST":
        if viewer.level != SecurityLevel.HIGH:
            return redirect(f"{reverse('step_up')}?{urlencode({'next': reverse('import')})}")
        taken, problem = _take(request)
        if taken is not None:
            said = ngettext("{n} letter is here now.", "{n} letters are here now.", taken.letters)
            messages.success(request, said.format(n=taken.letters))
            return redirect("inbox")
    context = {
        "problem": problem,
        "is_empty": is_empty,
        "is_high": viewer.level == SecurityLevel.HIGH,
        "most": size_of(settings.IMPORT_ZIP_MAX_BYTES),
    }
    return render(request, "web/import.html", context)


def _take(request: HttpRequest) -> tuple[Taken | None, str]:
    """Return what was taken in, or why it was not."""
    if passed_over(request):
        return None, _why(BadBag("too_large"))
    upload: Any = request.FILES.get("copy")
    if upload is None:
        return None, gettext("Choose the zip file of the copy.")
    size = settings.IMPORT_ZIP_MAX_BYTES
    limits = Limits(size, settings.IMPORT_FILES_MAX, UNPACKED * size)
    try:
        return bring_in.take_in(viewer_of(request), cast(BinaryIO, upload.file), limits), ""
    except NotEmpty:
        return None, gettext("You have letters here already. A copy is taken into an empty inbox.")
    except BadBag as error:
        return None, _why(error)


def _why(error: BadBag) -> str:
    words = {
        "no_zip": gettext("The file is not a zip file, or it is broken."),
        "no_bag": gettext("The zip file is not a copy from Samlepost."),
        "no_letters": gettext("There are no letters in the copy."),
        "too_large": gettext("The copy is too large to be brought in here. Write to us."),
        "too_many": gettext("The copy is too large to be brought in here. Write to us."),
        "twice": gettext("The zip file has the same file twice: {name}"),
        "bad_name": gettext("The zip file has a file with a name that is not allowed: {name}"),
        "locked": gettext("The zip file is locked with a password: {name}"),
        "bomb": gettext("A file in the zip file would become far too large: {name}"),
        "damaged": gettext("The copy is damaged, or has been changed: {name}"),
        "missing": gettext("A file is missing from the copy: {name}"),
        "bad_letter": gettext("A letter in the copy cannot be read: {name}"),
    }
    return " ".join([words[error.code].format(name=error.name), gettext("Nothing was taken in.")])
