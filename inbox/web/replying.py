"""Answers, bills and links out made ready for the letter's page: finished texts and addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from django.conf import settings
from django.urls import reverse
from django.utils.translation import get_language, gettext, ngettext

from connectors.contract import Rest
from inbox.letters.body import render_body
from inbox.letters.models import Event, Letter, Reply
from inbox.letters.payment import account_is_right, kid_is_right
from inbox.letters.presentation import DocumentLine, LetterPage, Row
from inbox.sync.acts import Asked
from inbox.sync.replies import CannotReply
from inbox.web import letter_words
from inbox.web.dates import Calendar

POLLS_MAX = 60
"""An open page asks this often whether the answer has gone or come; then it is for her to ask."""
LINKS_MAX = 20


def may_have_replies(page: LetterPage) -> bool:
    """Say whether the letter can have answers: of most nothing need be asked."""
    replied = any(event.kind == Event.Kind.REPLIED for event in page.events)
    return bool(page.reply_forms or page.messages or replied)


def reply_context(
    page: LetterPage,
    replies: Sequence[Reply],
    source: str,
    calendar: Calendar,
    kept: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what the letter's page shows for answering. `kept`: a text that had no session."""
    return {
        "forms": [
            _form(page, form, replies, calendar, kept)
            for form in page.reply_forms
            if form["kind"] != "closed"
        ],
        "closed_reasons": [form["reason"] for form in page.reply_forms if form["kind"] == "closed"],
        **confirm_context(page, calendar),
        **thread_context(page, replies, source, calendar),
    }


def confirm_context(page: LetterPage, calendar: Calendar) -> dict[str, Any]:
    """Return whether she can confirm the letter, or can once it is here, and by which day.

    What has been confirmed, here or elsewhere, is not asked for again.
    """
    row = page.row
    asks = row.needs_action and any(each.needs_confirmation for each in page.deliveries)
    is_here = row.content in (Letter.Content.KEPT, Letter.Content.GONE)
    return {
        "confirms": asks and is_here,
        "will_confirm": asks and not is_here,
        "confirm_by": calendar.full_day(row.due_at) if asks and row.due_at else "",
    }


def thread_context(
    page: LetterPage, replies: Sequence[Reply], source: str, calendar: Calendar, polls: int = 0
) -> dict[str, Any]:
    """Return her answers and the sender's, oldest first; `polls`: how often it was asked for."""
    entries = [
        answer_entry(page.row, reply, calendar) for reply in replies if reply.state != "draft"
    ]
    ways = {link["url"]: link for link in links_out(page)}
    files = {document.name: document for document in page.documents}
    entries += [
        message_entry(page.row, message, calendar, ways, files) for message in page.messages
    ]
    entries.sort(key=lambda entry: entry["at"])
    waits = any(reply.state == "waiting" for reply in replies)
    expects = bool(entries) and entries[-1]["hers"] and entries[-1]["state"] == "done"
    more = sum(entry.get("rest") == Rest.ON_OPEN for entry in entries)
    expects = expects or (more > 0 and any(line.has_more for line in page.deliveries))
    return {
        "letter": page.row,
        "entries": entries,
        "source_label": source,
        "is_waiting": waits,
        "thread_polls": (waits or expects) and polls < POLLS_MAX,
        "thread_address": f"{reverse('letter_thread', args=[page.row.id])}?asked={polls + 1}",
        "thread_mark": f"{len(entries)}.{more}" if more else len(entries),
    }


def draft_context(
    letter_id: UUID, form: Mapping[str, Any], draft: Reply | None, count: int, calendar: Calendar
) -> dict[str, Any]:
    """Return what a form shows of its draft; `count` answers of this form are not drafts."""
    return {
        "code": form["code"],
        "id": draft.id if draft else uuid5(letter_id, f"{form['code']}:{count}"),
        "version": draft.version if draft else 0,
        "text": draft.text if draft else "",
        "has_draft": draft is not None,
        "saved": gettext("Draft saved %(moment)s.") % {"moment": calendar.moment(draft.updated_at)}
        if draft
        else "",
        "files": [_file(letter_id, each) for each in draft.attachments] if draft else [],
    }


