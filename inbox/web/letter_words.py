"""What is known of a letter, in plain words: events, checks, how long it exists, deadlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from django.utils.translation import get_language, gettext, ngettext

from connectors.contract import PaperStep
from inbox.citizens.models import SecurityLevel
from inbox.letters.models import DocumentText, Event, Letter
from inbox.letters.presentation import DeliveryLine, DocumentLine, EventLine, LetterPage, Row
from inbox.web.dates import Calendar

DUE_SOON_DAYS = 14


def title_of(row: Row) -> str:
    """Return what may stand as the letter's title at the level of the session."""
    return row.title or gettext("Letter from %(sender)s") % {"sender": row.sender_name}


def group_digits(org_number: str) -> str:
    """Return an organisation number as it is written: "889 640 782"."""
    return " ".join(org_number[start : start + 3] for start in range(0, len(org_number), 3))


@lru_cache(maxsize=256)
def language_base(code: str) -> str:
    """Return "nb" for "nb-NO"; Norwegian of no stated form counts as bokmål, nonsense as none."""
    base = code.partition("-")[0].lower()
    if not (base.isascii() and base.isalpha() and len(base) in (2, 3)):
        return ""
    return "nb" if base == "no" else base


def other_language(code: str) -> str:
    """Return the letter's language where it is another than the page's, else empty."""
    base = language_base(code)
    return base if base != language_base(get_language() or "nb") else ""


def language_name(code: str) -> str:
    """Return a language's name in the page's language; a code that we do not know as it is."""
    known = {
        "nb": gettext("Bokmål"),
        "nn": gettext("Nynorsk"),
        "en": gettext("English"),
        "se": gettext("Northern Sami"),
        "smj": gettext("Lule Sami"),
        "sma": gettext("Southern Sami"),
    }
    return known.get(code, code)


def kind_of(row: Row) -> str:
    """Return what sort of letter it is, empty for a plain one."""
    return {
        Letter.Kind.DECISION.value: gettext("Decision"),
        Letter.Kind.TASK.value: gettext("Task"),
        Letter.Kind.NOTICE.value: gettext("Notice"),
        Letter.Kind.INVOICE.value: gettext("Invoice"),
    }.get(row.kind, "")


def level_of(security_level: int) -> str:
    """Return the level that a session must have to read the letter."""
    if security_level >= SecurityLevel.HIGH:
        return gettext("High (level 4)")
    return gettext("Substantial (level 3)")


def type_of(media_type: str) -> str:
    """Return what people call a file of this type."""
    known = {
        "application/pdf": "PDF",
        "image/png": "PNG",
        "image/jpeg": "JPEG",
        "image/gif": "GIF",
        "text/plain": gettext("Text"),
        "text/html": "HTML",
        "application/xml": "XML",
        "text/xml": "XML",
    }
    return known.get(media_type) or gettext("File")


def unusual(warnings: Sequence[str]) -> list[str]:
    """Return what she should know before opening a document; other codes say nothing."""
    said = {
        "locked": gettext("The document is locked with a password. The sender has it."),
        "encrypted": gettext(
            "The document is encrypted. If you are asked for a password, the sender has it."
        ),
        "broken": gettext(
            "The file has faults. If you cannot open it, ask the sender for a new one."
        ),
        "script": gettext(
            "There is a program in the document, which is unusual in a letter. "
            "Say no if you are asked whether it may run."
        ),
        "embedded_files": gettext(
            "Other files lie inside the document. Open them only if you expected them."
        ),
    }
    found = {"broken" if code == "repaired" else code for code in warnings}
    if "locked" in found:
        found.discard("encrypted")
    return [words for code, words in said.items() if code in found]


NOT_AT_ONCE = {"locked", "script"}
"""Warnings upon which a document is shown only when she asks for it."""


