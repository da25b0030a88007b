"""Looking at somebody else's mail: which the session says, and whether it still may.

The session keeps whose mail is looked at and nothing else. Every request asks anew by what right
(`representation.acting_for`), by the shared clock: what has ended ends in the middle of reading.
Pages say in each form and htmx request whose mail they show, so that one left open in another
tab never acts on, or shows, the mail of somebody else than it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import get_language, gettext

from connectors import clock
from inbox.citizens import representation
from inbox.citizens.models import Citizen, InboxState, Representation, SecurityLevel
from inbox.citizens.viewer import Role, Viewer
from inbox.letters.scoped import Part, state_within
from inbox.web import sharing_words
from inbox.web.dates import Calendar

SESSION_NAME = "acting_for"
FOUND, ENDED, STATE = "samlepost.acting", "samlepost.acting_ended", "samlepost.part"
SAFE = ("GET", "HEAD", "OPTIONS")
FIELD, HEADER = "acting", "X-Acting"


@dataclass(frozen=True, slots=True)
class Acting:
    """Who looks at whose mail, and by what."""

    viewer: Viewer
    by: Sequence[Representation]

    @property
    def principal(self) -> Citizen:
        """Whose mail it is."""
        return self.by[0].citizen


def begin(request: HttpRequest, helper_id: UUID, level: SecurityLevel, citizen_id: UUID) -> bool:
    """Look at this citizen's mail from the next request on; False when that is not permitted."""
    if representation.acting_for(helper_id, citizen_id, level, changing=False) is None:
        return False
    request.session[SESSION_NAME] = str(citizen_id)
    return True


def stop(request: HttpRequest) -> None:
    """Go back to her own mail."""
    request.session.pop(SESSION_NAME, None)
    request.META.pop(FOUND, None)


def find(request: HttpRequest, helper_id: UUID, level: SecurityLevel) -> Acting | None:
    """Return whose mail the session looks at, asked anew once a request; None: her own.

    When the right to it has ended, the session goes back to her own mail and she is told.
    """
    said = request.session.get(SESSION_NAME)
    if not said:
        return None
    if FOUND not in request.META:
        request.META[FOUND] = _find(request, helper_id, level, UUID(said))
    found: Acting | None = request.META[FOUND]
    return found


def _find(
    request: HttpRequest, helper_id: UUID, level: SecurityLevel, citizen_id: UUID
) -> Acting | None:
    changing = request.method not in SAFE
    found = representation.acting_for(helper_id, citizen_id, level, changing=changing)
    if found:
        return Acting(*found)
    request.session.pop(SESSION_NAME, None)
    request.META[ENDED] = True
    name = Citizen.objects.filter(id=citizen_id).values_list("name", flat=True).first()
    text = gettext("You can no longer see the mail of %(name)s. This is your own mail.")
    messages.info(request, text % {"name": name or ""}, fail_silently=True)
    return None


def whose(viewer: Viewer | None) -> str:
    """Return what a page's forms and requests say of whose mail they are; "" for her own."""
    return "" if viewer is None or viewer.is_herself else str(viewer.citizen_id)


def is_of_another(request: HttpRequest, viewer: Viewer) -> bool:
    """Say whether the request comes of a page that shows other mail than is looked at now."""
    if ENDED in request.META:
        return True
    said = request.headers.get(HEADER)
    if said is None and request.method == "POST":
        said = request.POST.get(FIELD)
    return said is not None and said != whose(viewer)


def part_of(request: HttpRequest, viewer: Viewer | None) -> Part:
    """Return the state of the inbox that is looked at, as far as the viewer may know of it."""
    if viewer is None:
        return Part(InboxState(), whole=True)
    if viewer.is_herself:
        own = getattr(request.user, "inbox_state", None)
        return Part(own if isinstance(own, InboxState) else InboxState(), whole=True)
    if STATE not in request.META:
        request.META[STATE] = _part(request.META[FOUND])
    found: Part = request.META[STATE]
    return found


def _part(found: Acting) -> Part:
    if found.viewer.scopes is None:
        kept = getattr(found.principal, "inbox_state", None)
        return Part(kept if isinstance(kept, InboxState) else InboxState(), whole=True)
    return state_within(found.viewer)


def banner(request: HttpRequest, viewer: Viewer | None) -> dict[str, Any] | None:
    """Return what every page says while she looks at somebody else's mail."""
    if viewer is None or viewer.is_herself or FOUND not in request.META:
        return None
    found: Acting = request.META[FOUND]
    row = found.by[0]
    calendar = Calendar(clock.now(), get_language())
    since = {"day": calendar.day(row.starts_at)}
    why = {
        Role.GIVEN: gettext("authorisation from %(day)s") % since,
        Role.PARENT: gettext("as a parent"),
        Role.GUARDIAN: gettext("as a guardian from %(day)s") % since,
        Role.ESTATE: gettext("for the estate from %(day)s") % since,
        Role.ENTERPRISE: sharing_words.source_words(row),
        Role.MADE_UP: gettext("a made-up person"),
    }
    return {
        "name": found.principal.name,
        "why": why.get(viewer.role, ""),
        "reads_only": not viewer.may_answer,
        "is_parent": viewer.role == Role.PARENT,
        "is_estate": viewer.role == Role.ESTATE,
        "is_enterprise": viewer.role == Role.ENTERPRISE,
    }
