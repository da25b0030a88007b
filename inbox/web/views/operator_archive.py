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
from inbox.archive.standing import Checks, standing
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
    }
    return render(request, "web/operator_archive.html", said)


def _checks(checks: Checks) -> dict[str, Any]:
    return {
        "objects": checks.objects,
        "oldest": _ago(checks.oldest) if checks.oldest else "",
        "is_late": checks.is_late,
    }


def _damage(damage: Damage) -> dict[str, Any]:
    ends = {
        Damage.Outcome.REPAIRED: _("Repaired from the other copy"),
        Damage.Outcome.WHOLE: _("Whole when it was read again"),
        Damage.Outcome.REMOVED: _("Deleted since"),
    }
    finders = {"scan": _("the rolling check"), "read": _("a reader"), "copy": _("copying")}
    return {
        "object": damage.object_id,
        "place": _("The copy") if damage.place == Damage.Place.COPY else _("The archive"),
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
