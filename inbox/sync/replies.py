"""Her answers to letters: written as drafts, then handed to a worker (`sending.py`).

Nothing that she has written is lost: a draft is a row from the first save on, what a source is
too weak to take waits, and what it refuses can be changed and sent again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors import clock
from connectors.contract import ReplyKind
from inbox.archive import store
from inbox.archive.deposit import package_rows
from inbox.archive.models import Blob
from inbox.citizens.owned import new_id
from inbox.citizens.viewer import Viewer
from inbox.letters import answers, counters
from inbox.letters.handle import readable_letter
from inbox.letters.models import Letter, Reply
from inbox.letters.receive import clean
from inbox.letters.uploads import EXTENSIONS, SNIFFED_BYTES, media_type_of, safe_name
from inbox.sync import tasks
from inbox.sync.wake import wake

TAB_MAX = 32


class CannotReply(Exception):
    """It cannot be done; `code` says why, `detail` of which file or how much."""

    def __init__(self, code: str, detail: object = "") -> None:
        super().__init__(code)
        self.code, self.detail = code, detail


class Conflict(Exception):
    """Another open page has saved another text since this one was read."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("conflict")
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Written:
    """What a page says of the answer that is being written there."""

    form: str
    text: str
    version: int
    """The latest save that the page knows; 0: none."""
    tab: str
    """The open page itself."""


def replies_to(letter_id: UUID, citizen_id: UUID) -> list[Reply]:
    """Return her answers to one letter, oldest first (1 query)."""
    found = Reply.objects.filter(citizen_id=citizen_id, letter_id=letter_id)
    return list(found.order_by("updated_at", "id"))


def open_form(letter: Letter, code: str, *kinds: ReplyKind) -> dict[str, Any]:
    """Return the letter's form of that code. Raises CannotReply when it is not open for that."""
    for form in letter.reply_forms:
        if form["code"] == code and form["kind"] in kinds:
            found: dict[str, Any] = form
            return found
    raise CannotReply("closed")


def save_draft(viewer: Viewer, letter_id: UUID, written: Written) -> Reply:
    """Keep what she has written so far; returns the draft.

    Raises Letter.DoesNotExist, LevelTooLow, NotOpened, Conflict, or CannotReply: a text that is
    too long is kept whole all the same, as far as the database goes, and refused on sending.
    """
    letter = readable_letter(viewer, letter_id)
    open_form(letter, written.form, ReplyKind.TEXT)
    with transaction.atomic():
        draft = _draft(viewer, letter, written.form)
        text = clean(written.text.replace("\r\n", "\n"))
        known = written.version == draft.version or written.tab == draft.tab
        if not known and draft.text not in ("", text):
            raise Conflict(draft)
        if text != draft.text or not known:
            draft.text, draft.tab = text, written.tab[:TAB_MAX]
            _touch(draft, viewer)
    return draft


def attach(viewer: Viewer, letter_id: UUID, form: str, name: str, chunks: Iterable[bytes]) -> Reply:
    """Put a file beside the draft; its type is what its content shows.

    Raises what `save_draft` raises; CannotReply with the file's name for one that is not taken.
    """
    letter = readable_letter(viewer, letter_id)
    rules = open_form(letter, form, ReplyKind.TEXT)
    draft = _draft(viewer, letter, form)
    if len(draft.attachments) >= rules["attachments_max"]:
        raise CannotReply("too_many", rules["attachments_max"])
    content = _checked(name, chunks, rules)
    media_type = media_type_of(content[:SNIFFED_BYTES])
    attachment_id, path = new_id(), f"files/0001.{EXTENSIONS[media_type]}"
    stored = store.put(
        viewer.citizen_id,
        attachment_id,
        {path: content},
        note="attachment of an answer",
        media_types={path: media_type},
    )
    package, blobs = package_rows(viewer.citizen_id, stored, {path: media_type})
    with transaction.atomic():
        draft = _draft(viewer, letter, form)
        if len(draft.attachments) >= rules["attachments_max"]:
            raise CannotReply("too_many", rules["attachments_max"])
        package.save(force_insert=True)
        Blob.objects.bulk_create(blobs)
        draft.attachments = [
            *draft.attachments,
            {
                "id": str(attachment_id),
                "name": safe_name(name, media_type),
                "media_type": media_type,
                "size": len(content),
                "sha256": stored.files[path].sha256,
                "path": path,
            },
        ]
        _touch(draft, viewer)
    return draft


def detach(viewer: Viewer, letter_id: UUID, form: str, attachment_id: str) -> None:
    """Take a file away from the draft, and its bytes out of the archive."""
    letter = readable_letter(viewer, letter_id)
    with transaction.atomic():
        draft = _existing_draft(letter, form)
        gone = [each for each in draft.attachments if each["id"] == attachment_id]
        draft.attachments = [each for each in draft.attachments if each["id"] != attachment_id]
        _touch(draft, viewer)
        answers.forget_files(letter.citizen_id, gone)


def discard(viewer: Viewer, letter_id: UUID, form: str) -> None:
    """Throw a draft away with its files."""
    letter = readable_letter(viewer, letter_id)
    with transaction.atomic():
        draft = _existing_draft(letter, form)
        attachments = draft.attachments
        Reply.objects.filter(citizen_id=letter.citizen_id, id=draft.id, state="draft").delete()
        answers.forget_files(letter.citizen_id, attachments)