def format_of(line: DocumentLine) -> str:
    """Return how far a PDF is fit to be kept for life, in plain words; empty for what is none.

    "PDF/A" is never said without who has looked, and how far.
    """
    said = line.format
    if not line.kept or line.media_type.partition(";")[0].strip().lower() != "application/pdf":
        return ""
    if not line.pages or "broken" in line.warnings:
        return ""
    shown = {"level": f"PDF/A-{said.level}", "by": said.checked_by}
    if said.status == DocumentText.Pdfa.VALIDATED:
        text = gettext(
            "Yes. The file follows the standard for documents that are to be readable for a long "
            "time (%(level)s). It has been held against the whole standard by %(by)s."
        )
    elif said.status == DocumentText.Pdfa.CHECKED:
        text = gettext(
            "Probably. The file says that it follows the standard for documents that are to be "
            "readable for a long time (%(level)s), and what can be seen from outside agrees. "
            "Nobody has held it against the whole standard. Looked at by %(by)s."
        )
    elif "validation" in said.lacks:
        text = gettext(
            "No. The file says that it follows the standard for documents that are to be readable "
            "for a long time (%(level)s), but %(by)s has found that it does not."
        )
    elif said.status == DocumentText.Pdfa.CLAIMED:
        text = gettext(
            "Not certain. The file says that it follows the standard for documents that are to be "
            "readable for a long time (%(level)s), but it lacks something of that, or we could "
            "not look at all of it. Looked at by %(by)s."
        )
    else:
        return gettext(
            "The file does not say that it is made to be readable for a long time. "
            "We keep it just as it came."
        )
    return text % shown


def not_copied(reason: str) -> str:
    """Return that no PDF could be made of a text, and why; empty for no reason."""
    why = {
        "": "",
        "characters": gettext("It is written with characters that none of our fonts has."),
        "too_large": gettext("It is too long."),
        "missing": gettext("It could not be read in the archive. We have been told."),
    }.get(reason, gettext("Our program could not set it."))
    if not why:
        return ""
    lead = gettext("No PDF could be made of this text. What the sender sent is kept as it came.")
    return f"{lead} {why}"


def size_of(count: int | None) -> str:
    """Return a number of bytes for people: "68 B", "148 kB", "2,1 MB", "5 GB".

    The space is one that does not break.
    """
    if count is None:
        return ""
    if count < 1000:
        return f"{count}\xa0B"
    if count < 999_500:
        return f"{round(count / 1000)}\xa0kB"
    point = "." if (get_language() or "").startswith("en") else ","
    unit, size = ("GB", 10**9) if count >= 999_950_000 else ("MB", 10**6)
    return f"{count / size:.1f}".removesuffix(".0").replace(".", point) + f"\xa0{unit}"


def deadline(row: Row, calendar: Calendar) -> dict[str, str] | None:
    """Return the alert over the letter: what she must do, by when, and how many days are left."""
    if row.handled:
        said, left = gettext("This is done. You need not do anything more."), ""
        if row.due_at:
            is_over = row.due_at < calendar.now
            left = (
                gettext("The deadline was %(day)s.")
                if is_over
                else gettext("The deadline is %(day)s.")
            )
            left %= {"day": calendar.full_day(row.due_at)}
        return {"color": "success", "said": said, "left": left}
    if row.due_at is None:
        if not row.needs_action:
            return None
        said = gettext("The sender asks you to do something.")
        return {"color": "warning", "said": said, "left": ""}
    days, day = calendar.days_until(row.due_at), {"day": calendar.full_day(row.due_at)}
    if row.due_at < calendar.now:
        said = gettext("The deadline passed on %(day)s.") % day
        return {"color": "danger", "said": said, "left": ""}
    color = "danger" if days < DUE_SOON_DAYS else "warning"
    return {"color": color, "said": _must(row) % day, "left": _left(days)}


def _must(row: Row) -> str:
    if row.kind == Letter.Kind.INVOICE:
        return gettext("You must pay by %(day)s.")
    if row.needs_action:
        return gettext("You must do this by %(day)s.")
    return gettext("The deadline is %(day)s.")


