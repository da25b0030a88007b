"""A source says that there is something new. All that it can do is to make a mailbox due."""

from __future__ import annotations

import json

from django.db.models import Q

from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Identifier
from inbox.sync import schedule, tasks
from inbox.sync.models import Mailbox, Source
from inbox.sync.wake import wake

PERSON = "/person/"


def ping(slug: str, body: bytes) -> None:
    """Take a CloudEvents 1.0 event in JSON about a letter at source `slug`.

    The recipient stands in `alternativesubject` as "/person/<national id>" (Altinn Events).
    Nothing of it is trusted as content, and however many come, a mailbox is not fetched more often
    than each SYNC_PING_FLOOR_SECONDS. Raises ValueError for what is no such event; a source
    or person that we do not know is passed over in silence.
    """
    event = json.loads(body)
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        raise ValueError("not a CloudEvents 1.0 event")
    source = Source.objects.filter(slug=slug, active=True).first()
    if source is None:
        return
    if source.shared_queue:
        changed = schedule.make_due(Q(slug=slug), Source)
    else:
        subject = str(event.get("alternativesubject", ""))
        citizen = find_citizen(Identifier.Kind.NATIONAL_ID, subject.removeprefix(PERSON))
        changed = 0
        if citizen is not None:
            changed = schedule.make_due(Q(citizen_id=citizen.id, source=source), Mailbox)
    if changed:
        wake(tasks.sync_due)
