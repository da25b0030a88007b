"""PDFs of what came as text: made after the letter has come, added to its object in the archive.

A letter's own text, with what it says in other languages and the thread under it, and documents
that are text, Markdown or HTML, get a tagged PDF/A-2a each (`typeset.py`), from the same cleaned
source that the page shows. It lies in a new version of the delivery's object under `access/`; what
came is not touched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from inbox.archive import store
from inbox.archive.models import Blob, Package
from inbox.letters.apart import Answer, Apart, Died
from inbox.letters.models import AccessCopy, Document, Letter

log = logging.getLogger("samlepost.access_copies")

State = AccessCopy.State
TYPES = ("text/plain", "text/markdown", "text/html", "application/xhtml+xml")
PDF = "application/pdf"
BATCH = 50
ATTEMPTS_MAX = 3
RETRY_AFTER = timedelta(minutes=1)
OSLO = ZoneInfo("Europe/Oslo")
NOTES = {
    "nb": "Kopi laget av Samlepost. Originalen gjelder.",
    "nn": "Kopi laga av Samlepost. Originalen gjeld.",
    "en": "Copy made by Samlepost. The original holds good.",
}
"""Stands on each page, in the letter's language; bokmål for those that we do not write."""
FROM_HER = {"nb": "Fra deg", "nn": "Frå deg", "en": "From you"}
LANGUAGES = {"nb": "Bokmål", "nn": "Nynorsk", "en": "English", "se": "Davvisámegiella"}
PARTS = "parts"
"""The type of a text of several parts: `typeset.PARTS`."""
EMPTY = "empty"
"""Why there is no copy where there is nothing to make one of: no failure."""


class Typesetter(Apart):
    """The process that sets texts."""

    module = "inbox.letters.typeset"

    def set(self, source: Source) -> Answer:
        """Return the answer of `typeset.main`. Raises Died."""
        day = source.received_at.astimezone(OSLO)
        request = {
            "media_type": source.media_type,
            "title": source.title,
            "sender": source.sender,
            "day": f"{day:%d.%m.%Y}",
            "note": NOTES.get(source.language, NOTES["nb"]),
            "lang": source.language or "nb",
            "timestamp": int(source.received_at.timestamp()),
        }
        return self.ask(request, source.content)


@dataclass(frozen=True, slots=True)
class Source:
    """What a copy is made of."""

    path: str
    """Where the copy is to lie in the object."""
    content: bytes
    media_type: str
    title: str
    sender: str
    language: str
    received_at: datetime
    what: str
    """What it is, for the archive: a path in the object, or the letter's text."""

    @property
    def sha256(self) -> str:
        """Hex digest of what it is made of."""
        return hashlib.sha256(self.content).hexdigest()


def want_of_documents(documents: Iterable[Document]) -> None:
    """Write the rows of those of `documents` that are text and kept."""
    _want(
        AccessCopy(
            citizen_id=each.citizen_id,
            id=each.id,
            delivery_id=each.delivery_id,
            due_at=timezone.now(),
        )
        for each in documents
        if each.blob_id and is_text(each.media_type)
    )


def want_of_bodies(deliveries: Iterable[tuple[UUID, UUID]]) -> None:
    """Let the letter's text that these (citizen, delivery) brought be set, or set anew."""
    keys = list(deliveries)
    now = timezone.now()
    for citizen_id, delivery_id in keys:
        AccessCopy.objects.filter(citizen_id=citizen_id, id=delivery_id).update(
            state=State.WAITING, attempts=0, due_at=now
        )
    _want(
        AccessCopy(citizen_id=citizen_id, id=delivery_id, delivery_id=delivery_id, due_at=now)
        for citizen_id, delivery_id in keys
    )


def parts_of(letter: Letter) -> list[dict[str, str]]:
    """Return what a letter says at length, as `typeset.PARTS` has it: first in its own language."""
    own = {"text": letter.body, "media_type": letter.body_media_type, "lang": letter.language}
    found = [{"heading": "", **own}]
    for each in letter.versions:
        found.append(_part(_named(each["language"], each["title"]), each, each["language"]))
    for message in letter.messages:
        found += _message_parts(message, letter)
    return [part for part in found if part["text"].strip()]


