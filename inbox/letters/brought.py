"""A letter that she brings in from a copy, as rows: what it says of itself is her word.

What could be done at a source (answering, confirming, signing, opening with a receipt) is left
out: there is no source behind it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from inbox.archive.models import Blob
from inbox.archive.store import Stored
from inbox.citizens.owned import new_id
from inbox.citizens.viewer import Viewer
from inbox.letters.filing import BIN_LASTS
from inbox.letters.models import Delivery, Document, Event, Letter, Reply, Sender
from inbox.letters.own import sender_named
from inbox.letters.receive import YEARS

Paths = dict[tuple[str, int, str], Blob]
"""Blobs by the delivery's id in the copy, version and path."""
SIMPLE = (
    *("title", "public_title", "language", "place", "kind", "security_level", "attachments"),
    *("snippet", "body", "body_media_type", "needs_action", "handled_by", "unread", "updated"),
    *("case_reference", "documentary_value", "messages", "versions", "payment", "appointments"),
    "proofs",
)
MOMENTS = (
    *("received_at", "due_at", "handled_at", "opened_at", "withdrawn_at"),
    *("on_paper_at", "returned_at"),
)
Rows = tuple[Letter, list[Delivery], list[Document], list[Event], list[Reply]]


def rows_of(
    viewer: Viewer,
    said: Mapping[str, Any],
    objects: Sequence[UUID],
    paths: Paths,
    proofs: Sequence[str],
    sent: Mapping[str, Stored],
    at: datetime,
    senders: dict[tuple[str, str], Sender],
) -> Rows:
    """Return a letter's unsaved rows; `said` is what the schema of a copy's letter.json takes.

    `objects`: the archive object of each delivery; `proofs`: what proves it; `sent`: files beside
    answers, by their names in the copy. Raises ValueError for a date that cannot be.
    """
    own = {"citizen_id": viewer.citizen_id}
    sender = _sender(viewer, said["sender"], senders)
    letter = Letter(**own, id=new_id(), sender=sender, source=Letter.BROUGHT)
    letter.sender_name = said["sender"]["name"]
    for name in SIMPLE:
        if name in said:
            setattr(letter, name, said[name])
    for name in MOMENTS:
        setattr(letter, name, _moment(said.get(name)))
    is_kept = not said["withheld"] and said.get("content") == Letter.Content.KEPT
    letter.content = Letter.Content.KEPT if is_kept else Letter.Content.GONE
    letter.actions = [_link(each) for each in said.get("actions", ()) if _is_link(each)]
    letter.messages = [
        message | {"links": [_link(each) for each in message.get("links", ()) if _is_link(each)]}
        if "links" in message
        else message
        for message in letter.messages
    ]
    if signing := said.get("signing"):
        letter.signing = signing | {"url": ""}
    letter.delete_at = _end(said, at)
    for moment in (letter.received_at, *(_moment(each["at"]) for each in letter.messages)):
        if moment is None or moment.year not in YEARS:
            raise ValueError("a date in a year that cannot be")
    numbers = {
        each["id"]: object_id for each, object_id in zip(said["deliveries"], objects, strict=True)
    }
    deliveries = [
        Delivery(
            **own,
            id=numbers[each["id"]],
            letter_id=letter.id,
            source=Letter.BROUGHT,
            external_id=str(numbers[each["id"]]),
            sent_at=datetime.fromisoformat(each["sent_at"]),
            fetched_at=at,
            provenance={
                "brought_from": each["source"],
                "first_fetched_at": each["fetched_at"],
                "proof": proof,
            },
        )
        for each, proof in zip(said["deliveries"], proofs, strict=True)
    ]
    documents = _documents(letter, said, numbers, paths, at)
    events = [_event(letter, each) for each in said.get("events", ()) if each["kind"] in Event.Kind]
    events.append(
        Event(
            **own,
            letter_id=letter.id,
            kind=Event.Kind.BROUGHT,
            at=at,
            actor_id=viewer.citizen_id,
        )
    )
    replies = [
        _reply(letter, each, sent) for each in said.get("answers", ()) if each["state"] != "draft"
    ]
    return letter, deliveries, documents, events, replies