def _form(
    page: LetterPage,
    form: Mapping[str, Any],
    replies: Sequence[Reply],
    calendar: Calendar,
    kept: Mapping[str, str] | None,
) -> dict[str, Any]:
    own = [reply for reply in replies if reply.form == form["code"]]
    draft = next((reply for reply in own if reply.state == "draft"), None)
    answered = next((reply for reply in own if reply.choice and reply.state != "failed"), None)
    sent = sum(reply.state != "draft" for reply in own)
    made = draft_context(page.row.id, form, draft, sent, calendar)
    if kept and kept.get("form") == form["code"] and kept.get("text", "") != made["text"]:
        made |= {"other": made["text"], "text": kept["text"], "kept": True}
    types = {"application/pdf": "PDF", "image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF"}
    return made | {
        "kind": form["kind"],
        "label": form["label"] or gettext("Reply to the sender"),
        "choices": form["choices"],
        "answered": answered.choice_label if answered else "",
        "text_max": form["text_max"],
        "takes_files": form["attachments_max"] > 0,
        "accept": ",".join(form["attachment_types"]),
        "files_rule": gettext("At most %(n)d files, each at most %(size)s: %(types)s.")
        % {
            "n": form["attachments_max"],
            "size": letter_words.size_of(form["attachment_bytes_max"]),
            "types": ", ".join(types.get(each, each) for each in form["attachment_types"]),
        },
    }


def _file(letter_id: UUID, said: Mapping[str, Any]) -> dict[str, str]:
    return {
        "id": said["id"],
        "name": said["name"],
        "size": letter_words.size_of(said["size"]),
        "address": reverse("reply_file", args=[letter_id, said["id"]]),
    }


def answer_entry(row: Row, reply: Reply, calendar: Calendar) -> dict[str, Any]:
    """Return what a thread shows of an answer of hers that is no draft."""
    at = reply.sent_at or reply.updated_at
    sender = {"sender": row.sender_name}
    words = {
        "waiting": gettext("Waiting to be sent to %(sender)s") % sender,
        "done": gettext("Sent to %(sender)s") % sender,
        "failed": gettext("Not sent: %(sender)s did not take it") % sender,
    }
    colors = {"waiting": "warning", "done": "success", "failed": "danger"}
    return {
        "hers": True,
        "id": reply.id,
        "at": at,
        "moment": calendar.moment(at),
        "state": reply.state,
        "state_words": words[reply.state],
        "color": colors[reply.state],
        "tried": reply.attempts > 0 and reply.state == "waiting" and bool(reply.last_error),
        "text": reply.choice_label or reply.text,
        "files": [_file(row.id, each) for each in reply.attachments],
        "reference": reply.reference,
        "refusal": reply.refusal,
        "can_edit": reply.state == "failed" and not reply.choice,
    }


def message_entry(
    row: Row,
    message: Mapping[str, Any],
    calendar: Calendar,
    ways: Mapping[str, Mapping[str, str]] | None = None,
    documents: Mapping[str, DocumentLine] | None = None,
) -> dict[str, Any]:
    """Return what a thread shows of a message that came from the source.

    `ways` out of the letter by address and its `documents` by name, where they are to be shown.
    """
    at = datetime.fromisoformat(message["at"])
    author = gettext("From your side") if message.get("from_her") else row.sender_name
    # DialogTransmissionType; a plain message, or of a kind that we do not know, says no kind.
    kinds = {
        "Acceptance": gettext("Acceptance"),
        "Rejection": gettext("Rejection"),
        "Request": gettext("Request"),
        "Alert": gettext("Alert"),
        "Decision": gettext("Decision"),
        "Submission": gettext("Submission"),
        "Correction": gettext("Correction"),
    }
    return {
        "hers": False,
        "at": at,
        "moment": calendar.moment(at),
        "state": "",
        "author": message["author"] or author,
        "kind": kinds.get(message.get("kind", ""), ""),
        "title": message.get("title", ""),
        "text": message["text"],
        "body": render_body(message.get("body", ""), message.get("body_media_type", "")),
        "rest": message.get("rest", ""),
        "links": [
            dict(ways[link["url"]], label=link["label"], until=_until(link, calendar))
            for link in message.get("links", ())
            if ways and link["url"] in ways
        ],
        "files": [
            _came_with(row.id, documents[name])
            for name in message.get("documents", ())
            if documents and name in documents
        ],
    }


def _until(link: Mapping[str, str], calendar: Calendar) -> str:
    return calendar.day(datetime.fromisoformat(link["due_at"])) if link["due_at"] else ""


def _came_with(letter_id: UUID, line: DocumentLine) -> dict[str, str]:
    return {
        "name": line.title,
        "size": letter_words.size_of(line.size),
        "address": reverse("document", args=[letter_id, line.id]) if line.kept else "",
    }


