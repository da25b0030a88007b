"""Is the letter what it was when it came? Checked as she looks, in plain words, with the proof."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_safe

from connectors import clock
from inbox.archive import proof
from inbox.archive.proving import Proved, Standing, prove
from inbox.letters.documents import find_kept_documents
from inbox.letters.models import Document, Letter
from inbox.letters.open import get_letter
from inbox.letters.presentation import DeliveryLine, LetterPage, page_of
from inbox.sync.freshness import labels
from inbox.web import letter_words
from inbox.web.dates import OSLO, Calendar
from inbox.web.files import file_name, file_name_of
from inbox.web.seen import note_letter
from inbox.web.sessions import citizen_required, viewer_of
from inbox.web.views.letters import has_opened, hers_alone
from inbox.web.zipped import zip_stream

log = logging.getLogger("samlepost.proofs")


@require_safe
@citizen_required
@hers_alone
def page(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Read all of an opened letter again, and show how it stands. Never opens one."""
    viewer = viewer_of(request)
    letter = get_letter(viewer, letter_id)
    shown = page_of(letter, viewer)
    if elsewhere := _elsewhere(shown):
        return redirect(elsewhere)
    note_letter(request, viewer, shown.row)
    calendar = Calendar(clock.now(), get_language())
    names = labels()
    documents = find_kept_documents(letter)
    arrivals = [
        _arrival(
            letter, line, documents.get(line.id, {}), names.get(line.source, line.source), calendar
        )
        for line in shown.deliveries
    ]
    standings = [each["standing"] for each in arrivals]
    context = {
        "letter_id": letter_id,
        "title": letter_words.title_of(shown.row),
        "sender": letter.sender_name,
        "lang": letter_words.other_language(letter.language),
        "checked": _moment(datetime.now(UTC), calendar),  # by the same clock as it was sealed
        "arrivals": arrivals,
        "standing": _of_all(standings),
    }
    return render(request, "web/proof.html", context)


@require_safe
@citizen_required
@hers_alone
def download(request: HttpRequest, letter_id: UUID, delivery_id: UUID) -> HttpResponseBase:
    """Give the proof of one delivery as a zip: seals, inventories, the log's proofs, its keys."""
    viewer = viewer_of(request)
    letter = get_letter(viewer, letter_id)
    shown = page_of(letter, viewer)
    if elsewhere := _elsewhere(shown):
        return redirect(elsewhere)
    if delivery_id not in {line.id for line in shown.deliveries}:
        raise Http404
    note_letter(request, viewer, shown.row)
    moment = letter.received_at.astimezone(OSLO)
    files = ((name, moment, [data]) for name, data in _files(letter, delivery_id))
    response = StreamingHttpResponse(zip_stream(files), content_type="application/zip")
    name = file_name(f"{moment:%Y-%m-%d} {letter.sender_name} proof.zip", "")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _elsewhere(letter: LetterPage) -> str:
    """Return where she is sent instead while she may not read it."""
    address = reverse("letter", args=[letter.row.id])
    if letter.row.locked:
        return f"{reverse('step_up')}?{urlencode({'next': address})}"
    return "" if has_opened(letter) else address


def _arrival(
    letter: Letter,
    delivery: DeliveryLine,
    documents: Mapping[str, Document],
    source: str,
    calendar: Calendar,
) -> dict[str, Any]:
    versions = prove(letter.citizen_id, delivery.id)
    for each in versions:
        for fault in each.faults:
            log.error("object %s v%d: %s", delivery.id, each.version, fault)
    latest = versions[-1]
    names = {path: each.title or file_name_of(each) for path, each in documents.items()}
    return {
        "id": delivery.id,
        "source": source,
        "is_own": delivery.source == Letter.OWN,
        "standing": _of_all([each.standing for each in versions]),
        "sealed": _moment(versions[0].sealed_at, calendar),
        "added": [_moment(each.sealed_at, calendar) for each in versions[1:] if each.sealed_at],
        "documents": [
            {
                "name": names[file.path],
                "size": letter_words.size_of(file.size),
                "sha256": file.sha256,
            }
            for file in latest.files
            if file.path in names
        ],
        "others": sum(file.path not in names for file in latest.files),
        "index": latest.index,
        "size": latest.size,
        "witnessed": _moment(latest.witnessed_at, calendar),
    }


def _moment(at: datetime | None, calendar: Calendar) -> dict[str, str] | None:
    """Return a moment for machines and for her."""
    if at is None:
        return None
    return {"iso": at.isoformat(timespec="seconds"), "long": calendar.moment(at)}


def _of_all(standings: Sequence[str]) -> str:
    """Return the worst of them."""
    for each in (Standing.CHANGED, Standing.WAITING):
        if each in standings:
            return each
    return Standing.PROVED


def _files(letter: Letter, delivery_id: UUID) -> Iterator[tuple[str, bytes]]:
    versions = prove(letter.citizen_id, delivery_id)
    for each in versions:
        yield from _evidence(each)
    for head in dict.fromkeys(each.text.partition("\n\n")[2] for each in versions if each.text):
        yield from proof.stamp_files(head)
    keys = proof.public_keys()
    yield "keys.txt", "".join(f"{key}\n" for key in (keys.log, *keys.witnesses)).encode()
    yield "README.txt", _readme(versions).encode()


def _readme(versions: Sequence[Proved]) -> str:
    """Say in her language what the files are, and how a document is checked with them."""
    lines = [
        gettext("This is the proof that a letter is unchanged since Samlepost received it."),
        "",
        *(f"v{each.version}/" for each in versions),
        "  seal.json: "
        + gettext("the fingerprint (SHA-256) of every file, and when it was sealed"),
        "  inventory.json: " + gettext("what lies in the archive, as it is stored"),
        "  proof.tlog-proof: " + gettext("that the seal stands in the log (c2sp.org/tlog-proof)"),
        "keys.txt: " + gettext("the public key of the log, and that of the witness"),
        "",
        gettext(
            "To check a document: its SHA-256 must stand in seal.json. The SHA-256 of seal.json "
            "must be the commitment in the line of the log that proof.tlog-proof holds, and that "
            "line must lead to the signed head. The copy of all your letters has a program, "
            "verify.py, which does all of this."
        ),
    ]
    return "\n".join([*lines, ""])


def _evidence(each: Proved) -> Iterator[tuple[str, bytes]]:
    for name, data in (
        ("seal.json", each.seal),
        ("inventory.json", each.inventory),
        ("proof.tlog-proof", each.text.encode()),
    ):
        if data:
            yield f"v{each.version}/{name}", data