def _left(days: int) -> str:
    if days == 0:
        return gettext("That is today.")
    text = ngettext("There is %(n)d day left.", "There are %(n)d days left.", days)
    return text % {"n": days}


def on_paper(row: Row, calendar: Calendar) -> dict[str, str] | None:
    """Return what is said over a letter that its sender sent by post, too."""
    if row.returned_at:
        said = gettext("The letter on paper came back on %(day)s.")
        meaning = gettext(
            "The post could not deliver it. The printing service shredded it and told the sender. "
            "The letter can be read here. Check that the address in the Population Register is "
            "right and that the name is on the letter box."
        )
        return {
            "color": "warning",
            "said": said % {"day": calendar.full_day(row.returned_at)},
            "meaning": meaning,
        }
    if row.on_paper_at:
        said = gettext("The sender sent this letter on paper on %(day)s.")
        return {
            "color": "info",
            "said": said % {"day": calendar.full_day(row.on_paper_at)},
            "meaning": gettext("What comes by post is the same letter as this one."),
        }
    return None


def checks(line: DeliveryLine, source: str) -> list[str]:
    """Return what was checked on the way in; a code that we do not know says nothing."""
    said = {
        "certificate": gettext("The sender signed with a business certificate"),
        "token": gettext("The sender proved who it is"),
        "portal": gettext("An employee of the sender, logged in with ID-porten, sent it"),
        "source": gettext("%(source)s vouches for the sender") % {"source": source},
    }.get(line.sender_verified)
    passed = [said] if said else []
    for code, words in (
        ("message_signature", gettext("The signature is genuine")),
        ("package_signature", gettext("The sender has signed every document")),
        ("sender_token", gettext("The sender has the right to send digital post")),
        ("package_fingerprint", gettext("Unchanged on the way to us")),
    ):
        if line.provenance.get(code) == "verified":
            passed.append(words)
    if line.provenance.get("revocation") == "not revoked":
        passed.append(gettext("The sender's certificate had not been revoked when the letter came"))
    return passed


def proved(by: str) -> str:
    """Return what is proved of a letter from a copy, by "log", "seal" or nothing."""
    return {
        "log": gettext("The documents are those that our archive sealed: its log shows it."),
        "seal": gettext("The documents fit a seal, of which our log knows nothing."),
    }.get(by, gettext("Nothing but that the copy was whole."))


def span(start: str, end: str, calendar: Calendar) -> str:
    """Return a time from and until, ISO, "" where open: "9. september 2019 kl. 09.00–21.00"."""
    if not start or not end:
        only = start or end
        said = calendar.moment(datetime.fromisoformat(only)) if only else ""
        return said if start or not end else gettext("until %(moment)s") % {"moment": said}
    first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    if calendar.full_day(first) == calendar.full_day(last):
        return f"{calendar.moment(first)}–{calendar.time_of_day(last)}"
    return f"{calendar.moment(first)} – {calendar.moment(last)}"


def validity(proof: Mapping[str, str], calendar: Calendar) -> str:
    """Return when a proof is valid, empty when it does not say."""
    days = {
        name: calendar.full_day(datetime.fromisoformat(proof[name]))
        for name in ("valid_from", "valid_until")
        if proof[name]
    }
    if len(days) == 2:
        return gettext("from %(valid_from)s until %(valid_until)s") % days
    if "valid_from" in days:
        return gettext("from %(valid_from)s") % days
    return gettext("until %(valid_until)s") % days if days else ""


def not_checked(provenance: Mapping[str, str]) -> str:
    """Return what was not checked on the way in though it could be, empty when nothing."""
    said = []
    if provenance.get("sender_token") == "not verified":
        said.append(gettext("The sender's right to send digital post"))
    if provenance.get("revocation") == "not looked up":
        said.append(gettext("Whether the sender's certificate has been revoked"))
    return ". ".join(said)