def _message_parts(message: Mapping[str, Any], letter: Letter) -> Iterator[dict[str, str]]:
    day = datetime.fromisoformat(message["at"]).astimezone(OSLO)
    hers = FROM_HER.get(letter.language, FROM_HER["nb"])
    side = hers if message.get("from_her") else letter.sender_name
    heading = f"{day:%d.%m.%Y}, {message['author'] or side}"
    said = "\n\n".join(filter(None, (message.get("title", ""), message["text"])))
    yield _part(heading, {"body": said}, letter.language)
    yield _part("" if said else heading, message, letter.language)
    for each in message.get("versions", ()):
        language = each["language"]
        said = "\n\n".join(filter(None, (each["title"], each["summary"])))
        yield _part(f"{heading} ({_named(language)})", {"body": said}, language)
        yield _part("" if said else f"{heading} ({_named(language)})", each, language)


def _part(heading: str, said: Mapping[str, Any], language: str) -> dict[str, str]:
    media_type = said.get("body_media_type", "text/plain")
    text = said.get("body", "")
    return {"heading": heading, "text": text, "media_type": media_type, "lang": language}


def _named(language: str, title: str = "") -> str:
    name = LANGUAGES.get(language, language)
    return f"{name}: {title}" if title else name


def failed() -> dict[str, int]:
    """Return how many texts have no copy as none could be made, by reason (`AccessCopy.reason`)."""
    rows = AccessCopy.objects.filter(state=State.FAILED).exclude(reason=EMPTY)
    return dict(rows.values_list("reason").annotate(Count("id")).order_by("reason"))


def _want(rows: Iterable[AccessCopy]) -> None:
    AccessCopy.objects.bulk_create(rows, ignore_conflicts=True)


def is_text(media_type: str) -> bool:
    """Say whether documents of this type get a copy."""
    return media_type.partition(";")[0].strip().lower() in TYPES


def make_due() -> int:
    """Make the copies that wait; returns how many there are more."""
    due = AccessCopy.objects.filter(_free(), state=State.WAITING, due_at__lte=timezone.now())
    keys = list(due.order_by("due_at").values_list("citizen_id", "id")[:BATCH])
    if not keys:
        return 0
    with Typesetter.running() as typesetter:
        return sum(make(citizen_id, copy_id, typesetter) for citizen_id, copy_id in keys)


def make(citizen_id: UUID, copy_id: UUID, typesetter: Typesetter) -> bool:
    """Make one copy; False when there is none, or somebody else has it in hand."""
    row = AccessCopy.objects.filter(citizen_id=citizen_id, id=copy_id)
    lasts = timedelta(seconds=settings.SYNC_LEASE_SECONDS + typesetter.wall_seconds)
    claimed = row.filter(_free(), state=State.WAITING).update(
        lease_until=timezone.now() + lasts, attempts=F("attempts") + 1
    )
    if not claimed:
        return False
    copy = row.select_related("delivery__letter").get()
    try:
        source = _source(copy)
        if source is None:
            return _give_up(copy, EMPTY)
        if copy.blob_id and (copy.source_sha256, copy.made_by) == (source.sha256, made_by()):
            _finish(copy, {})
            return False
        answer = typesetter.set(source)
        if answer["failed"]:
            return _give_up(copy, answer["failed"])
        _keep(copy, source, base64.b64decode(answer["pdf"]))
    except Died:
        return _later(copy, "broken")
    except (store.Missing, store.Damaged, OSError) as error:
        log.error("no access copy of %s: %s", copy_id, type(error).__name__)
        return _later(copy, "missing")
    return True


def made_by() -> str:
    """Return what makes the copies, with versions."""
    return f"Samlepost {settings.VERSION}, typst {version('typst')}"


