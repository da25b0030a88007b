"""What an agency wants sent: what its letters have in common, each letter, and what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from connectors import clock
from connectors.contract import (
    LEVEL_HIGH,
    Kind,
    Recipient,
    RecipientKind,
    ReplyChoice,
    ReplyForm,
    ReplyKind,
)
from inbox.citizens.identity import holds_national_id, is_national_id, is_organisation_number

TITLE_MAX = 200
REFERENCE_MAX = 64
LABEL_MAX = 200
CHOICE_MAX = 100
CHOICES = range(2, 11)
"""How many choices there may be."""
TEXT_MAX = 5000
"""Characters of an answer."""
FILES_MAX = 5
FILE_BYTES_MAX = 10_000_000
FILE_TYPES = ("application/pdf", "image/png", "image/jpeg")
FORM_CODE = "reply"
KINDS = (Kind.LETTER, Kind.DECISION, Kind.TASK, Kind.NOTICE)
"""A bill has fields of its own, which the portal does not ask for."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the letters of one dispatch have in common."""

    public_title: str = ""
    security_level: int = LEVEL_HIGH
    kind: Kind = Kind.LETTER
    documentary_value: bool | None = None
    wants_receipt: bool = False
    form: ReplyForm | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One letter."""

    recipient: str = field(repr=False)
    """National identity number or organisation number, as it was written."""
    title: str = field(repr=False)
    due_at: datetime | None = None
    case_reference: str = ""
    reference: str = ""
    file: str = ""
    """Its PDF's name in the zip; empty where all have the same."""
    line: int = 0
    """Of the list; 0 for a letter to one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing is sent, in a stable code. It repeats nothing of whom a letter is to."""

    code: str
    line: int = 0
    """Of the list; 0 where it is not about one line."""
    detail: str = ""


class Refused(Exception):
    """It cannot be sent as it is."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(", ".join(sorted({each.code for each in problems})))
        self.problems = list(problems)


def recipient_of(written: str) -> Recipient | None:
    """Return whom a number names, a person or an enterprise; None where it is no such number."""
    number = "".join(written.split())
    if is_national_id(number):
        return Recipient(RecipientKind.NATIONAL_ID, number)
    if is_organisation_number(number):
        return Recipient(RecipientKind.ORGANISATION, number)
    return None


def choice_form(label: str, choices: Sequence[str], *, settles: bool = True) -> ReplyForm:
    """Return a form that is answered with one press."""
    named = [ReplyChoice(str(place), each) for place, each in enumerate(choices, 1)]
    return ReplyForm(FORM_CODE, ReplyKind.CHOICE, label, choices=named, settles=settles)


def text_form(label: str, *, takes_files: bool, settles: bool = True) -> ReplyForm:
    """Return a form that is answered with a text, and files where it takes them."""
    return ReplyForm(
        FORM_CODE,
        ReplyKind.TEXT,
        label,
        text_max=TEXT_MAX,
        attachments_max=FILES_MAX if takes_files else 0,
        attachment_types=FILE_TYPES if takes_files else (),
        attachment_bytes_max=FILE_BYTES_MAX if takes_files else 0,
        settles=settles,
    )


def closed_form(reason: str) -> ReplyForm:
    """Return a form that says why the letter cannot be answered."""
    return ReplyForm(FORM_CODE, ReplyKind.CLOSED, reason=reason)


def form_row(form: ReplyForm | None) -> dict[str, Any] | None:
    """Return a form as the JSON that a dispatch keeps."""
    if form is None:
        return None
    return {
        "kind": form.kind.value,
        "label": form.label,
        "choices": [each.label for each in form.choices],
        "takes_files": form.attachments_max > 0,
        "reason": form.reason,
        "settles": form.settles,
    }


def form_of(row: dict[str, Any] | None) -> ReplyForm | None:
    """Return the form of a dispatch's JSON."""
    if row is None:
        return None
    if row["kind"] == ReplyKind.CHOICE:
        return choice_form(row["label"], row["choices"], settles=row["settles"])
    if row["kind"] == ReplyKind.TEXT:
        return text_form(row["label"], takes_files=row["takes_files"], settles=row["settles"])
    return closed_form(row["reason"])