def sent_by(provenance: Mapping[str, str], sender: str, org_number: str) -> str:
    """Return who sent the letter on the sender's behalf, empty when it sent it itself."""
    name, number = provenance.get("signer", ""), provenance.get("signer_org_number", "")
    if not name or not number or not org_number or number == org_number:
        return ""
    said = gettext("%(processor)s on behalf of %(sender)s")
    return said % {"processor": name, "sender": sender}


def matched(reason: str) -> str:
    """Return why a copy is taken for the same letter, empty for the first one."""
    return {
        "reference": gettext("The sender gave both the same reference"),
        "document": gettext("The sender and the document are the same, byte for byte"),
        "case": gettext("The sender, the title and the case number are the same"),
        "herself": gettext("You chose to show them as one letter"),
    }.get(reason, "")


def signer_of(provenance: Mapping[str, str]) -> str:
    """Return who signed the message: "NAV (889 640 782)"."""
    name, number = provenance.get("signer", ""), provenance.get("signer_org_number", "")
    return f"{name} ({group_digits(number)})" if name and number else name


def keeping(page: LetterPage, labels: Mapping[str, str], calendar: Calendar) -> list[str]:
    """Return how long the letter exists, at each source that it came by and here."""
    said = [gettext("The sender has withdrawn the letter.")] if page.row.withdrawn else []
    ends = {
        line.source: line.expires_at
        for line in page.deliveries
        if line.expires_at and not line.withdrawn_at and not line.gone_at
    }
    for line in page.deliveries:
        if line.gone_at:
            noticed = {
                "source": labels.get(line.source, line.source),
                "day": calendar.full_day(line.gone_at),
            }
            text = gettext("%(source)s no longer has the letter. We found that out on %(day)s.")
            said.append(text % noticed)
    for slug, end in ends.items():
        shown = {"source": labels.get(slug, slug), "day": calendar.full_day(end)}
        if calendar.days_until(end) >= 0:
            said.append(gettext("%(source)s shows the letter until %(day)s.") % shown)
        else:
            said.append(gettext("%(source)s stopped showing the letter on %(day)s.") % shown)
    said += _copy(page, max(ends.values(), default=None), calendar)
    if page.documentary_value is True:
        said.append(gettext("The sender says that the letter has lasting value as proof."))
    elif page.documentary_value is False:
        said.append(gettext("The sender says that the letter has no lasting value as proof."))
    return said


def vanishing(page: LetterPage, labels: Mapping[str, str], calendar: Calendar) -> str:
    """Return when what is not kept here disappears at its source; empty where all is here."""
    row = page.row
    lacks = any(each.lacking for each in page.documents)
    if row.content != Letter.Content.ON_OPEN and not (row.content == Letter.Content.KEPT and lacks):
        return ""
    ends = [(line.keep_by, line) for line in page.deliveries if line.keep_by and not line.gone_at]
    if not ends:
        return ""
    end, line = min(ends, key=lambda each: each[0])
    said = line.expires_at == end or any(each.expires_at == end for each in page.documents)
    return disappears(end, labels.get(line.source, line.source), calendar, is_said=said)


def disappears(end: datetime, source: str, calendar: Calendar, *, is_said: bool) -> str:
    """Return when a letter that is not kept here goes; `is_said`: by the source's own word."""
    shown = {"source": source, "day": calendar.full_day(end)}
    if end < calendar.now:
        if is_said:
            return gettext("It disappeared at %(source)s on %(day)s.") % shown
        return gettext("It may disappear at %(source)s any day unless you keep a copy.") % shown
    if is_said:
        return gettext("It disappears at %(source)s on %(day)s unless you keep a copy.") % shown
    return gettext("It may disappear at %(source)s after %(day)s unless you keep a copy.") % shown


