"""A source says that there is something new. All that it can do is to make a mailbox due."""

from __future__ import annotations

import json
from functools import cache

from django.db.models import Q

from connectors import discovery
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Identifier
from inbox.sync import schedule, tasks
from inbox.sync.models import Mailbox, Source
from inbox.sync.sources import connected
from inbox.sync.wake import wake

PERSON = "/person/"


def ping(slug: str, body: bytes, authorization: str = "", address: str = "") -> None:
    """Take a CloudEvents 1.0 event in JSON about a letter at source `slug`.

    The recipient stands in `alternativesubject` as "/person/<national id>" (Altinn Events).
    Nothing of it is trusted as content, and however many come, a mailbox is not fetched more often
    than each SYNC_PING_FLOOR_SECONDS. Raises ValueError for what is no such event; a source
    or person that we do not know is passed over in silence. Of a source that proves its pings
    (`Connector.check_ping`) the Authorization header that came to `address` must do so: raises
    Unproven, NotPermitted or another ConnectorError.
    """
    event = json.loads(body)
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        raise ValueError("not a CloudEvents 1.0 event")
    source = Source.objects.filter(slug=slug, active=True).first()
    if source is None:
        return
    if _proves_pings(source.connector):
        with connected(source, is_asked=False) as connector:
            connector.check_ping(authorization, address)
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


@cache
def _proves_pings(connector: str) -> bool:
    found = discovery.find().get(connector)
    return bool(found and found.connector_class and found.connector_class.proves_pings)
