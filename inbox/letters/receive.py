"""Receiving letters: from what a connector understood to the rows that a citizen sees.

A batch is received in the transaction that saves its cursor. Receiving the same letter twice is
a no-op by the unique key (citizen, source, external_id). The bytes are in the archive before
this is called. A letter that is here already by another channel (`matching.py`) becomes a further
delivery of it: neither unread nor announced a second time.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from connectors.contract import (
    Action,
    IncomingDocument,
    IncomingLetter,
    PaperStep,
    Rest,
    ThreadMessage,
    Version,
)
from inbox.archive.models import Blob, Package
from inbox.citizens.models import SecurityLevel
from inbox.citizens.owned import new_id
from inbox.letters import (
    access_copies,
    cases,
    copies,
    counters,
    delivery_log,
    indexing,
    join,
    keeping,
    matching,
    proposals,
    texts,
)
from inbox.letters.models import (
    Delivery,
    DeliveryKey,
    Document,
    DocumentText,
    Event,
    Letter,
    Sender,
)

TITLE_MAX = 255
SNIPPET_MAX = 160
EXTERNAL_ID_MAX = 255
CODE_MAX = 64
YEARS = range(1900, 2200)
"""In which letters are sent or shown. The search index has no numbers for days far beyond."""


@dataclass
class Arrival:
    """One letter on its way in: what was said, for whom, and where its bytes are."""

    citizen_id: UUID
    source: str
    incoming: IncomingLetter
    fetched_at: datetime
    history: bool = False
    """Older than the mailbox: imported with its own date, neither unread nor announced."""
    place: str = Letter.Place.INBOX
    sender: Sender | None = None
    """Set where it is not the row that `incoming.sender` names."""
    case_id: UUID | None = None
    """Set where it does not follow from sender and case reference (`cases.assign`)."""
    delivery_id: UUID = field(default_factory=new_id)
    letter_id: UUID = field(default_factory=new_id)
    package: Package | None = None
    blobs: list[Blob | None] = field(default_factory=list)
    """One for each of `incoming.documents`; None where the bytes are not kept."""
    raw_blobs: list[Blob] = field(default_factory=list)
    """What arrived byte for byte."""
    gone: set[int] = field(default_factory=set)
    """Positions of documents that the source no longer has."""
    not_given: dict[int, str] = field(default_factory=dict)
    """Why the source did not give her documents when they were asked for, by position."""
    received: bool = False
    """Set by `receive`: this very arrival was written, as a letter or as a further delivery."""
    same_as: list[tuple[UUID, str]] = field(default_factory=list)
    """Set by `receive`: the letters that it is the same as, and why; empty for a new one."""

    def blob_of(self, position: int) -> Blob | None:
        """Return where the bytes of a document are; None where they are not kept."""
        return self.blobs[position] if position < len(self.blobs) else None

    def lacks(self, position: int) -> bool:
        """Say whether a document may still be had whose bytes are not kept."""
        settled = position in self.gone or position in self.not_given
        return self.blob_of(position) is None and not settled

    def kept(self) -> list[bool]:
        """Say of each document whether its bytes are kept."""
        return [self.blob_of(each) is not None for each in range(len(self.incoming.documents))]

    def kept_blobs(self) -> list[Blob]:
        """Every file of the package that has a row of its own."""
        return self.raw_blobs + [blob for blob in self.blobs if blob]


def refusal(incoming: IncomingLetter) -> str:
    """Say why a letter cannot be received as it is; empty when it can."""
    if not incoming.external_id or len(incoming.external_id) > EXTERNAL_ID_MAX:
        return "its identifier is missing or too long"
    if incoming.sent_at.tzinfo is None:
        return "its date has no time zone"
    if any(at and at.year not in YEARS for at in (incoming.sent_at, incoming.visible_from)):
        return "its date is in a year that cannot be"
    if incoming.security_level not in SecurityLevel.values:
        return f"unknown security level {incoming.security_level}"
    if not (incoming.title or incoming.public_title).strip():
        return "it has no title"
    if not incoming.sender.name.strip():
        return "it names no sender"
    if any("\0" in text for text in _kept_as_they_are(incoming)):
        return "it holds a character that cannot be kept"
    return ""


def _kept_as_they_are(incoming: IncomingLetter) -> list[str]:
    """Return the texts that are written uncleaned: PostgreSQL would refuse the whole batch."""
    single = [incoming.external_id, incoming.language, incoming.sender.org_number]
    return [*single, *incoming.same_as, *incoming.provenance.values()]


def fingerprint(incoming: IncomingLetter) -> str:
    """Return the sha256 (hex) of everything the source said but the bytes as they arrived."""
    said = [
        incoming.sender.name,
        incoming.sender.org_number,
        incoming.title,
        incoming.public_title,
        incoming.summary,
        incoming.body,
        incoming.body_media_type,
        incoming.language,
        incoming.security_level,
        incoming.kind,
        incoming.case_reference,
        incoming.documentary_value,
        incoming.needs_action,
        incoming.needs_confirmation,
        incoming.withdrawn,
        [str(moment) for moment in _moments(incoming)],
        [[action.url, action.label, str(action.due_at)] for action in incoming.actions],
        incoming.handled_by,
        form_rows(incoming),
        message_rows(incoming.messages),
        payment_row(incoming),
        signing_row(incoming),
        content_fingerprint(incoming),
    ]
    if incoming.appointments or incoming.proofs:
        said += [appointment_rows(incoming), proof_rows(incoming)]
    if incoming.versions or incoming.messages_count:
        said += [version_rows(incoming.versions), incoming.messages_count]
    if incoming.opened_again_at:
        said.append(str(incoming.opened_again_at))
    return _digest(said)


def content_fingerprint(incoming: IncomingLetter) -> str:
    """Return the sha256 (hex) over the letter's documents, by digest where there is one."""
    return _digest([_document_key(document) for document in incoming.documents])