def _copy(page: LetterPage, end: datetime | None, calendar: Calendar) -> list[str]:
    if page.row.content == Letter.Content.GONE:
        return [gettext("The letter was removed before we could keep a copy.")]
    if page.row.content != Letter.Content.KEPT:
        lacking = gettext("We have not kept a copy yet.")
    elif any(document.gone for document in page.documents):
        return [gettext("Some of the documents were gone before we could keep a copy.")]
    elif any(document.lacking for document in page.documents):
        lacking = gettext("We have not kept a copy of every document yet.")
    elif page.row.incomplete and not page.documents:
        return [gettext("What was sent is kept here. What it leads to at the sender is not.")]
    else:
        kept = gettext("Your copy is kept here.")
        if any(document.not_given for document in page.documents):
            kept = gettext("What you are given of the letter is kept here.")
        until = gettext("You have it until you delete it yourself.")
        return [f"{kept} {until}"]
    if end and calendar.days_until(end) >= 0:
        by = gettext("Fetch it before %(day)s.") % {"day": calendar.full_day(end)}
        return [f"{lacking} {by}"]
    return [lacking]


def event_words(line: EventLine, source: str) -> str:
    """Return one line of the timeline, empty for an event that she need not be told of."""
    if line.kind == Event.Kind.OPENED and line.by_viewer:
        return gettext("You opened the letter")
    if line.kind == Event.Kind.RECEIVED and line.detail.get("source") == Letter.OWN:
        return gettext("You added the letter") if line.is_own else gettext("The letter was added")
    if line.kind == Event.Kind.HANDLED:
        return _handled_words(line) % {"source": source, "by": line.detail.get("by", "")}
    if line.kind == Event.Kind.FORWARDED and "to" in line.detail:
        text = (
            gettext("Sent to your mailbox, %(source)s. Receipt: %(reference)s")
            if line.is_own
            else gettext("Sent to the recipient's mailbox, %(source)s. Receipt: %(reference)s")
        )
        return text % {"source": source, "reference": line.detail.get("reference", "")}
    if line.kind == Event.Kind.ON_PAPER:
        return _paper_words(line)
    if line.kind == Event.Kind.CONTENT_KEPT and line.detail.get("automatic"):
        text = (
            gettext("Copy fetched from %(source)s before the letter disappears, as you have agreed")
            if line.is_own
            else gettext("Copy fetched from %(source)s before the letter disappears")
        )
        return text % {"source": source}
    if line.kind == Event.Kind.NOTIFIED and line.detail.get("vanishing"):
        return gettext("E-mail sent: the letter may disappear, and no copy is kept")
    if line.kind == Event.Kind.REOPENED and line.detail.get("source"):
        return gettext("%(source)s did not take the confirmation") % {"source": source}
    if line.kind == Event.Kind.RECEIPT_SENT:
        return _act_words(line) or _receipt_words(line) % {"source": source}
    words: dict[str, str] = {
        Event.Kind.RECEIVED: gettext("Fetched from %(source)s to Samlepost"),
        Event.Kind.OPENED: gettext("The letter was opened"),
        Event.Kind.OPENED_ELSEWHERE: gettext("The letter was opened at %(source)s"),
        Event.Kind.DOCUMENT_OPENED: gettext("A document was opened"),
        Event.Kind.CONTENT_REQUESTED: gettext("You asked for a copy"),
        Event.Kind.CONTENT_KEPT: gettext("Content fetched from %(source)s, copy kept"),
        Event.Kind.REPLACED: gettext("The sender sent new content; the old is kept as well"),
        Event.Kind.GONE: gettext("%(source)s no longer has the letter"),
        Event.Kind.WITHDRAWN: gettext("The sender withdrew the letter"),
        Event.Kind.SPLIT: gettext("The copy from %(source)s was made a letter of its own"),
        Event.Kind.JOINED: gettext("The copy from %(source)s was put together with the letter"),
        Event.Kind.REOPENED: gettext("You took back that it was done"),
        Event.Kind.REPLIED: gettext("Your answer was sent to %(source)s"),
        Event.Kind.ANSWERED: gettext("The sender answered you"),
        Event.Kind.NOTIFIED: gettext("Notice sent to you by e-mail"),
        Event.Kind.FORWARDED: gettext("The letter was sent on by a link"),
        Event.Kind.REMINDED: gettext("Reminder sent to you by e-mail"),
        Event.Kind.CORRECTED: gettext("You changed what is said about the letter"),
        Event.Kind.BROUGHT: gettext("You brought the letter in from a copy"),
    }
    if not line.is_own:
        words |= _to_others()
    said = words.get(line.kind, "")
    if line.kind == Event.Kind.RECEIVED and line.detail.get("documents"):
        said = gettext("Fetched from %(source)s to Samlepost, copy kept")
    return said % {"source": source} if said else ""


