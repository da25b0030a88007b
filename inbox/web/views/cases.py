"""Her cases: the list of them, and the letters of one as a thread."""

from __future__ import annotations

from collections import defaultdict
from urllib.parse import quote, urlencode
from uuid import UUID

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from connectors import clock
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import presentation
from inbox.letters.case_list import case_row, case_rows
from inbox.letters.models import Case, Letter, Reply
from inbox.web.cases import case_head, case_line, thread
from inbox.web.dates import Calendar
from inbox.web.filters import Filter, Position, read_position
from inbox.web.sessions import citizen_required, viewer_of

PAGE_CASES = 25
PAGE_LETTERS = 50


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """List the cases, the latest activity first; `after` is the cursor of the last one shown."""
    viewer = viewer_of(request)
    position = read_position(request.GET.get("after", ""))
    after = (position.received_at, position.letter_id) if position else None
    rows = case_rows(viewer, after, PAGE_CASES + 1)
    now = clock.now()
    calendar = Calendar(now, get_language())
    home, more = reverse("cases"), ""
    if len(rows) > PAGE_CASES:
        last = rows[PAGE_CASES - 1]
        more = f"{home}?after={Position(last.last_at, last.id, now).cursor()}"
    context = {
        "cases": [case_line(row, calendar) for row in rows[:PAGE_CASES]],
        "more": more,
        "continued": position is not None,
        "higher": viewer.level < SecurityLevel.HIGH,
        "home": home,
    }
    return render(request, "web/cases.html", context)


@require_safe
@citizen_required
def one(request: HttpRequest, case_id: UUID) -> HttpResponseBase:
    """Show one case from its first letter on; `after` is the cursor of the last letter shown."""
    viewer = viewer_of(request)
    try:
        row = case_row(viewer, case_id)
    except Case.DoesNotExist:
        raise Http404 from None
    home = reverse("case", args=[case_id])
    context = case_head(row) | {
        "higher": viewer.level < SecurityLevel.HIGH,
        "home": home,
    }
    if row.locked:
        return render(request, "web/case.html", context)
    position = read_position(request.GET.get("after", ""))
    letters = Letter.objects.visible_to(viewer).outside_bin().in_case(case_id, viewer)
    if position:
        letters = letters.later_than(position.received_at, position.letter_id)
    found = presentation.thread_letters(letters.oldest_first(), viewer, PAGE_LETTERS + 1)
    shown, now = found[:PAGE_LETTERS], clock.now()
    if len(found) > PAGE_LETTERS:
        last = shown[-1].row
        context["more"] = f"{home}?after={Position(last.received_at, last.id, now).cursor()}"
    context["continued"] = position is not None
    context["entries"] = thread(
        shown,
        _answers(viewer, [letter.row.id for letter in shown if not letter.hidden]),
        quote(home),
        Calendar(now, get_language()),
    )
    context["list_address"] = Filter(case=str(case_id)).address()
    if viewer.is_herself:
        context["add"] = f"{reverse('own_paper_add')}?{urlencode({'case': case_id})}"
    if viewer.is_herself and row.reference:
        context["take_out"] = f"{reverse('export')}?{urlencode({'case': case_id})}"
        context["share"] = f"{reverse('sharing_give')}?{urlencode({'case': case_id})}"
    return render(request, "web/case.html", context)


def _answers(viewer: Viewer, letter_ids: list[UUID]) -> dict[UUID, list[Reply]]:
    """Return what she has sent in answer to these letters."""
    found: dict[UUID, list[Reply]] = defaultdict(list)
    own = Reply.objects.filter(citizen_id=viewer.citizen_id, letter_id__in=letter_ids)
    for reply in own.exclude(state=Reply.State.DRAFT).order_by("updated_at", "id"):
        found[reply.letter_id].append(reply)
    return found
