"""Sending from the portal made ready for its pages: what the form says, and why it is not taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from connectors.contract import LEVEL_HIGH, LEVEL_SUBSTANTIAL, Kind, ReplyForm, ReplyKind
from inbox.agencies import letters
from inbox.agencies.address_list import day_of
from inbox.agencies.letters import Problem, Terms, Wanted
from inbox.web.letter_words import size_of

PROBLEMS_SHOWN = 50
FIELDS = (
    *("title", "public_title", "level", "kind", "due", "value", "receipt", "case_reference"),
    *("reference", "form", "choice_label", "choices", "text_label", "takes_files", "reason"),
)
"""What is shown again where something is wrong. Numbers and files are brought anew."""
FIELD_OF = {
    "recipient": "recipient",
    "lost_zero": "recipient",
    "title_missing": "title",
    "title_long": "title",
    "public_title_long": "public_title",
    "kind": "kind",
    "date": "due",
    "due_past": "due",
    "reference_long": "reference",
    "reason_missing": "reason",
    "choices": "choices",
    "choice_long": "choices",
    "choice_twice": "choices",
    "question_missing": "choice_label",
    **dict.fromkeys(
        ("empty", "too_large", "no_pdf", "unreadable", "broken_zip", "zip_too_large", "bad_name"),
        "file",
    ),
    **dict.fromkeys(("number_in_name", "locked", "unknown_file", "unused_file", "no_file"), "file"),
    **dict.fromkeys(("no_letters", "too_many", "no_header", "unknown_column", "columns"), "list"),
    "no_zip": "file",
}
"""Where on the form a problem is mended; the others stand on top of it."""


@dataclass
class Form:
    """What was written in the form, and what is wrong with it by field."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    """What is wrong with lines of the list."""
    more: int = 0
    """How many more lines have something wrong."""

    def refuse(self, problems: Sequence[Problem]) -> None:
        """Say what is wrong: of a list by line."""
        said = [each for each in problems if each.line]
        self.lines = [
            _("Line %(line)d: %(why)s") % {"line": each.line, "why": why(each)}
            for each in said[:PROBLEMS_SHOWN]
        ]
        self.more = max(len(said) - PROBLEMS_SHOWN, 0)
        if said:
            self.errors["list"] = ngettext(
                "%(n)d line of the list must be corrected. Nothing has been sent.",
                "%(n)d lines of the list must be corrected. Nothing has been sent.",
                len({each.line for each in said}),
            ) % {"n": len({each.line for each in said})}
        for problem in problems:
            if not problem.line:
                self.errors.setdefault(FIELD_OF.get(problem.code, "title"), why(problem))


def form_of(said: Mapping[str, str]) -> Form:
    """Return the form as it was posted."""
    values = {name: " ".join(said.get(name, "").split()) for name in FIELDS}
    values["choices"] = "\n".join(
        " ".join(line.split()) for line in said.get("choices", "").splitlines() if line.strip()
    )
    return Form(values)


def terms_of(form: Form) -> Terms:
    """Return what the letters have in common."""
    said = form.values
    kinds = {each.value: each for each in letters.KINDS}
    return Terms(
        public_title=said["public_title"],
        security_level=LEVEL_SUBSTANTIAL if said["level"] == "3" else LEVEL_HIGH,
        kind=kinds.get(said["kind"], Kind.LETTER),
        documentary_value={"yes": True, "no": False}.get(said["value"]),
        wants_receipt=bool(said["receipt"]),
        form=_reply_form(said),
    )


def due_of(form: Form) -> datetime | None:
    """Return the deadline; what is no day is an error of the form."""
    if not form.values["due"]:
        return None
    due = day_of(form.values["due"])
    if due is None:
        form.errors["due"] = why(Problem("date"))
    return due


def letter_of(form: Form, recipient: str, due_at: datetime | None) -> Wanted:
    """Return the one letter of the form."""
    said = form.values
    return Wanted(recipient, said["title"], due_at, said["case_reference"], said["reference"])


def _reply_form(said: Mapping[str, str]) -> ReplyForm | None:
    if said["form"] == ReplyKind.CHOICE:
        return letters.choice_form(said["choice_label"], said["choices"].splitlines())
    if said["form"] == ReplyKind.TEXT:
        return letters.text_form(said["text_label"], takes_files=bool(said["takes_files"]))
    if said["form"] == ReplyKind.CLOSED:
        return letters.closed_form(said["reason"])
    return None


def why(problem: Problem) -> str:
    """Return in plain words what is wrong; a number of somebody's is never among them."""
    words = {
        "recipient": _(
            "The recipient's number is not a national identity number or an organisation number."
        ),
        "lost_zero": _(
            "The recipient's number has ten digits. Spreadsheets drop a zero in front:"
            " save the column as text."
        ),
        "title_missing": _("Write a title."),
        "title_long": _("The title is too long: it may have 200 characters."),
        "public_title_long": _(
            "The title that anybody may see is too long: it may have 200 characters."
        ),
        "kind": _("Choose what sort of letter it is."),
        "date": _("Write the deadline as 24.12.2026."),
        "due_past": _("The deadline has passed."),
        "reference_long": _("References and case numbers may have 64 characters."),
        "number_in_text": _(
            "A title, a reference or the answers hold a national identity number. Take it out."
        ),
        "bad_sign": _("A text holds a character that cannot be shown."),
        "twice": _("This is the same letter to the same recipient as line %(detail)s."),
        "label_long": _("The question and the reason may have 200 characters."),
        "reason_missing": _("Write why the letter cannot be answered."),
        "choices": _("Write between 2 and 10 answers to choose from, each on a line of its own."),
        "choice_long": _("An answer to choose may have 100 characters."),
        "choice_twice": _("Two of the answers to choose from are the same."),
        "question_missing": _("Write the question that is answered."),
        "no_letters": _("The list holds no letters."),
        "too_many": _("The list holds more than %(detail)s letters. Divide it."),
        "no_header": _("The first line must name the columns, and one of them must be «mottaker»."),
        "unknown_column": _("The first line has a column that we do not know, or one twice."),
        "columns": _("It has more or fewer columns than the first line."),
        "empty": _("The file %(detail)s is empty."),
        "too_large": _("The file %(detail)s is too large."),
        "no_pdf": _("The file %(detail)s is not a PDF."),
        "unreadable": _(
            "The PDF %(detail)s cannot be opened. It may be damaged, or locked with a password."
        ),
        "broken_zip": _("The zip cannot be unpacked."),
        "zip_too_large": _("The zip is too large."),
        "bad_name": _("The zip holds a file whose name leads out of the zip or cannot be shown."),
        "number_in_name": _(
            "The zip holds a file whose name has a national identity number in it."
            " Give it another name."
        ),
        "locked": _("The zip is locked with a password."),
        "no_file": _("The column «fil» is empty. Each letter of a zip needs the name of its file."),
        "unknown_file": _("The zip holds no file of that name."),
        "unused_file": _("The file %(detail)s is in the zip and in no line of the list."),
        "no_zip": _("It names a file, and one PDF for all was attached, not a zip."),
    }
    said = words[problem.code].replace("%(detail)s", problem.detail)
    return " ".join(said.split())