def why_not(problem: CannotReply) -> str:
    """Return in plain words why an answer or a file is not taken."""
    if problem.code == "too_many":
        count = int(str(problem.detail))
        said = ngettext(
            "You can attach at most %(n)d file.", "You can attach at most %(n)d files.", count
        )
        return said % {"n": count}
    if problem.code == "too_long":
        said = gettext("The text is too long: it may have %(n)d characters. Your text is kept.")
        return said % {"n": int(str(problem.detail))}
    words = {
        "closed": gettext("This letter cannot be answered here any more."),
        "no_choice": gettext("Choose one of the answers."),
        "no_draft": gettext("There is no draft to send. It may have been sent from another tab."),
        "has_draft": gettext("You have begun another answer. Send or discard that first."),
        "empty": gettext("Write something before you send."),
        "too_large": gettext("The file %(name)s is too large."),
        "wrong_type": gettext("The file %(name)s is of a type that the sender does not take."),
        "empty_file": gettext("The file %(name)s is empty."),
    }
    return words[problem.code].replace("%(name)s", str(problem.detail)[:100])


def amount_of(hundredths: int, currency: str) -> str:
    """Return an amount as it is written in the language of the page, with non-breaking spaces."""
    whole, rest = divmod(hundredths, 100)
    if (get_language() or "").startswith("en"):
        return f"{currency}\xa0{whole:,}.{rest:02d}"
    grouped = f"{whole:,}".replace(",", "\xa0")
    return f"{grouped},{rest:02d}\xa0{'kr' if currency == 'NOK' else currency}"


def payment_context(page: LetterPage, calendar: Calendar) -> dict[str, Any] | None:
    """Return what is to be paid: each value as shown and as it is copied."""
    said = page.payment
    if said is None:
        return None
    account, kid = said["account"].replace(" ", "").replace(".", ""), said["kid"]
    written = f"{account[:4]} {account[4:6]} {account[6:]}" if len(account) == 11 else account
    values = [
        (
            gettext("Amount"),
            amount_of(said["amount"], said["currency"]),
            f"{said['amount'] // 100},{said['amount'] % 100:02d}",
        ),
        (gettext("To account"), written, account),
    ]
    if kid:
        values.append((gettext("KID"), kid, kid))
    warnings = []
    if kid and not kid_is_right(kid):
        warnings.append(gettext("The KID does not look right. Check it with the sender."))
    if said["currency"] == "NOK" and not account_is_right(account):
        warnings.append(
            gettext("The account number does not look right. Check it with the sender.")
        )
    due = datetime.fromisoformat(said["due_at"]) if said["due_at"] else None
    return {
        "values": [{"name": name, "shown": shown, "copied": raw} for name, shown, raw in values],
        "due": calendar.full_day(due) if due else "",
        "warnings": warnings,
    }


def signing_words(page: LetterPage, calendar: Calendar) -> dict[str, str] | None:
    """Return where a document to be signed stands."""
    said = page.signing
    if said is None:
        return None
    words = {
        "waiting": (gettext("The document waits for your signature."), "warning"),
        "signed": (gettext("You have signed the document."), "success"),
        "rejected": (gettext("You have declined to sign the document."), "neutral"),
        "expired": (gettext("The time to sign the document has passed."), "danger"),
    }
    text, color = words[said["status"]]
    at = calendar.moment(datetime.fromisoformat(said["at"])) if said["at"] else ""
    return {"said": text, "color": color, "at": at}


def done_context(page: LetterPage) -> dict[str, Any]:
    """Return what she can say of a task or a bill herself, or of what its source closes then."""
    closes = any(line.provenance.get("closes") for line in page.deliveries)
    asks = page.row.needs_action or page.payment is not None or closes
    return {
        "can_be_done": asks and not page.row.handled,
        "is_bill": page.payment is not None or page.row.kind == Letter.Kind.INVOICE,
        "can_be_undone": page.handled_by == Letter.HandledBy.HERSELF,
    }