def _source(copy: AccessCopy) -> Source | None:
    """Return what the copy is to be made of; None where there is no text (any more)."""
    delivery, letter = copy.delivery, copy.delivery.letter
    said = {
        "sender": letter.sender_name,
        "language": letter.language,
        "received_at": letter.received_at,
    }
    if copy.id == delivery.id:
        parts = parts_of(letter)
        if letter.source != delivery.source or not parts:
            return None
        text, media_type = letter.body, letter.body_media_type
        if len(parts) > 1 or parts[0]["heading"]:
            text, media_type = json.dumps(parts, ensure_ascii=False), PARTS
        return Source(
            path="access/0001.pdf",
            content=text.encode(errors="replace"),
            media_type=media_type,
            title=letter.title,
            what="all of the letter's text" if media_type == PARTS else "the letter's text",
            **said,
        )
    document = Document.objects.select_related("blob").get(citizen_id=copy.citizen_id, id=copy.id)
    blob = document.blob
    content = store.read_bytes(blob.citizen_id, blob.package_id, blob.path, version=blob.version)
    return Source(
        path=f"access/{document.position + 2:04}.pdf",
        content=content,
        media_type=document.media_type.partition(";")[0].strip().lower(),
        title=document.title or document.name,
        what=f"{blob.path} of v{blob.version}",
        **said,
    )


def _keep(copy: AccessCopy, source: Source, pdf: bytes) -> None:
    """Add the PDF to the delivery's object, then write its rows."""
    happened = store.Happened(
        "normalization",
        store.moment(),
        "success",
        f"{source.path} made of {source.what} (sha256 {source.sha256}) by {made_by()}",
    )
    stored = store.add_version(
        copy.citizen_id,
        copy.delivery_id,
        {source.path: pdf},
        note="access copy",
        media_types={source.path: PDF},
        events=[happened],
    )
    own = {"citizen_id": copy.citizen_id}
    file = stored.files[source.path]
    with transaction.atomic():
        package = Package.objects.select_for_update().filter(**own, id=copy.delivery_id).first()
        if package is None:
            return  # deleted for good in the meantime: its bytes go with the object
        if package.version < stored.version:
            package.version = stored.version
            package.inventory_sha512 = stored.inventory_sha512
            package.deposited_at = timezone.now()
            package.save(update_fields=["version", "inventory_sha512", "deposited_at"])
        blob, _ = Blob.objects.get_or_create(
            **own,
            package_id=copy.delivery_id,
            path=source.path,
            version=stored.version,
            defaults={"sha256": file.sha256, "size": file.size, "media_type": PDF},
        )
        made = {
            "blob_id": blob.id,
            "source_sha256": source.sha256,
            "made_at": timezone.now(),
            "made_by": made_by(),
        }
        _finish(copy, made)


def _finish(copy: AccessCopy, made: dict[str, object]) -> None:
    """Write that it is done; what has been wanted anew in the meantime waits on."""
    row = AccessCopy.objects.filter(citizen_id=copy.citizen_id, id=copy.id)
    row.update(**made, lease_until=None, reason="")
    row.filter(due_at=copy.due_at).update(state=State.DONE)


def _give_up(copy: AccessCopy, reason: str) -> bool:
    """Mark what cannot be set, for a reason that no further attempt would change."""
    row = AccessCopy.objects.filter(citizen_id=copy.citizen_id, id=copy.id)
    row.update(lease_until=None, reason=reason[:16], blob_id=None)
    row.filter(due_at=copy.due_at).update(state=State.FAILED)
    return False


def _later(copy: AccessCopy, reason: str) -> bool:
    """Try again in a while: the machine, not the text, may have been at fault."""
    if copy.attempts >= ATTEMPTS_MAX:
        return _give_up(copy, reason)
    row = AccessCopy.objects.filter(citizen_id=copy.citizen_id, id=copy.id)
    row.update(lease_until=None, due_at=timezone.now() + RETRY_AFTER)
    return False


def _free() -> Q:
    return Q(lease_until=None) | Q(lease_until__lt=timezone.now())
