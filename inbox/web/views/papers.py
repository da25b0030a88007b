"""Her papers: what senders marked as having lasting value, and what she has put in herself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_safe

from connectors import clock
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import own, presentation
from inbox.letters.models import Letter
from inbox.letters.presentation import Row
from inbox.sync.freshness import labels
from inbox.web.cursors import row_of
from inbox.web.dates import OSLO, Calendar
from inbox.web.letter_words import size_of
from inbox.web.listing import PAGE_ROWS, Group
from inbox.web.paths import address_of
from inbox.web.rows import Folders, Printer, tag
from inbox.web.sessions import citizen_required, viewer_of
from inbox.web.views.inbox import folders_of

BY_SENDER = "sender"
OWN_SHOWN_MAX = 5
"""So many of her own stand on the page, the newest; the archive lists them all."""


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show them by year or, with `by=sender`, by sender; `after` names the last letter shown.

    The first page begins with her own.
    """
    viewer = viewer_of(request)
    by = BY_SENDER if request.GET.get("by") == BY_SENDER else ""
    after = request.GET.get("after", "")
    rows = _read(viewer, by, after)
    shown = rows[:PAGE_ROWS]
    home = reverse("papers")
    own_rows = [] if after else _own(viewer)
    query = {"by": by} if by else {}
    context = {
        "groups": _groups(shown, by, folders_of(request)),
        "own": _own_group(own_rows[:OWN_SHOWN_MAX], viewer, folders_of(request)),
        "more_own": len(own_rows) > OWN_SHOWN_MAX,
        "more": f"{home}?{urlencode({**query, 'after': shown[-1].id})}" if rows != shown else "",
        "by": by,
        "home": home,
        "higher": viewer.level < SecurityLevel.HIGH,
    }
    return render(request, "web/papers.html", context)


def _read(viewer: Viewer, by: str, after: str) -> list[Row]:
    """Return a page of rows and one more, if there is one."""
    papers = presentation.ROWS.visible_to(viewer).outside_bin().worth_keeping(viewer)
    last = row_of(Letter.objects.visible_to(viewer).worth_keeping(viewer), after)
    if by == BY_SENDER:
        papers = papers.after_by_sender_name(last) if last else papers
        papers = papers.by_sender_name()
    else:
        papers = papers.after(last.received_at, last.id) if last else papers
        papers = papers.newest_first()
    return presentation.rows(papers, viewer, PAGE_ROWS + 1)


def _own(viewer: Viewer) -> list[Row]:
    """Return the newest that she has put in herself, and one more, if there is one."""
    papers = presentation.ROWS.visible_to(viewer).outside_bin().put_in_herself(viewer)
    return presentation.rows(papers.newest_first(), viewer, OWN_SHOWN_MAX + 1)


def _own_group(rows: Sequence[Row], viewer: Viewer, folders: Folders) -> Group | None:
    if not rows:
        return None
    said = gettext("Added by you") if viewer.is_herself else gettext("Added by the recipient")
    group, sizes = Group("own", said, []), own.sizes_of(viewer, [row.id for row in rows])
    printer = _printer("", folders, Letter.Place.FILED)
    for row in rows:
        printed = printer.row(row)
        printed.tags += tag("neutral", "File", size_of(sizes.get(row.id, 0)))
        group.rows.append(printed)
    return group


def _printer(by: str, folders: Folders, place: str) -> Printer:
    calendar = Calendar(clock.now(), get_language())
    back = f"{address_of('papers')}?by={by}" if by else address_of("papers")
    return Printer(calendar, labels(), back, place, folders)


def _groups(rows: Iterable[Row], by: str, folders: Folders) -> list[Group]:
    printer = _printer(by, folders, Letter.Place.INBOX)
    groups: list[Group] = []
    title = ""
    for row in rows:
        year = str(row.received_at.astimezone(OSLO).year)
        key = row.sender_name if by == BY_SENDER else year
        if not groups or key != title:
            title = key
            groups.append(Group(str(len(groups) + 1), key, []))
        groups[-1].rows.append(printer.row(row))
    return groups