def links_out(page: LetterPage) -> list[dict[str, str]]:
    """Return every way out of the letter: the sender's actions, signing, links in documents.

    `key` is what the address of the leaving page names it by.
    """
    found = []
    for number, action in enumerate(page.actions):
        if action.get("method", "GET") != "GET":
            continue  # no link: `act_lines`
        label = action.get("label") or gettext("Go to the sender")
        found.append(
            {
                "key": f"a{number}",
                "url": action.get("url", ""),
                "label": label,
                "due": action.get("due_at", ""),
                "takes_return": "1" if action.get("takes_return") else "",
                "message": "",
            }
        )
    for message in page.messages:
        # By the message's own id, as the thread may grow between page and click.
        found += [
            {
                "key": f"m{message['id']}.{number}",
                "url": link["url"],
                "label": link["label"] or gettext("Go to the sender"),
                "due": link["due_at"],
                "takes_return": "",
                "message": message["id"],
            }
            for number, link in enumerate(message.get("links", ()))
        ]
    if page.signing and page.signing["url"] and page.signing["status"] == "waiting":
        sign = {"key": "s0", "url": page.signing["url"], "label": gettext("Sign the document")}
        found.append(sign | {"due": "", "takes_return": "", "message": ""})
    known = {link["url"] for link in found}
    number = 0
    for url in _document_links(page):
        if url not in known and number < LINKS_MAX:
            found.append(
                {"key": f"d{number}", "url": url, "label": "", "due": "", "takes_return": ""}
                | {"message": ""}
            )
            known.add(url)
            number += 1
    unique: dict[str, dict[str, str]] = {}
    for link in found:
        host = host_of(link["url"])
        if host and link["url"] not in unique:
            unique[link["url"]] = link | {
                "host": host,
                "address": f"{reverse('letter_leave', args=[page.row.id])}?to={link['key']}",
            }
    return list(unique.values())


def act_lines(page: LetterPage, asked: Mapping[str, Asked]) -> list[dict[str, str]]:
    """Return what the sender offers to do for her: each with its page, or where it stands."""
    lines = []
    for action in page.actions:
        host = host_of(action["url"])
        if action.get("method", "GET") == "GET" or not host:
            continue
        known = asked.get(action["id"])
        lines.append(
            {
                "id": action["id"],
                "label": action["label"],
                "host": host,
                "url": action["url"],
                "prompt": action["prompt"],
                "agreed": action["agreed"],
                "state": known.state if known else "",
                "problem": act_problem(known, host) if known else "",
                "said": known.said if known else "",
                "address": f"{reverse('letter_act', args=[page.row.id])}?do={action['id']}",
            }
        )
    return lines


def act_problem(asked: Asked, host: str) -> str:
    """Return why it was not done, in plain words; empty where nothing went wrong."""
    words = {
        "changed": gettext("It was not done: the sender offers something else by now."),
        "host": gettext("It was not done: we ask no such thing of %(host)s."),
        "refused": gettext("It was not done: %(host)s said no."),
        "gone": gettext("It was not done: the sender no longer has the letter, or says no to you."),
        "unreached": gettext("It was not done: we could not reach the sender."),
        "uncertain": gettext(
            "We do not know whether it was done: no proper answer came from %(host)s. Ask the"
            " sender before you try again."
        ),
    }
    said = words.get(asked.problem, "")
    return said % {"host": host} if said else ""


def _document_links(page: LetterPage) -> Iterable[str]:
    for document in page.documents:
        for link in document.links:
            yield str(link["url"])


def host_of(url: str) -> str:
    """Return the host an https address leads to, "" for every other or misleading address.

    A browser reads a backslash as a slash, and what stands before an @ is no host. In the demo
    the simulators' own pages may be reached without https.
    """
    if not url.isprintable() or " " in url or "\\" in url:
        return ""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        simulators = urlsplit(settings.SIMULATORS_PUBLIC_URL)
    except ValueError:
        return ""
    if "@" in parts.netloc or not host:
        return ""
    if settings.DEMO and (parts.scheme, parts.netloc) == (simulators.scheme, simulators.netloc):
        return parts.netloc
    return host.removeprefix("www.") if parts.scheme == "https" else ""


def sent_line(reply: Reply, row: Row, calendar: Calendar) -> dict[str, str]:
    """Return one line of the page with answers; what is above the session's level is left out."""
    words = {
        "draft": gettext("Draft"),
        "waiting": gettext("Waiting to be sent to %(sender)s") % {"sender": row.sender_name},
        "done": gettext("Sent"),
        "failed": gettext("Not sent"),
    }
    colors = {"draft": "neutral", "waiting": "warning", "done": "success", "failed": "danger"}
    at = reply.sent_at or reply.updated_at
    said = "" if row.locked else reply.choice_label or " ".join(reply.text.split())
    return {
        "title": letter_words.title_of(row),
        "sender": row.sender_name,
        "address": f"{reverse('letter', args=[row.id])}#reply",
        "text": said if len(said) <= 160 else said[:159].rstrip() + "…",
        "moment": calendar.moment(at),
        "iso": at.isoformat(timespec="minutes"),
        "state": words[reply.state],
        "color": colors[reply.state],
        "reference": "" if row.locked else reply.reference,
    }