def choose(viewer: Viewer, letter_id: UUID, form: str, choice: str) -> Reply:
    """Answer with one press; pressed twice it is one answer. Raises as `save_draft` does."""
    letter = readable_letter(viewer, letter_id)
    rules = open_form(letter, form, ReplyKind.CHOICE)
    label = {each["code"]: each["label"] for each in rules["choices"]}.get(choice)
    if label is None:
        raise CannotReply("no_choice")
    with transaction.atomic():
        _lock(letter)
        own = Reply.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id, form=form)
        reply = own.order_by("-updated_at", "-id").first()
        if reply is None:
            reply = Reply.objects.create(
                citizen_id=letter.citizen_id,
                id=answers.new_reply_id(letter, form),
                **_new(viewer, letter, form),
                state=Reply.State.WAITING,
                choice=choice,
                choice_label=label,
                settles=rules["settles"],
            )
            counters.answered(reply.citizen_id, reply.letter_id)
            wake(tasks.send_reply, reply.citizen_id, reply.id)
        elif reply.state == Reply.State.FAILED:
            reply.choice, reply.choice_label = choice, label
            _send_away(reply, viewer)
    return reply


def send_draft(viewer: Viewer, letter_id: UUID, form: str, reply_id: UUID) -> Reply:
    """Send her draft away; one that has left already is returned as it is, not sent again.

    Raises as `save_draft` does, CannotReply also for a text that is empty or too long.
    """
    letter = readable_letter(viewer, letter_id)
    with transaction.atomic():
        _lock(letter)
        known = Reply.objects.filter(
            citizen_id=letter.citizen_id, letter_id=letter.id, form=form, id=reply_id
        ).first()
        if known is not None and known.state in (Reply.State.WAITING, Reply.State.DONE):
            return known
        rules = open_form(letter, form, ReplyKind.TEXT)
        draft = _existing_draft(letter, form)
        if draft.id != reply_id:
            raise CannotReply("no_draft")
        if not draft.text.strip():
            raise CannotReply("empty")
        if len(draft.text) > rules["text_max"]:
            raise CannotReply("too_long", rules["text_max"])
        draft.settles = rules["settles"]
        _send_away(draft, viewer)
    return draft


def edit_again(viewer: Viewer, letter_id: UUID, reply_id: UUID) -> Reply:
    """Make a draft of an answer that the source refused. Raises Reply.DoesNotExist."""
    letter = readable_letter(viewer, letter_id)
    with transaction.atomic():
        _lock(letter)
        reply = Reply.objects.get(
            citizen_id=letter.citizen_id, letter_id=letter.id, id=reply_id, state="failed"
        )
        open_form(letter, reply.form, ReplyKind.TEXT)
        own = Reply.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id)
        if own.filter(form=reply.form, state="draft").exists():
            raise CannotReply("has_draft")
        reply.state, reply.refusal, reply.last_error, reply.attempts = "draft", "", "", 0
        _touch(reply, viewer)
    return reply


def find_attachment(viewer: Viewer, letter_id: UUID, attachment_id: UUID) -> dict[str, Any] | None:
    """Return what is known of a file of hers that stands beside an answer, None without one.

    Raises Letter.DoesNotExist, LevelTooLow or NotOpened.
    """
    letter = readable_letter(viewer, letter_id)
    for reply in replies_to(letter.id, letter.citizen_id):
        for each in reply.attachments:
            if each["id"] == str(attachment_id):
                found: dict[str, Any] = each
                return found
    return None


def _lock(letter: Letter) -> None:
    """Let two tabs that act on one letter do so one after the other."""
    Letter.objects.select_for_update().only("id").get(citizen_id=letter.citizen_id, id=letter.id)


def _new(viewer: Viewer, letter: Letter, form: str) -> dict[str, Any]:
    return {
        "letter_id": letter.id,
        "form": form,
        "security_level": viewer.level,
        "writer_id": viewer.actor_id,
        "updated_at": clock.now(),
        "due_at": timezone.now(),
    }


def _draft(viewer: Viewer, letter: Letter, form: str) -> Reply:
    """Return the one draft of a form, made if there is none; locked in a transaction."""
    with transaction.atomic():
        _lock(letter)
        own = Reply.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id, form=form)
        draft = own.filter(state="draft").first()
        if draft is None:
            draft = Reply(
                citizen_id=letter.citizen_id,
                id=answers.new_reply_id(letter, form),
                **_new(viewer, letter, form),
            )
            draft.save(force_insert=True)
    return draft


def _existing_draft(letter: Letter, form: str) -> Reply:
    draft = Reply.objects.filter(
        citizen_id=letter.citizen_id, letter_id=letter.id, form=form, state="draft"
    ).first()
    if draft is None:
        raise CannotReply("no_draft")
    return draft


def _touch(draft: Reply, viewer: Viewer) -> None:
    draft.version += 1
    draft.updated_at = clock.now()
    draft.security_level = viewer.level
    draft.writer_id = viewer.actor_id
    draft.save()


def _send_away(reply: Reply, viewer: Viewer) -> None:
    reply.state, reply.attempts, reply.due_at = Reply.State.WAITING, 0, timezone.now()
    reply.refusal = reply.last_error = ""
    _touch(reply, viewer)
    counters.answered(reply.citizen_id, reply.letter_id)
    wake(tasks.send_reply, reply.citizen_id, reply.id)


def _checked(name: str, chunks: Iterable[bytes], rules: dict[str, Any]) -> bytes:
    """Return a file's bytes if the form takes it, reading no more than it may have."""
    limit, size, parts = rules["attachment_bytes_max"], 0, []
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise CannotReply("too_large", name)
        parts.append(chunk)
    content = b"".join(parts)
    if not content:
        raise CannotReply("empty_file", name)
    if media_type_of(content[:SNIFFED_BYTES]) not in rules["attachment_types"]:
        raise CannotReply("wrong_type", name)
    if media_type_of(content[:SNIFFED_BYTES]) not in EXTENSIONS:
        raise CannotReply("wrong_type", name)
    return content