def caution_words(code: str, detail: str) -> tuple[str, str]:
    """Return what would trip a reader, and what to do about it."""
    words = {
        "W-01": (
            _("The title is long."),
            _("Say first what the letter is about, in at most eight words."),
        ),
        "W-02": (
            _("The title «%(detail)s» says nothing."),
            _("Say what it is about, or what to do."),
        ),
        "W-03": (
            _("The title is in capitals."),
            _("Write it as a sentence. Capitals are hard to read."),
        ),
        "W-04": (
            _(
                "A title that many may see has the word «%(detail)s», which says something about"
                " the recipient."
            ),
            _("Say it neutrally, for example «Svar på søknad»."),
        ),
        "W-05": (
            _("A title holds eleven digits."),
            _("Take the number out. Others may see the screen."),
        ),
        "W-06": (
            _("At the lower level of log-in nothing but your name is shown."),
            _("Give a title that anybody may see, for example «Svar på søknad»."),
        ),
        "W-07": (
            _("The PDF speaks of a deadline («%(detail)s»), and you have given none."),
            _("Give the deadline. The recipient then finds it among the deadlines."),
        ),
        "W-08": (_("It is a task without a deadline."), _("Give a deadline if there is one.")),
        "W-09": (
            _("The recipient must do something, and cannot answer here."),
            _("Choose a way to answer, or say in the letter what to do."),
        ),
        "W-11": (
            _("The PDF is not tagged. Screen readers cannot follow it."),
            _("Save it as an accessible PDF (PDF/UA)."),
        ),
        "no_text": (
            _("The PDF has no text, only pictures. It cannot be searched or read aloud."),
            _("Make the PDF from the document itself, not from a scan."),
        ),
        "script": (_("The PDF holds a script."), _("Save it without scripts.")),
    }
    text, advice = words.get(code, (code, ""))
    return text.replace("%(detail)s", detail), advice


def kind_words() -> dict[str, str]:
    """Return what each sort of letter is called."""
    return {
        Kind.LETTER.value: _("Letter"),
        Kind.DECISION.value: _("Decision"),
        Kind.TASK.value: _("Task: the recipient must do something"),
        Kind.NOTICE.value: _("Message"),
    }


def form_words(row: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return how a letter is answered: what is asked, and what there is to press."""
    if row is None:
        return {"said": _("It cannot be answered here."), "label": "", "choices": []}
    if row["kind"] == ReplyKind.CHOICE:
        said = _("By choosing one of these:")
    elif row["kind"] == ReplyKind.TEXT:
        said = _("With a text.")
        if row["takes_files"]:
            said = _("With a text and at most %(n)d files, each at most %(size)s.") % {
                "n": letters.FILES_MAX,
                "size": size_of(letters.FILE_BYTES_MAX),
            }
    else:
        said = _("It cannot be answered here, and this is said:")
    return {"said": said, "label": row["label"] or row["reason"], "choices": row["choices"]}


def value_words(value: bool | None) -> str:
    """Return what the agency says of the letter's worth as evidence."""
    if value is None:
        return _("Not said")
    return _("Yes") if value else _("No")
