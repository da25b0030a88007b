"""Making the copies of letters that citizens have asked for, in a worker."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from uuid import UUID

from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import exports
from inbox.letters.export import Part
from inbox.letters.exports import Stopped, Work
from inbox.notifications import export_notices
from inbox.sync.freshness import labels
from inbox.web.exporting import Contents
from inbox.web.zipped import zip_stream

log = logging.getLogger("samlepost.export")


def make_due() -> int:
    """Make the copies that wait; returns how many are ready now."""
    return sum(make(citizen_id, export_id) for citizen_id, export_id in exports.due())


def make(citizen_id: UUID, export_id: UUID) -> bool:
    """Make one copy and tell her; False when it failed, was cancelled, or is somebody else's."""
    export = exports.claim(citizen_id, export_id)
    if export is None:
        return False
    work = Work(export)
    citizen = Citizen.objects.filter(id=citizen_id, is_active=True, deceased_at=None).first()
    if citizen is None:
        exports.forget(citizen_id)
        return False
    contents = Contents(
        Viewer(citizen_id, SecurityLevel.HIGH),
        citizen.name,
        export.asked_at,
        export.language,
        labels(),
        Part(export.case_id, export.folder_id),
    )
    try:
        work.write(zip_stream(contents.entries()), _letters(contents))
    except Stopped:
        log.info("export %s was cancelled", export_id)
        return False
    except Exception as error:
        log.exception("export %s failed", export_id)
        work.failed(error)
        return False
    export_notices.send_due()
    return True


def _letters(contents: Contents) -> Iterator[int]:
    while True:
        yield contents.letters