def _paper_words(line: EventLine) -> str:
    """Return how far the letter on paper has come."""
    return {
        PaperStep.ACCEPTED.value: gettext("The printing service took the letter on paper"),
        PaperStep.POSTED.value: gettext("The letter on paper was given to the post"),
        PaperStep.RETURNED.value: gettext("The letter on paper came back, undelivered"),
    }.get(str(line.detail.get("step", "")), gettext("Sent on paper"))


def _to_others() -> dict[str, str]:
    """Return what is said to a helper where "you" is the recipient."""
    return {
        Event.Kind.CONTENT_REQUESTED: gettext("A copy was asked for"),
        Event.Kind.CORRECTED: gettext("What is said about the letter was changed"),
        Event.Kind.BROUGHT: gettext("The letter was brought in from a copy"),
        Event.Kind.REOPENED: gettext("It was taken back that it was done"),
        Event.Kind.REPLIED: gettext("The answer was sent to %(source)s"),
        Event.Kind.ANSWERED: gettext("The sender answered"),
        Event.Kind.NOTIFIED: gettext("Notice sent to the recipient by e-mail"),
        Event.Kind.REMINDED: gettext("Reminder sent to the recipient by e-mail"),
    }


def _handled_words(line: EventLine) -> str:
    own = {
        "reply": gettext("Done with your answer"),
        "confirmation": gettext("You confirmed that you have got the letter"),
        "herself": gettext("You marked it as done"),
    }
    if not line.is_own:
        own |= {
            "reply": gettext("Done with the answer"),
            "confirmation": gettext("It was confirmed that the letter has arrived"),
            "herself": gettext("Marked as done"),
        }
    how = own.get(str(line.detail.get("how", "")))
    if how:
        return how
    if line.detail.get("by"):
        return gettext("Noted as done by %(source)s: %(by)s")
    return gettext("Noted as done by %(source)s")


def _act_words(line: EventLine) -> str:
    """Return what became of something that the sender was asked to do for her; else empty."""
    said = {
        "act_asked": gettext("Yes was said to this at %(host)s: %(what)s"),
        "acted": gettext("%(host)s has done it: %(what)s"),
        "act_refused": gettext("%(host)s has not done it: %(what)s"),
        "act_uncertain": gettext("No proper answer came from %(host)s: %(what)s"),
    }.get(str(line.detail.get("receipt", "")), "")
    return said % {name: line.detail.get(name, "") for name in ("host", "what")} if said else ""


def _receipt_words(line: EventLine) -> str:
    words = {
        "delivered": gettext("%(source)s was told that the letter has arrived"),
        "opened": gettext("%(source)s was told that you opened the letter"),
        "confirmed": gettext("%(source)s was told that you confirmed"),
        "handled": gettext("%(source)s was told that it is done"),
        "reopened": gettext("%(source)s was told that it is not done after all"),
        "notification_failed": gettext("%(source)s was told that no notice could be sent"),
    }
    if not line.is_own:
        words |= {
            "opened": gettext("%(source)s was told that the letter is opened"),
            "confirmed": gettext("%(source)s was told that the letter is confirmed"),
        }
    return words.get(str(line.detail.get("receipt", ""))) or gettext(
        "%(source)s was sent a receipt"
    )