def known(source: str, keys: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], Delivery]:
    """Return the deliveries that we have of these (citizen, external id) at `source`."""
    wanted: dict[UUID, list[str]] = defaultdict(list)
    for citizen_id, external_id in keys:
        wanted[citizen_id].append(external_id)
    found = {}
    for citizen_id, external_ids in wanted.items():
        for delivery in Delivery.objects.filter(
            citizen_id=citizen_id, source=source, external_id__in=external_ids
        ):
            found[citizen_id, delivery.external_id] = delivery
    return found


def receive(arrivals: Sequence[Arrival], now: datetime) -> list[Letter]:
    """Write letters, deliveries, documents and events; returns the letters that are new.

    `now` is the shared clock's. Must run in a transaction. The caller has archived every
    package; arrivals that another worker was faster with are left out.
    """
    join.lock(arrival.citizen_id for arrival in arrivals)
    arrivals = _won(arrivals)
    keys = _match(arrivals, now)
    senders = _senders(arrivals)
    said = {
        a.delivery_id: _letter(a, a.sender or senders[_sender_key(a.incoming)], now)
        for a in arrivals
    }
    letters = [said[arrival.delivery_id] for arrival in arrivals if not arrival.same_as]
    Package.objects.bulk_create([a.package for a in arrivals if a.package])
    Blob.objects.bulk_create([blob for a in arrivals for blob in a.kept_blobs()])
    cases.assign(letters)
    Letter.objects.bulk_create(letters)
    add_documents([row for a in arrivals for row in document_rows(a)])
    indexing.write(letters, new=True)
    access_copies.want_of_bodies(
        (a.citizen_id, a.delivery_id)
        for a in arrivals
        if access_copies.parts_of(said[a.delivery_id])
    )
    proposals.propose(letters)
    Event.objects.bulk_create([event for a in arrivals for event in _events(a)])
    DeliveryKey.objects.bulk_create(keys)
    _count(letters)
    for arrival in arrivals:
        if arrival.same_as:
            _add_copy(arrival, said[arrival.delivery_id])
    delivery_log.note_received(arrivals, now)
    if all(not arrival.same_as for arrival in arrivals):
        return letters
    # Made of several by now, or joined to another.
    now_there = (Letter.objects.filter(citizen_id=a.citizen_id, id=a.id).first() for a in letters)
    return [letter for letter in now_there if letter]


