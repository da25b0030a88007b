"""A letter's page in words: where it came from, what it holds, what has happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.urls import reverse
from django.utils.translation import get_language, gettext

from connectors import clock
from inbox.letters.models import Event, Letter
from inbox.letters.presentation import DeliveryLine, DocumentLine, EventLine, LetterPage
from inbox.web.body import render_body
from inbox.web.dates import Calendar
from inbox.web.listing import avatar_color, initials

EVENTS_SHOWN = 50


def letter_context(page: LetterPage, labels: Mapping[str, str], back: str) -> dict[str, Any]:
    """Return everything that the letter's templates show, ready to print."""
    calendar = Calendar(clock.now(), get_language())
    row = page.row
    language = (get_language() or "nb")[:2]
    context = content_context(page, labels)
    return context | {
        "back": back,
        "title": title_of(page),
        "lang": row.language if row.language and row.language[:2] != language else "",
        "initials": initials(row.sender_name),
        "color": avatar_color(row.sender_id),
        "received": calendar.moment(row.received_at),
        "received_iso": row.received_at.isoformat(timespec="minutes"),
        "deadline": _deadline(page, calendar),
        "actions": _actions(page, calendar),
        "org_number": group_digits(page.org_number),
        "sources": [_delivery(line, labels, calendar) for line in page.deliveries],
        "keeping": _keeping(page, labels, calendar),
        "events": [_event(line, page, labels, calendar) for line in page.events[-EVENTS_SHOWN:]],
    }


