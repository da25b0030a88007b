"""Letters that an agency sends from the portal or by the API: made as a draft, then confirmed.

Nothing is sent before every letter has been checked and somebody has confirmed; what is confirmed
twice is sent once. `sending.py` carries it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import BinaryIO
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from connectors import clock
from inbox.agencies import files, tasks
from inbox.agencies.cautions import cautions_of
from inbox.agencies.connector import NAME
from inbox.agencies.files import BadFile
from inbox.agencies.letters import (
    Problem,
    Refused,
    Terms,
    Wanted,
    file_problems,
    form_row,
    problems_of,
    recipient_of,
)
from inbox.agencies.models import Agency, AgencySource, Dispatch, Outgoing
from inbox.agencies.sending import SEALED
from inbox.archive import store
from inbox.citizens.identity import blind_index, holds_national_id, seal
from inbox.citizens.owned import new_id
from inbox.letters import texts
from inbox.letters.uploads import safe_name
from inbox.sync.models import Source
from inbox.sync.sources import forget_labels
from inbox.sync.wake import wake

ROWS = 500
READ_MAX = 20
"""Files of a zip that are read through where they seem to be locked."""


def prepare(
    agency: Agency,
    terms: Terms,
    letters: Sequence[Wanted],
    file: BinaryIO,
    *,
    name: str = "",
    by: UUID | None = None,
    is_list: bool = False,
) -> Dispatch:
    """Make a draft of letters with their PDF, or a zip with one for each; returns it.

    `name` is what the PDF was called. Raises Refused with everything that is wrong.
    """
    problems = problems_of(terms, letters)
    zipped = is_list and files.is_zip(file)
    try:
        problems += _file_problems(letters, file, zipped=zipped)
        if problems:
            raise Refused(problems)
        text, warnings = _look_into(letters, file, zipped=zipped)
    except BadFile as error:
        raise Refused([*problems, Problem(error.code, detail=error.name)]) from None
    dispatch = Dispatch(
        agency=agency,
        by_id=by,
        made_at=clock.now(),
        due_at=timezone.now(),
        is_list=is_list,
        public_title=terms.public_title,
        security_level=terms.security_level,
        kind=terms.kind.value,
        documentary_value=terms.documentary_value,
        wants_receipt=terms.wants_receipt,
        form=form_row(terms.form),
        file_name="" if zipped else _shown_name(name),
        cautions=cautions_of(agency, terms, letters, text, warnings),
    )
    file.seek(0)
    path = files.ZIP_PATH if zipped else files.PDF_PATH
    content = {path: iter(lambda: file.read(2**16), b"")}
    stored = store.put(agency.id, dispatch.id, content, note="to be sent")
    dispatch.content_sha256 = _digest(dispatch, letters, stored.files[path].sha256)
    rows = [_row(dispatch, each) for each in letters]
    with transaction.atomic():
        dispatch.save(force_insert=True)
        Outgoing.objects.bulk_create(rows, batch_size=ROWS)
    return dispatch


def submit(
    agency: Agency,
    terms: Terms,
    letters: Sequence[Wanted],
    pdf: bytes,
    *,
    name: str = "",
    by: UUID | None = None,
) -> Dispatch:
    """Send letters with one PDF at once; returns the dispatch. Raises Refused."""
    dispatch = prepare(agency, terms, letters, BytesIO(pdf), name=name, by=by)
    confirm(agency, dispatch.id)
    dispatch.refresh_from_db()
    return dispatch


def confirm(agency: Agency, dispatch_id: UUID) -> bool:
    """Send a draft; False where it has been confirmed before. Raises Dispatch.DoesNotExist."""
    with transaction.atomic():
        source_of(agency)
        draft = Dispatch.objects.filter(
            agency=agency, id=dispatch_id, state=Dispatch.State.DRAFT
        ).update(state=Dispatch.State.WAITING, sent_at=clock.now(), due_at=timezone.now())
        if not draft:
            Dispatch.objects.get(agency=agency, id=dispatch_id)
            return False
        wake(tasks.send_letters)
    return True


def sent_before(dispatch: Dispatch) -> datetime | None:
    """Return when the agency last sent the very same to the very same; None: never."""
    same = Dispatch.objects.filter(
        agency=dispatch.agency_id, content_sha256=dispatch.content_sha256, sent_at__isnull=False
    ).exclude(id=dispatch.id)
    return same.order_by("-sent_at").values_list("sent_at", flat=True).first()


def counts(dispatch: Dispatch) -> dict[str, int]:
    """Return how many letters of a dispatch are in each state (1 query)."""
    found = dispatch.letters.values_list("state").annotate(count=Count("id"))
    return dict(found.order_by("state"))


def source_of(agency: Agency) -> Source:
    """Return the source of what the agency sends from the portal, made if there is none."""
    source, new = Source.objects.get_or_create(
        slug=f"{NAME}-{agency.org_number}",
        defaults={
            "label": agency.name[:100],
            "connector": NAME,
            "settings": {"org_number": agency.org_number},
            "shared_queue": True,
        },
    )
    if new:
        AgencySource.objects.get_or_create(source=source, defaults={"agency": agency})
        forget_labels()
    return source


def _file_problems(letters: Sequence[Wanted], file: BinaryIO, *, zipped: bool) -> list[Problem]:
    """Return what is wrong with the files. Raises BadFile for one that says it all."""
    if not zipped:
        file.seek(0)
        files.check_pdf(file.read(settings.OUTGOING_PDF_MAX_BYTES + 1))
        return [Problem("no_zip", each.line) for each in letters if each.file]
    bundle = files.Bundle(file)
    problems = list(file_problems(letters, bundle.names))
    for name in bundle.names:
        try:
            files.check_pdf(bundle.read(name), name)
        except BadFile as error:
            problems.append(Problem(error.code, detail=error.name))
    return problems


def _look_into(letters: Sequence[Wanted], file: BinaryIO, *, zipped: bool) -> tuple[str, list[str]]:
    """Read the first letter's PDF, and those that seem locked; returns its text and oddities.

    In a process of its own, as for documents that arrive. Raises BadFile for one that opens not.
    """
    file.seek(0)
    if zipped:
        bundle = files.Bundle(file)
        locked = [each for each in bundle.names if b"/Encrypt" in bundle.read(each)]
        names = dict.fromkeys([letters[0].file, *locked[:READ_MAX]])
        contents = {name: bundle.read(name) for name in names}
    else:
        contents = {"": file.read()}
    answers = []
    with texts.Reader.running() as reader:
        for name, content in contents.items():
            try:
                answer = reader.read(content, files.PDF)
            except texts.Unreadable:
                raise BadFile("unreadable", name) from None
            if answer["failed"]:
                raise BadFile("unreadable", name)
            answers.append(answer)
    return answers[0]["text"], answers[0]["warnings"]


def _row(dispatch: Dispatch, letter: Wanted) -> Outgoing:
    recipient = recipient_of(letter.recipient)
    assert recipient
    return Outgoing(
        id=new_id(),
        dispatch=dispatch,
        agency_id=dispatch.agency_id,
        line=letter.line,
        recipient=seal(SEALED, f"{recipient.kind.value}:{recipient.value}"),
        title=letter.title,
        due_at=letter.due_at,
        case_reference=letter.case_reference,
        reference=letter.reference,
        file=letter.file,
    )


def _digest(dispatch: Dispatch, letters: Sequence[Wanted], file_sha256: str) -> str:
    """Return the sha256 (hex) of what goes to whom: of numbers, their blind index alone."""
    said: list[object] = [
        file_sha256,
        dispatch.public_title,
        dispatch.security_level,
        dispatch.kind,
        dispatch.form,
    ]
    for letter in letters:
        recipient = recipient_of(letter.recipient)
        assert recipient
        whom = blind_index(recipient.kind, recipient.value).hex()
        said.append([whom, letter.title, str(letter.due_at), letter.case_reference, letter.file])
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _shown_name(name: str) -> str:
    """Return what recipients see the PDF called: never a number of somebody's."""
    shown = safe_name(name, files.PDF)
    return "brev.pdf" if not name or holds_national_id(shown) else shown