def problems_of(terms: Terms, letters: Sequence[Wanted]) -> list[Problem]:
    """Return everything that is wrong, but for the files, in the order of the lines."""
    found = list(_of_terms(terms))
    if not letters:
        found.append(Problem("no_letters"))
    if len(letters) > settings.OUTGOING_ROWS_MAX:
        return [*found, Problem("too_many", detail=str(settings.OUTGOING_ROWS_MAX))]
    now = clock.now()
    first: dict[tuple[object, ...], int] = {}
    for letter in letters:
        recipient = recipient_of(letter.recipient)
        found += [Problem(code, letter.line) for code in _of_letter(letter, recipient, now)]
        if recipient is None:
            continue
        same = (recipient.kind, recipient.value, letter.title, letter.file, letter.case_reference)
        if same in first:
            found.append(Problem("twice", letter.line, str(first[same])))
        first.setdefault(same, letter.line)
    return found


def file_problems(letters: Sequence[Wanted], names: Collection[str]) -> Iterator[Problem]:
    """Yield what does not fit between the letters and a zip's files of these names."""
    for letter in letters:
        if not letter.file:
            yield Problem("no_file", letter.line)
        elif letter.file not in names:
            yield Problem("unknown_file", letter.line)
    named = {letter.file for letter in letters}
    yield from (Problem("unused_file", detail=name) for name in names if name not in named)


def _of_terms(terms: Terms) -> Iterator[Problem]:
    if len(terms.public_title) > TITLE_MAX:
        yield Problem("public_title_long", detail=str(TITLE_MAX))
    if terms.kind not in KINDS:
        yield Problem("kind")
    texts = [terms.public_title]
    if terms.form:
        form = terms.form
        texts += [form.label, form.reason, *(each.label for each in form.choices)]
        yield from _of_form(form)
    if any(holds_national_id(each) for each in texts):
        yield Problem("number_in_text")
    if any(not each.isprintable() for each in texts):
        yield Problem("bad_sign")


def _of_form(form: ReplyForm) -> Iterator[Problem]:
    if len(form.label) > LABEL_MAX or len(form.reason) > LABEL_MAX:
        yield Problem("label_long", detail=str(LABEL_MAX))
    if form.kind is ReplyKind.CLOSED and not form.reason:
        yield Problem("reason_missing")
    if form.kind is ReplyKind.CHOICE:
        labels = [each.label for each in form.choices]
        if len(labels) not in CHOICES:
            yield Problem("choices", detail=f"{CHOICES[0]}–{CHOICES[-1]}")
        if any(len(each) > CHOICE_MAX for each in labels):
            yield Problem("choice_long", detail=str(CHOICE_MAX))
        if len(set(labels)) < len(labels):
            yield Problem("choice_twice")
        if not form.label:
            yield Problem("question_missing")


def _of_letter(letter: Wanted, recipient: Recipient | None, now: datetime) -> Iterator[str]:
    if recipient is None:
        digits = "".join(letter.recipient.split())
        lost_zero = len(digits) == 10 and is_national_id(f"0{digits}")
        yield "lost_zero" if lost_zero else "recipient"
    if not letter.title:
        yield "title_missing"
    if len(letter.title) > TITLE_MAX:
        yield "title_long"
    references = (letter.case_reference, letter.reference)
    if any(len(each) > REFERENCE_MAX for each in references):
        yield "reference_long"
    if any(holds_national_id(each) for each in (letter.title, *references)):
        yield "number_in_text"
    if any(not each.isprintable() for each in (letter.title, *references, letter.file)):
        yield "bad_sign"
    if letter.due_at and letter.due_at < now:
        yield "due_past"
