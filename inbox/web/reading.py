"""The letter page made ready for its templates: finished texts and addresses."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.translation import get_language, gettext, ngettext

from connectors import clock
from inbox.letters.body import render_body
from inbox.letters.models import Letter, Reply
from inbox.letters.presentation import DeliveryLine, DocumentLine, EventLine, LetterPage, Row
from inbox.letters.receive import snippet
from inbox.sync.acts import Asked
from inbox.web import event_words, letter_words, replying
from inbox.web.calendar_file import has_time
from inbox.web.dates import Calendar, local
from inbox.web.rows import avatar_color, initials

ATTACHMENTS_SHOWN = 50
"""No more attachments than this are listed before she asks for all of them."""
POLLS_MAX = 60
"""An open page asks this often whether the content has come; then it is for her to ask."""


SHOWN_AS = {
    "application/pdf": "pdf",
    "image/png": "image",
    "image/jpeg": "image",
    "image/gif": "image",
    "text/plain": "text",
    "text/html": "text",
    "application/xhtml+xml": "text",
}
"""How the letter's page shows a document; what is not here is downloaded.

HTML is never shown as the sender made it: its text is.
"""


def letter_context(
    page: LetterPage,
    labels: Mapping[str, str],
    back: str,
    replies: Sequence[Reply] = (),
    kept: Mapping[str, str] | None = None,
    *,
    whole: bool = False,
    asked: Mapping[str, Asked] | None = None,
    chosen: str = "",
) -> dict[str, Any]:
    """Return everything that the letter's templates show.

    `replies` are her answers to it, `kept` a text that she wrote as her session ended;
    `whole` shows every attachment; `asked` says where what she asked for stands; `chosen` is the
    language that she reads it in (`languages.py`), where it is not the letter's first.
    """
    calendar = Calendar(clock.now(), get_language())
    row = page.row
    links = replying.links_out(page)
    return {
        **content_context(page, labels, back, whole=whole, chosen=chosen),
        **about_context(page, labels, calendar),
        "title": letter_words.title_of(row),
        "initials": initials(row.sender_name),
        "color": avatar_color(row.sender_name),
        "received": _received(row, calendar),
        "bin_words": _bin_words(row, replies, calendar),
        "delete_address": _address("letter_delete", row.id, _kept(back)),
        "deadline": letter_words.deadline(row, calendar),
        "on_paper": letter_words.on_paper(row, calendar),
        "event_choices": event_words.choices(),
        **replying.reply_context(page, replies, labels.get(row.source, row.source), calendar, kept),
        **replying.done_context(page),
        "tab": secrets.token_urlsafe(12),
        "has_replies": replying.may_have_replies(page),
        "payment": replying.payment_context(page, calendar),
        "appointments": _appointments(page, calendar),
        "proofs": [each | {"valid": letter_words.validity(each, calendar)} for each in page.proofs],
        "signing": replying.signing_words(page, calendar),
        "acts": replying.act_lines(page, asked or {}),
        "actions": [
            _with_due(link, calendar) for link in links if link["label"] and not link["message"]
        ],
        "document_links": [
            link | {"shown": link["url"].partition("//")[2][:120]}
            for link in links
            if not link["label"]
        ],
    }


def _appointments(page: LetterPage, calendar: Calendar) -> list[dict[str, Any]]:
    """Return what takes place, with the address of a file for her calendar where it has a time."""
    return [
        each
        | {
            "times": [letter_words.span(start, end, calendar) for start, end in each["times"]],
            "file": reverse("appointment_file", args=[page.row.id, number])
            if has_time(each)
            else "",
        }
        for number, each in enumerate(page.appointments)
    ]


def content_context(
    page: LetterPage,
    labels: Mapping[str, str],
    back: str,
    polls: int = 0,
    *,
    whole: bool = False,
    chosen: str = "",
) -> dict[str, Any]:
    """Return what the part with body and documents shows; `polls`: how often it was asked for."""
    row = page.row
    query = _kept(back) | ({"lang": chosen} if chosen else {})
    calendar = Calendar(clock.now(), get_language())
    source = labels.get(row.source, row.source)
    documents = [_document(row.id, line, source, calendar) for line in page.documents]
    main = next((d for d in documents if d["is_main"]), documents[0] if documents else None)
    attachments = [document for document in documents if document is not main]
    language = letter_words.other_language(row.language)
    return {
        "letter": row,
        "own": row_is_own(row),
        "source": source,
        "lang": language,
        "language_name": letter_words.language_name(language),
        "back": back,
        "again": _address("letter", row.id, query),
        "poll": _address("letter_content", row.id, {**query, "asked": polls + 1}),
        "polls_more": polls < POLLS_MAX,
        "content": row.content,
        "intro": _intro(page),
        "body": render_body(page.body, page.body_media_type),
        "body_lang": letter_words.other_language(page.body_language or row.language),
        "pdf": reverse("letter_pdf", args=[row.id]) if page.copied else "",
        "no_pdf": letter_words.not_copied(page.not_copied),
        "text_rest": next(
            filter(None, (each.provenance.get("text") for each in page.deliveries)), ""
        ),
        "main": main,
        "kept_count": sum(document["kept"] for document in documents),
        "gone_there": all(each.gone_at for each in page.deliveries),
        "lacks_documents": any(each.lacking for each in page.documents),
        "vanishing": letter_words.vanishing(page, labels, calendar),
        "attachments": attachments if whole else attachments[:ATTACHMENTS_SHOWN],
        "attachments_count": len(attachments),
        "all_attachments": _address("letter", row.id, {**query, "attachments": "all"}),
        "print": _address("letter_print", row.id, {"lang": chosen} if chosen else {}),
    }


def about_context(
    page: LetterPage, labels: Mapping[str, str], calendar: Calendar | None = None
) -> dict[str, Any]:
    """Return what the column beside the letter shows: origin, keeping, events."""
    calendar = calendar or Calendar(clock.now(), get_language())
    return {
        "letter": page.row,
        "own": row_is_own(page.row),
        "brought": _brought(page, labels, calendar),
        "org_number": "" if row_is_own(page.row) else letter_words.group_digits(page.org_number),
        "case_reference": page.case_reference,
        "kind": letter_words.kind_of(page.row),
        "level": letter_words.level_of(page.security_level),
        "case_address": reverse("case", args=[page.case_id]) if page.case_id else "",
        "arrivals": [_arrival(line, page, labels, calendar) for line in page.deliveries],
        "may_split": len(page.deliveries) > 1,
        "apart": [
            {
                "delivery_id": each.delivery_id,
                "source": labels.get(each.source, each.source),
                "address": reverse("letter", args=[each.letter_id]),
            }
            for each in page.apart
        ],
        "some_kept": any(document.kept for document in page.documents),
        "keeping": letter_words.keeping(page, labels, calendar),
        "events": _events(page, labels, calendar),
    }


def _bin_words(row: Row, replies: Sequence[Reply], calendar: Calendar) -> str:
    """Return what becomes of a letter in the bin, empty for one that lies elsewhere."""
    if row.place != Letter.Place.BIN:
        return ""
    if row.delete_at is None:
        return gettext(
            "You have put this letter in the bin at its source. Here it lies in the bin until you "
            "delete it or move it back."
        )
    if any(each.state == Reply.State.DRAFT and (each.text or each.attachments) for each in replies):
        return gettext(
            "This letter lies in the bin. It is not deleted by itself as long as your draft of an "
            "answer lies with it."
        )
    if row.delete_at <= clock.now():
        return gettext(
            "This letter lies in the bin. It is deleted as soon as its sender has got what it is "
            "owed."
        )
    text = gettext("This letter lies in the bin and is deleted for good on {day}.")
    return text.format(day=calendar.full_day(row.delete_at))


def _kept(back: str) -> dict[str, str]:
    """Return the way back as part of an address, where it is not the inbox."""
    return {"back": back} if back != reverse("inbox") else {}


def _address(name: str, letter_id: UUID, query: Mapping[str, object]) -> str:
    address = reverse(name, args=[letter_id])
    return f"{address}?{urlencode(query)}" if query else address


def _moment(moment: datetime, calendar: Calendar) -> dict[str, str]:
    return {
        "iso": moment.isoformat(timespec="minutes"),
        "long": calendar.moment(moment),
        "short": calendar.moment_short(moment),
    }


def row_is_own(row: Row) -> bool:
    """Say whether she has put the letter in herself: nobody vouches for what stands on it."""
    return row.source == Letter.OWN


def _brought(
    page: LetterPage, labels: Mapping[str, str], calendar: Calendar
) -> list[dict[str, Any]]:
    """Return what is said of a letter from a copy: by each delivery, and no more than is proved."""
    if page.row.source != Letter.BROUGHT:
        return []
    return [
        {
            "at": _moment(line.fetched_at, calendar),
            "source": labels.get(line.provenance["brought_from"], line.provenance["brought_from"]),
            "proof": letter_words.proved(line.provenance["proof"]),
        }
        for line in page.deliveries
    ]


def _received(row: Row, calendar: Calendar) -> dict[str, str]:
    """Return when the letter is from; a paper of her own bears a day and no hour."""
    said = _moment(row.received_at, calendar)
    if not row_is_own(row):
        return said
    day = calendar.full_day(row.received_at)
    return {"iso": local(row.received_at).date().isoformat(), "long": day, "short": day}


def _document(
    letter_id: UUID, line: DocumentLine, source: str, calendar: Calendar
) -> dict[str, Any]:
    media_type = plain_type(line.media_type)
    pages = ngettext("{n} page", "{n} pages", line.pages).format(n=line.pages)
    has_pages = line.pages and media_type == "application/pdf"
    described = (
        letter_words.type_of(media_type),
        pages if has_pages else "",
        letter_words.size_of(line.size),
    )
    own = [letter_id, line.id]
    return {
        "title": line.title,
        "is_main": line.is_main,
        "shown": SHOWN_AS.get(media_type, ""),
        "kept": line.kept,
        "gone": line.gone,
        "lacks": "" if line.kept else _lacks(line, source, calendar),
        "described": ", ".join(text for text in described if text),
        "unusual": letter_words.unusual(line.warnings),
        "at_once": letter_words.NOT_AT_ONCE.isdisjoint(line.warnings),
        "format": letter_words.format_of(line),
        "address": reverse("document", args=own),
        "download": reverse("document_download", args=own),
        "pdf": reverse("document_pdf", args=own) if line.copied else "",
        "no_pdf": letter_words.not_copied(line.not_copied),
        "text": reverse("document_text", args=own) if can_be_text(media_type) else "",
    }


def _lacks(line: DocumentLine, source: str, calendar: Calendar) -> str:
    """Return what is said of a document that is not here."""
    if line.gone:
        return gettext("No longer at %(source)s") % {"source": source}
    if line.not_given:
        shown = {"source": source, "reason": line.not_given}
        return gettext("%(source)s does not give you this document: %(reason)s") % shown
    if line.expires_at is None:
        return gettext("Not kept yet")
    text = gettext("Not kept yet. It disappears on %(day)s.")
    return text % {"day": calendar.full_day(line.expires_at)}


def _intro(page: LetterPage) -> str:
    """Return the sender's summary, empty where it is the title or what the body begins with."""
    said = page.row.snippet
    begun = snippet(page.body).removeprefix(page.row.title).lstrip()
    return "" if said == page.row.title or begun.startswith(said) else said