def _match(arrivals: Sequence[Arrival], now: datetime) -> list[DeliveryKey]:
    """Find which arrivals are letters that we have; returns the keys of all, unsaved.

    Of what is hidden until its day nothing is told by matching it: that waits for the day.
    """
    mine = {arrival.delivery_id: _copy(arrival) for arrival in arrivals}
    keys = {
        arrival.delivery_id: matching.keys_of(mine[arrival.delivery_id], arrival.incoming.same_as)
        for arrival in arrivals
    }
    index = matching.known_copies(
        (arrival.citizen_id, key) for arrival in arrivals for key in keys[arrival.delivery_id]
    )
    for arrival in arrivals:
        own, copied = keys[arrival.delivery_id], mine[arrival.delivery_id]
        visible_from = arrival.incoming.visible_from
        if visible_from is not None and visible_from > now:
            continue
        arrival.same_as = matching.matches(arrival.citizen_id, copied, own, index)
        if arrival.same_as:
            arrival.letter_id = arrival.same_as[0][0]
        # For those further down the batch.
        for key in own:
            known_as = replace(copied, letter_id=arrival.letter_id)
            index[arrival.citizen_id, key].append(known_as)
        if arrival.same_as:
            found = [letter_id for letter_id, _ in arrival.same_as]
            matching.note_match(index, arrival.citizen_id, found, arrival.source)
    return [
        DeliveryKey(citizen_id=arrival.citizen_id, delivery_id=arrival.delivery_id, key=key)
        for arrival in arrivals
        for key in keys[arrival.delivery_id]
    ]


def _copy(arrival: Arrival) -> matching.Copy:
    incoming = arrival.incoming
    return matching.Copy(
        letter_id=arrival.letter_id,
        sources=frozenset({arrival.source}),
        org_number=incoming.sender.org_number[:9],
        sender_name=clean(incoming.sender.name, TITLE_MAX),
        title=clean(incoming.title or incoming.public_title, TITLE_MAX),
        public_title=clean(incoming.public_title, TITLE_MAX),
        case_reference=clean(incoming.case_reference, TITLE_MAX),
        sent_at=incoming.sent_at,
        document=_main_digest(arrival),
    )


def _main_digest(arrival: Arrival) -> str:
    """Return the sha256 (hex) of the main document, of its bytes where the source declares none."""
    digest = matching.main_digest(arrival.incoming)
    documents = arrival.incoming.documents
    if digest or not documents:
        return digest
    place = next((at for at, each in enumerate(documents) if each.is_main), 0)
    blob = arrival.blob_of(place)
    return blob.sha256 if blob and blob.size else ""


def _add_copy(arrival: Arrival, said: Letter) -> None:
    """Add what one more source says to the letter, and join what it shows to be one."""
    (letter_id, reason), *more = arrival.same_as
    own = {"citizen_id": arrival.citizen_id, "id": letter_id}
    letter = Letter.objects.select_for_update().get(**own)
    before = copy.copy(letter)
    others = Delivery.objects.filter(citizen_id=arrival.citizen_id, letter_id=letter_id)
    delivery = Delivery.objects.get(citizen_id=arrival.citizen_id, id=arrival.delivery_id)
    deliveries = copies.set_apart(letter, others.exclude(id=delivery.id))
    done_here = copies.done_by_her(letter, deliveries)
    delivery.letter_id, delivery.matched_by = letter_id, reason
    delivery.said = copies.facts_of(said)
    delivery.save(update_fields=["letter_id", "matched_by", "said"])
    if said.opened_at:
        letter.unread = False
    copies.unite(letter, [*deliveries, delivery], done_here)
    cases.assign([letter])
    letter.save()
    indexing.write([letter])
    proposals.renew(letter)
    if letter.revealed:
        with counters.changing(letter.citizen_id) as state:
            counters.replace(state, before, letter)
    for other_id, why in more:
        other = Letter.objects.select_for_update().get(citizen_id=arrival.citizen_id, id=other_id)
        join.join(letter, other, why)