def _documents(
    letter: Letter,
    said: Mapping[str, Any],
    numbers: Mapping[str, UUID],
    paths: Paths,
    at: datetime,
) -> list[Document]:
    """Return the documents, each once: what came by several channels was shown once, too."""
    source = {each["id"]: each["source"] for each in said["deliveries"]}
    shown: set[str] = set()
    main = False
    rows = []
    ordered = sorted(
        said.get("documents", ()),
        key=lambda each: (source.get(each["delivery"]) != said.get("source"), not each["is_main"]),
    )
    for each in ordered:
        if each["delivery"] not in numbers:
            raise ValueError("a document of no delivery")
        blob = paths.get((each["delivery"], each["version"] or 0, each["path"] or ""))
        is_present = not each.get("replaced_at")
        if is_present and blob is not None:
            if blob.sha256 in shown and len(numbers) > 1:
                continue
            shown.add(blob.sha256)
        is_main = each["is_main"] and not (main and is_present)
        main = main or (is_main and is_present)
        rows.append(
            Document(
                citizen_id=letter.citizen_id,
                letter_id=letter.id,
                delivery_id=numbers[each["delivery"]],
                blob_id=blob.id if blob else None,
                position=each["position"],
                is_main=is_main,
                name=each["name"],
                title=each["title"],
                media_type=each["media_type"],
                size=blob.size if blob else each.get("size"),
                gone_at=None if blob else at,
                not_given=each.get("not_given", "") if blob is None else "",
                replaced_at=_moment(each.get("replaced_at")),
            )
        )
    return rows


def _event(letter: Letter, said: Mapping[str, Any]) -> Event:
    detail = {
        key[:64]: value[:255] if isinstance(value, str) else value
        for key, value in said["detail"].items()
    }
    return Event(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        kind=said["kind"],
        at=datetime.fromisoformat(said["at"]),
        actor_id=letter.citizen_id if said["by_her"] else None,
        detail=detail,
    )


def _reply(letter: Letter, said: Mapping[str, Any], sent: Mapping[str, Stored]) -> Reply:
    """Return an answer of hers as it was; what had not been sent never will be from here."""
    is_done = said["state"] == Reply.State.DONE
    written_at = datetime.fromisoformat(said["written_at"])
    return Reply(
        citizen_id=letter.citizen_id,
        id=new_id(),
        state=Reply.State.DONE if is_done else Reply.State.FAILED,
        due_at=written_at,
        letter_id=letter.id,
        form=said["form"],
        choice=said["choice"],
        choice_label=said["choice_label"],
        text=said["text"],
        settles=said.get("settles", True),
        security_level=said["security_level"],
        writer_id=letter.citizen_id,
        updated_at=written_at,
        sent_at=_moment(said["sent_at"]),
        reference=said["reference"],
        refusal=said.get("refusal", ""),
        attachments=[
            {
                "id": str(stored.object_id),
                "name": each["name"],
                "media_type": each["media_type"],
                "size": file.size,
                "sha256": file.sha256,
                "path": file.path,
            }
            for each in said["attachments"]
            if each["file"] in sent
            for stored in [sent[each["file"]]]
            for file in stored.files.values()
        ],
    )


def _sender(
    viewer: Viewer, said: Mapping[str, str], known: dict[tuple[str, str], Sender]
) -> Sender:
    """Return the sender's row. In the name of a stranger none is made."""
    key = (said["org_number"], said["name"])
    if key not in known:
        found = Sender.objects.filter(org_number=key[0], name=key[1]).first() if key[0] else None
        known[key] = found or sender_named(viewer, said["name"])[0]
    return known[key]


def _end(said: Mapping[str, Any], at: datetime) -> datetime | None:
    """Return when a letter in the bin is deleted: no sooner than if it had just come there."""
    end = _moment(said.get("delete_at"))
    if said["place"] != Letter.Place.BIN or end is None:
        return None
    return end if end > at else at + BIN_LASTS


def _is_link(action: Mapping[str, Any]) -> bool:
    return bool(action.get("method", "GET") == "GET" and action["url"].startswith("https://"))


def _link(action: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "url": action["url"],
        "label": action["label"],
        "due_at": action["due_at"],
        "takes_return": False,
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