def plain_type(media_type: str) -> str:
    """Return "text/html" for "Text/HTML; charset=utf-8"."""
    return media_type.partition(";")[0].strip().lower()


def can_be_text(media_type: str) -> bool:
    """Say whether documents of this type have a text that can be read."""
    return media_type in ("application/pdf", "application/xhtml+xml") or media_type.startswith(
        "text/"
    )


def _with_due(link: Mapping[str, str], calendar: Calendar) -> dict[str, str]:
    due = link["due"]
    return {**link, "due": calendar.day(datetime.fromisoformat(due)) if due else ""}


def _arrival(
    line: DeliveryLine, page: LetterPage, labels: Mapping[str, str], calendar: Calendar
) -> dict[str, Any]:
    source = labels.get(line.source, line.source)
    several = len(page.deliveries) > 1
    return {
        "delivery_id": line.id,
        "source": source,
        "fetched": _moment(line.fetched_at, calendar),
        "checks": letter_words.checks(line, source),
        "signer": letter_words.signer_of(line.provenance),
        "sent_by": letter_words.sent_by(line.provenance, page.row.sender_name, page.org_number),
        "not_read": "extensions" in line.provenance,
        "not_checked": letter_words.not_checked(line.provenance),
        "matched": letter_words.matched(line.matched_by),
        "withdrawn": several and line.withdrawn_at is not None,
        "may_go": several and line.source != page.row.source,
    }


def _events(
    page: LetterPage, labels: Mapping[str, str], calendar: Calendar
) -> list[dict[str, str]]:
    """Return the timeline, oldest first, from the sending on."""
    told = [
        (line.at, letter_words.event_words(line, _source(line, page, labels)))
        for line in page.events
    ]
    if page.deliveries and page.row.source not in (Letter.OWN, Letter.BROUGHT):
        sent = gettext("%(sender)s sent the letter") % {"sender": page.row.sender_name}
        told.insert(0, (min(line.sent_at for line in page.deliveries), sent))
    told.sort(key=lambda entry: entry[0])
    return [_moment(at, calendar) | {"said": said} for at, said in told if said]


def _source(line: EventLine, page: LetterPage, labels: Mapping[str, str]) -> str:
    slug = str(line.detail.get("to") or line.detail.get("source", page.row.source))
    return labels.get(slug, slug)


def is_waiting(page: LetterPage) -> bool:
    """Say whether the content has been asked for and has not come."""
    return bool(page.row.content == Letter.Content.REQUESTED)