def content_context(page: LetterPage, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what the part of the page with body and documents shows."""
    documents = [_document(page.row.id, line) for line in page.documents]
    main = next((d for d in documents if d["is_main"]), None)
    if main is None and len(documents) == 1:
        main = documents[0]
    return {
        "letter": page.row,
        "source": labels.get(page.row.source, page.row.source),
        "content": page.row.content,
        "is_kept": page.row.content == Letter.Content.KEPT,
        "is_waiting": page.row.content == Letter.Content.REQUESTED,
        "is_gone": page.row.content == Letter.Content.GONE,
        "body": render_body(page.body, page.body_media_type),
        "main": main,
        "attachments": [d for d in documents if d is not main],
    }


def title_of(page: LetterPage) -> str:
    """Return what may stand as the letter's title."""
    if page.row.title:
        return page.row.title
    return gettext("Letter from {sender}").format(sender=page.row.sender_name)


def group_digits(org_number: str) -> str:
    """Return an organisation number as it is written: "889 640 782"."""
    return f"{org_number[:3]} {org_number[3:6]} {org_number[6:]}".strip()


def size_of(count: int | None) -> str:
    """Return a number of bytes for people: "148 kB", "2,1 MB"."""
    if count is None:
        return ""
    if count < 1_000_000:
        return f"{max(1, round(count / 1000))} kB"
    point = "." if get_language() == "en" else ","
    return f"{count / 1_000_000:.1f} MB".replace(".", point)


def _document(letter_id: UUID, line: DocumentLine) -> dict[str, Any]:
    kind = line.media_type.partition(";")[0].strip().lower()
    ending = kind.rpartition("/")[2].upper()
    shown = {"PLAIN": gettext("Text"), "OCTET-STREAM": gettext("File")}.get(ending, ending)
    described = ", ".join(text for text in (shown[:20], size_of(line.size)) if text)
    return {
        "title": line.title,
        "is_main": line.is_main,
        "is_pdf": kind == "application/pdf",
        "is_image": kind in ("image/png", "image/jpeg", "image/gif"),
        "kept": line.kept,
        "described": described,
        "address": reverse("document", args=[letter_id, line.id]),
        "download": reverse("document_download", args=[letter_id, line.id]),
    }


def _deadline(page: LetterPage, calendar: Calendar) -> dict[str, str] | None:
    """Return the alert over the letter: what she must do, and by when."""
    row = page.row
    if row.handled or not (row.due_at or row.needs_action):
        return None
    if row.due_at is None:
        return {
            "color": "warning",
            "said": gettext("The sender asks you to do something."),
            "left": "",
        }
    days, day = calendar.days_until(row.due_at), calendar.full_day(row.due_at)
    if days < 0:
        said = gettext("The deadline passed %(day)s.") % {"day": day}
        return {"color": "warning", "said": said, "left": ""}
    must = gettext("You must do this by %(day)s.") if row.needs_action else gettext("Due %(day)s.")
    return {
        "color": "danger" if days < 14 else "warning",
        "said": must % {"day": day},
        "left": _days_left(days),
    }


def _days_left(days: int) -> str:
    if days == 0:
        return gettext("That is today.")
    if days == 1:
        return gettext("That is tomorrow.")
    return gettext("There are %(n)s days left.") % {"n": days}


def _actions(page: LetterPage, calendar: Calendar) -> list[dict[str, str]]:
    """Return the links out of Samlepost: https alone, each with the host it leads to."""
    made = []
    for action in page.actions:
        try:
            parts = urlsplit(action["url"])
            host = parts.hostname or ""
        except ValueError:
            continue
        if parts.scheme != "https" or not host or "@" in parts.netloc:
            continue
        due = action.get("due_at")
        made.append(
            {
                "url": action["url"],
                "label": action["label"] or gettext("Go to %(host)s") % {"host": host},
                "host": host,
                "due": calendar.day(datetime.fromisoformat(due)) if due else "",
            }
        )
    return made


def _delivery(line: DeliveryLine, labels: Mapping[str, str], calendar: Calendar) -> dict[str, Any]:
    return {
        "label": labels.get(line.source, line.source),
        "fetched": calendar.moment(line.fetched_at),
        "fetched_iso": line.fetched_at.isoformat(timespec="minutes"),
        "checks": _checks(line, labels.get(line.source, line.source)),
        "signer": _signer(line.provenance),
        "withdrawn": calendar.moment(line.withdrawn_at) if line.withdrawn_at else "",
    }


def _checks(line: DeliveryLine, label: str) -> list[str]:
    """Return what was checked on the way in, in plain words; unknown codes say nothing."""
    said = {
        "certificate": gettext("The sender signed with an enterprise certificate"),
        "token": gettext("The sender proved who it is"),
        "source": gettext("%(source)s vouches for the sender"),
    }.get(line.sender_verified)
    checks = [said % {"source": label}] if said else []
    if line.provenance.get("message_signature") == "verified":
        checks.append(gettext("The signature holds"))
    if line.provenance.get("package_fingerprint") == "verified":
        checks.append(gettext("Unchanged on the way to us"))
    return checks


def _signer(provenance: Mapping[str, str]) -> str:
    name, number = provenance.get("signer", ""), provenance.get("signer_org_number", "")
    return f"{name} ({group_digits(number)})" if name and number else name


def _keeping(page: LetterPage, labels: Mapping[str, str], calendar: Calendar) -> list[str]:
    """Return how long the letter exists, at the source and here."""
    row = page.row
    source = {"source": labels.get(row.source, row.source)}
    said = []
    if row.withdrawn:
        said.append(gettext("The sender has withdrawn the letter."))
    elif row.expires_at:
        day = {"day": calendar.full_day(row.expires_at), **source}
        if calendar.days_until(row.expires_at) >= 0:
            said.append(gettext("%(source)s shows the letter until %(day)s.") % day)
        else:
            said.append(gettext("%(source)s stopped showing the letter %(day)s.") % day)
    if row.content == Letter.Content.KEPT:
        said.append(gettext("Your copy is kept here."))
    else:
        said.append(gettext("We have not kept a copy yet."))
    value = page.documentary_value
    if value is not None:
        said.append(
            gettext("The sender says that the letter is of lasting value.")
            if value
            else gettext("The sender says that the letter is not of lasting value.")
        )
    return said


def _event(
    line: EventLine, page: LetterPage, labels: Mapping[str, str], calendar: Calendar
) -> dict[str, str]:
    slug = str(line.detail.get("source", page.row.source))
    said = _event_words(line) % {"source": labels.get(slug, slug)}
    return {
        "said": said,
        "when": calendar.moment_short(line.at),
        "iso": line.at.isoformat(timespec="minutes"),
    }


def _event_words(line: EventLine) -> str:
    words: dict[str, str] = {
        Event.Kind.RECEIVED: gettext("Fetched from %(source)s to Samlepost"),
        Event.Kind.OPENED: gettext("The letter was opened"),
        Event.Kind.OPENED_ELSEWHERE: gettext("You opened the letter at %(source)s"),
        Event.Kind.DOCUMENT_OPENED: gettext("You opened a document"),
        Event.Kind.CONTENT_REQUESTED: gettext("You asked for a copy"),
        Event.Kind.CONTENT_KEPT: gettext("Copy kept"),
        Event.Kind.REPLACED: gettext("The sender sent new content; the old is kept too"),
        Event.Kind.WITHDRAWN: gettext("The sender withdrew the letter"),
        Event.Kind.HANDLED: gettext("Done"),
        Event.Kind.NOTIFIED: gettext("Notice sent by e-mail"),
        Event.Kind.REMINDED: gettext("Reminder sent by e-mail"),
        Event.Kind.RECEIPT_SENT: gettext("%(source)s was told that you opened the letter"),
    }
    if line.kind == Event.Kind.OPENED and line.by_viewer:
        return gettext("You opened the letter")
    return words.get(line.kind, line.kind)