def _won(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Insert the deliveries and keep the arrivals whose delivery is ours."""
    Delivery.objects.bulk_create([_delivery(a) for a in arrivals], ignore_conflicts=True)
    ours: set[UUID] = set()
    by_citizen: dict[UUID, list[UUID]] = defaultdict(list)
    for arrival in arrivals:
        by_citizen[arrival.citizen_id].append(arrival.delivery_id)
    for citizen_id, ids in by_citizen.items():
        ours.update(
            Delivery.objects.filter(citizen_id=citizen_id, id__in=ids).values_list("id", flat=True)
        )
    for arrival in arrivals:
        arrival.received = arrival.delivery_id in ours
    return [arrival for arrival in arrivals if arrival.received]


def _delivery(arrival: Arrival) -> Delivery:
    incoming = arrival.incoming
    return Delivery(
        citizen_id=arrival.citizen_id,
        id=arrival.delivery_id,
        letter_id=arrival.letter_id,
        source=arrival.source,
        external_id=incoming.external_id,
        fingerprint=fingerprint(incoming),
        content_fingerprint=content_fingerprint(incoming),
        sent_at=incoming.sent_at,
        fetched_at=arrival.fetched_at,
        expires_at=incoming.expires_at,
        sender_verified=incoming.sender.verified[:32],
        provenance=dict(incoming.provenance),
        same_as=list(incoming.same_as),
        notification_order=incoming.notification_order and dict(incoming.notification_order),
        wants_opening_receipt=incoming.wants_opening_receipt,
        needs_confirmation=incoming.needs_confirmation,
        withdrawn_at=arrival.fetched_at if incoming.withdrawn else None,
        main_digest=_main_digest(arrival),
        **keeping.of_arrival(arrival),
    )


def _letter(arrival: Arrival, sender: Sender, now: datetime) -> Letter:
    incoming = arrival.incoming
    visible_from = incoming.visible_from
    letter = Letter(
        citizen_id=arrival.citizen_id,
        id=arrival.letter_id,
        sender=sender,
        source=arrival.source,
        place=arrival.place,
        case_id=arrival.case_id,
        received_at=max(incoming.sent_at, visible_from or incoming.sent_at),
        visible_from=visible_from,
        revealed=visible_from is None or visible_from <= now,
        unread=not arrival.history and incoming.opened_at is None,
        opened_at=incoming.opened_at,
        content=Letter.Content.ON_OPEN if incoming.content_on_open else Letter.Content.KEPT,
        attachments=sum(not document.is_main for document in incoming.documents),
    )
    describe(letter, incoming, arrival.fetched_at)
    letter.incomplete = copies.is_incomplete(letter, arrival.kept())
    return letter


def describe(letter: Letter, incoming: IncomingLetter, at: datetime) -> None:
    """Set on `letter` (unsaved) all that the source says about it besides its documents."""
    if incoming.content_on_open and letter.content == Letter.Content.KEPT:
        # The text that is here has its language, whichever she would choose by now.
        incoming = in_language(incoming, letter.language)
    letter.sender_name = clean(incoming.sender.name, TITLE_MAX)
    letter.public_title = clean(incoming.public_title, TITLE_MAX)
    if not _is_withheld_anew(letter, incoming):
        letter.title = clean(incoming.title or incoming.public_title, TITLE_MAX)
        letter.snippet = snippet(incoming.summary or incoming.body)
        letter.language = incoming.language[:8]
        letter.versions = with_bodies(letter, incoming)
    letter.kind = incoming.kind
    letter.security_level = incoming.security_level
    letter.due_at = incoming.due_at
    letter.needs_action = incoming.needs_action or incoming.needs_confirmation
    if incoming.handled_at:
        if not (letter.handled_at and letter.handled_by):  # else she was first
            letter.handled_at, letter.handled_by = incoming.handled_at, Letter.HandledBy.SOURCE
    elif letter.handled_by in ("", Letter.HandledBy.SOURCE):
        letter.handled_at, letter.handled_by = None, ""
    letter.reply_forms = form_rows(incoming)
    letter.messages = with_new_messages(letter.messages, message_rows(incoming.messages))
    letter.payment = payment_row(incoming)
    letter.signing = signing_row(incoming)
    letter.appointments = appointment_rows(incoming)
    letter.proofs = proof_rows(incoming)
    letter.case_reference = clean(incoming.case_reference, TITLE_MAX)
    letter.documentary_value = incoming.documentary_value
    # A list that says nothing of it takes nothing back of what opening has said.
    if incoming.expires_at or not incoming.content_on_open:
        letter.expires_at = incoming.expires_at
    letter.asks_receipt = incoming.wants_opening_receipt
    letter.withdrawn_at = (letter.withdrawn_at or at) if incoming.withdrawn else None
    letter.on_paper_at = letter.on_paper_at or incoming.on_paper_at
    if not incoming.content_on_open:
        letter.body = clean(incoming.body)
        letter.body_media_type = incoming.body_media_type
        letter.actions = action_rows(incoming.actions)


def _is_withheld_anew(letter: Letter, incoming: IncomingLetter) -> bool:
    """Say whether a list gives no more than the public title of what she has opened."""
    public = incoming.public_title and incoming.title == incoming.public_title
    return bool(public and incoming.content_on_open and letter.content == Letter.Content.KEPT)


def in_language(incoming: IncomingLetter, language: str) -> IncomingLetter:
    """Return the letter with what it says in `language` first, where it says that."""
    said = next((each for each in incoming.versions if each.language == language), None)
    if said is None or not said.title:
        return incoming
    other = Version(
        incoming.language, incoming.title, incoming.public_title, incoming.summary, incoming.body
    )
    return replace(
        incoming,
        language=language,
        title=said.title,
        public_title=said.public_title or incoming.public_title,
        summary=said.summary,
        versions=[other, *(each for each in incoming.versions if each is not said)],
    )


def version_rows(versions: Iterable[Version]) -> list[dict[str, str]]:
    """Return what is said in other languages as the JSON that a letter keeps."""
    return [
        {
            "language": clean(each.language, 8),
            "title": clean(each.title, TITLE_MAX),
            "public_title": clean(each.public_title, TITLE_MAX),
            "summary": clean(each.summary),
            "body": clean(each.body),
            "body_media_type": each.body_media_type,
        }
        for each in versions
    ]


def with_bodies(letter: Letter, incoming: IncomingLetter) -> list[dict[str, str]]:
    """Return the letter's versions as `incoming` says; a list has no bodies: those stay."""
    rows = version_rows(incoming.versions)
    if not incoming.content_on_open:
        return rows
    before = {row["language"]: row for row in letter.versions}
    kept = ("body", "body_media_type")
    return [
        row | {name: before[row["language"]][name] for name in kept}
        if row["language"] in before
        else row
        for row in rows
    ]


def action_rows(actions: Iterable[Action]) -> list[dict[str, Any]]:
    """Return actions as the JSON that a letter keeps."""
    return [
        {
            "url": action.url,
            "label": clean(action.label, TITLE_MAX),
            "due_at": action.due_at.isoformat() if action.due_at else "",
            "takes_return": action.takes_return,
            **_act_row(action),
        }
        for action in actions
    ]


def _act_row(action: Action) -> dict[str, str]:
    """Return what there is of an action that is no link, besides what each has."""
    if action.method == "GET":
        return {}
    return {
        "method": action.method,
        "id": action.id.hex if action.id else "",
        "prompt": clean(action.prompt),
        "agreed": action.agreed(),
    }


def form_rows(incoming: IncomingLetter) -> list[dict[str, Any]]:
    """Return the letter's reply forms as the JSON that a letter keeps."""
    return [
        {
            "code": clean(form.code, CODE_MAX),
            "kind": form.kind.value,
            "label": clean(form.label, TITLE_MAX),
            "choices": [
                {"code": clean(each.code, CODE_MAX), "label": clean(each.label, TITLE_MAX)}
                for each in form.choices
            ],
            "text_max": form.text_max,
            "attachments_max": form.attachments_max,
            "attachment_types": list(form.attachment_types),
            "attachment_bytes_max": form.attachment_bytes_max,
            "reason": clean(form.reason),
            "settles": form.settles,
        }
        for form in incoming.reply_forms
    ]


def message_rows(messages: Iterable[ThreadMessage]) -> list[dict[str, Any]]:
    """Return the sender's side of a thread as the JSON that a letter keeps."""
    return [
        {
            "id": clean(message.id, EXTERNAL_ID_MAX),
            "at": message.at.isoformat(),
            "text": clean(message.text),
            "author": clean(message.author, TITLE_MAX),
            **_more_of(message),
        }
        for message in messages
    ]


def _more_of(message: ThreadMessage) -> dict[str, Any]:
    """Return what not every message has."""
    body = clean(message.body)
    said = {
        "title": clean(message.title, TITLE_MAX),
        "kind": clean(message.kind, CODE_MAX),
        "from_her": "1" if message.from_her else "",
        "body": body,
        "body_media_type": message.body_media_type if body else "",
        "links": action_rows(message.links),
        "documents": [clean(name, TITLE_MAX) for name in message.documents],
        "rest": message.rest.value,
        "versions": version_rows(message.versions),
    }
    return {name: value for name, value in said.items() if value}


def with_new_messages(
    known: Sequence[dict[str, Any]], said: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what is known and what is new of a thread, oldest first: nothing is ever dropped.

    What is known of a message stays where no more than its head was listed.
    """
    merged = {message["id"]: message for message in known}
    for message in said:
        if message["id"] not in merged or message.get("rest") != Rest.ON_OPEN:
            merged[message["id"]] = message
    return sorted(merged.values(), key=lambda message: datetime.fromisoformat(message["at"]))


def payment_row(incoming: IncomingLetter) -> dict[str, Any] | None:
    """Return what is to be paid as the JSON that a letter keeps."""
    payment = incoming.payment
    if payment is None:
        return None
    return {
        "amount": payment.amount,
        "account": clean(payment.account, CODE_MAX),
        "kid": clean(payment.kid, CODE_MAX),
        "currency": payment.currency,
        "due_at": payment.due_at.isoformat() if payment.due_at else "",
    }


def appointment_rows(incoming: IncomingLetter) -> list[dict[str, Any]]:
    """Return what takes place as the JSON that a letter keeps."""
    return [
        {
            "title": clean(each.title, TITLE_MAX),
            "place": clean(each.place, TITLE_MAX),
            "note": clean(each.note),
            "times": [[_iso(start), _iso(end)] for start, end in each.times],
        }
        for each in incoming.appointments
    ]


def proof_rows(incoming: IncomingLetter) -> list[dict[str, str]]:
    """Return the documents that prove something as the JSON that a letter keeps."""
    return [
        {
            "title": clean(each.title, TITLE_MAX),
            "issuer": clean(each.issuer, TITLE_MAX),
            "valid_from": _iso(each.valid_from),
            "valid_until": _iso(each.valid_until),
        }
        for each in incoming.proofs
    ]


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def signing_row(incoming: IncomingLetter) -> dict[str, str] | None:
    """Return the document to be signed as the JSON that a letter keeps."""
    signing = incoming.signing
    if signing is None:
        return None
    at = signing.at.isoformat() if signing.at else ""
    return {"status": signing.status.value, "url": signing.url, "at": at}


def document_rows(arrival: Arrival) -> list[Document]:
    """Return unsaved documents for an arrival, in the order the source gave them."""
    rows = []
    for position, incoming in enumerate(arrival.incoming.documents):
        blob = arrival.blob_of(position)
        reason = arrival.not_given.get(position) or incoming.not_given
        rows.append(
            Document(
                citizen_id=arrival.citizen_id,
                letter_id=arrival.letter_id,
                delivery_id=arrival.delivery_id,
                blob_id=blob.id if blob else None,
                position=position,
                is_main=incoming.is_main,
                name=clean(incoming.name, TITLE_MAX) or "document",
                title=clean(incoming.title, TITLE_MAX),
                media_type=incoming.media_type[:127],
                size=blob.size if blob else incoming.size,
                ref="" if blob or reason else incoming.ref[:512],
                on_open=incoming.on_open,
                expires_at=incoming.expires_at,
                gone_at=arrival.fetched_at if position in arrival.gone else None,
                not_given="" if blob else clean(reason, TITLE_MAX),
            )
        )
    return rows


def add_documents(documents: Sequence[Document]) -> None:
    """Write documents, and for those that are kept the rows that wait to be read, and set."""
    Document.objects.bulk_create(documents)
    DocumentText.objects.bulk_create(texts.waiting(documents))
    access_copies.want_of_documents(documents)


def clean(text: str, length: int | None = None) -> str:
    """Return `text` without NUL (PostgreSQL refuses it) and cut to `length` characters."""
    return text.replace("\x00", "").strip()[:length]


def snippet(text: str) -> str:
    """Return the start of `text` on one line, at most 160 characters."""
    line = " ".join(clean(text).replace("**", "").replace("#", "").split())
    return line if len(line) <= SNIPPET_MAX else line[: SNIPPET_MAX - 1].rstrip() + "…"


def _events(arrival: Arrival) -> list[Event]:
    own = {"citizen_id": arrival.citizen_id, "letter_id": arrival.letter_id}
    kept = sum(blob is not None for blob in arrival.blobs)
    events = [
        Event(
            **own,
            kind=Event.Kind.RECEIVED,
            at=arrival.fetched_at,
            detail={"source": arrival.source, "documents": kept},
        )
    ]
    if arrival.incoming.on_paper_at:
        events.append(
            Event(
                **own,
                kind=Event.Kind.ON_PAPER,
                at=arrival.incoming.on_paper_at,
                detail={
                    "source": arrival.source,
                    "step": PaperStep.SENT.value,
                    "message": arrival.incoming.external_id,
                },
            )
        )
    if arrival.incoming.opened_at:
        events.append(
            Event(
                **own,
                kind=Event.Kind.OPENED_ELSEWHERE,
                at=arrival.incoming.opened_at,
                detail={"source": arrival.source},
            )
        )
    if arrival.incoming.handled_at:
        by = clean(arrival.incoming.handled_by, TITLE_MAX)
        events.append(
            Event(
                **own,
                kind=Event.Kind.HANDLED,
                at=arrival.incoming.handled_at,
                detail={"source": arrival.source, "by": by},
            )
        )
    return events


def _count(letters: Sequence[Letter]) -> None:
    by_citizen: dict[UUID, list[Letter]] = defaultdict(list)
    for letter in letters:
        if letter.revealed:
            by_citizen[letter.citizen_id].append(letter)
    # In one order everywhere, so that two batches never wait for each other's rows.
    for citizen_id in sorted(by_citizen):
        with counters.changing(citizen_id) as state:
            counters.add(state, by_citizen[citizen_id])


def _senders(arrivals: Sequence[Arrival]) -> dict[tuple[str, str], Sender]:
    keys = {_sender_key(arrival.incoming) for arrival in arrivals if not arrival.sender}
    Sender.objects.bulk_create(
        [Sender(org_number=org_number, name=name) for org_number, name in sorted(keys)],
        ignore_conflicts=True,
    )
    found = Sender.objects.filter(name__in={name for _, name in keys})
    return {(sender.org_number, sender.name): sender for sender in found}


def sender_of(incoming: IncomingLetter) -> Sender:
    """Return the row of the letter's sender, made if need be."""
    org_number, name = _sender_key(incoming)
    return Sender.objects.get_or_create(org_number=org_number, name=name)[0]


def named(letters: Sequence[IncomingLetter]) -> Sequence[IncomingLetter]:
    """Give senders that came as a number alone the name that they are known by here.

    The name is that under which the organisation itself first wrote; until it has, its number.
    """
    numbers = {each.sender.org_number for each in letters if not each.sender.name.strip()} - {""}
    if not numbers:
        return letters
    rows = Sender.objects.filter(org_number__in=numbers).exclude(name=F("org_number"))
    # The first name is written last, over the later ones; a name may be in this very batch.
    names = {
        each.sender.org_number: each.sender.name for each in letters if each.sender.name.strip()
    }
    names |= dict(rows.order_by("-id").values_list("org_number", "name"))
    return [
        each
        if each.sender.name.strip() or not each.sender.org_number
        else replace(
            each,
            sender=replace(
                each.sender, name=names.get(each.sender.org_number, each.sender.org_number)
            ),
        )
        for each in letters
    ]


def _sender_key(incoming: IncomingLetter) -> tuple[str, str]:
    return incoming.sender.org_number[:9], clean(incoming.sender.name, TITLE_MAX)


def _moments(incoming: IncomingLetter) -> tuple[datetime | None, ...]:
    return (
        incoming.sent_at,
        incoming.visible_from,
        incoming.due_at,
        incoming.expires_at,
        incoming.opened_at,
        incoming.handled_at,
    )


def document_digest(document: IncomingDocument) -> str:
    """Return the document's sha256 (hex): of its bytes, else as declared, else empty."""
    if document.content is not None:
        return hashlib.sha256(document.content).hexdigest()
    return document.sha256.lower()


def _document_key(document: IncomingDocument) -> list[Any]:
    digest = document_digest(document) or document.ref
    key = [document.name, document.title, document.is_main, digest, document.size]
    return [*key, document.not_given] if document.not_given else key


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
