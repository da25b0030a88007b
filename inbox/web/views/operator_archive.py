"""For those who run Samlepost: is what is kept read again in time, whole, and copied?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from inbox.archive.models import Damage
from inbox.archive.proof.failures import Failure, failures
from inbox.archive.standing import Checks, standing
from inbox.letters import access_copies
from inbox.web.sessions import staff_required


@staff_required
@require_safe
def page(request: HttpRequest) -> HttpResponseBase:
    """Show how far behind the checks and the second copy are, and what is damaged."""
    found = standing()
    copy = found.copy
    said: dict[str, Any] = {
        "days": settings.ARCHIVE_CHECK_DAYS,
        "checks": _checks(found.checks),
        "copy": copy
        and {
            "owed": copy.owed,
            "since": _ago(copy.since) if copy.since else "",
            "error": copy.error,
            "checks": _checks(copy.checks),
        },
        "damaged": [_damage(each) for each in found.damaged],
        "ended": [_damage(each) for each in found.ended],
        "proved": settings.ARCHIVE_PROOF != "off",
        "failures": [_failure(each) for each in failures()],
        "not_copied": [(_not_copied(why), n) for why, n in access_copies.failed().items()],
    }
    return render(request, "web/operator_archive.html", said)


def _checks(checks: Checks) -> dict[str, Any]:
    return {
        "objects": checks.objects,
        "oldest": _ago(checks.oldest) if checks.oldest else "",
        "is_late": checks.is_late,
    }


def _failure(failure: Failure) -> dict[str, str]:
    words = {
        "sequencer": _("What is kept does not get into the log"),
        "witness": _("The witness does not sign the log"),
        "timestamps": _("The log gets no time stamps"),
        "copy": _("The log is not copied to the second copy"),
        "comparison": _("A part of the log is damaged in both copies"),
    }
    said = words.get(failure.what, failure.what)
    return {"what": said, "since": _ago(failure.since), "reason": failure.reason}


def _not_copied(reason: str) -> str:
    """Return why no PDF was made, for those who run it (`AccessCopy.reason`)."""
    return {
        "characters": _("Characters that none of the fonts has"),
        "too_large": _("Too long"),
        "missing": _("The archive could not read the text, or not take the PDF"),
        "broken": _("The program that sets them died, three times"),
        "memory": _("Too much memory was needed"),
        "typst": _("The program that sets them refused the text"),
    }.get(reason, reason)


def _damage(damage: Damage) -> dict[str, Any]:
    ends = {
        Damage.Outcome.REPAIRED: _("Repaired from the other copy"),
        Damage.Outcome.WHOLE: _("Whole when it was read again"),
        Damage.Outcome.REMOVED: _("Deleted since"),
    }
    places = {
        Damage.Place.PRIMARY: _("The archive"),
        Damage.Place.COPY: _("The copy"),
        Damage.Place.KEYS: _("The keys"),
    }
    finders = {"scan": _("the rolling check"), "read": _("a reader"), "copy": _("copying")}
    return {
        "object": damage.object_id if damage.object_id.int else _("The log"),
        "place": places.get(Damage.Place(damage.place), ""),
        "problems": damage.problems,
        "found": _ago(damage.found_at),
        "finder": finders.get(damage.found_by, damage.found_by),
        "end": ends.get(Damage.Outcome(damage.outcome), ""),
        "why": damage.not_repaired,
    }


def _ago(moment: datetime) -> str:
    """Say how long ago that was in real time, which is what these checks go by."""
    passed = timezone.now() - moment
    if passed < timedelta(hours=1):
        return _("less than an hour ago")
    if passed < timedelta(days=2):
        hours = passed // timedelta(hours=1)
        return ngettext("%(n)d hour ago", "%(n)d hours ago", hours) % {"n": hours}
    return ngettext("%(n)d day ago", "%(n)d days ago", passed.days) % {"n": passed.days}
