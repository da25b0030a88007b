"""A letter as those will see it whom it reaches, and what would trip a reader.

The words of the notices are Samlepost's own, in Norwegian as citizens get them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from zoneinfo import ZoneInfo

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from connectors.contract import LEVEL_HIGH, IncomingLetter, Kind, ReplyKind
from connectors.world.words import long_date

TITLE_MAX = 60
"""Characters of a title that a row of the list shows on a narrow screen."""
TEXT_PAGES = 5
"""Pages of a PDF that are searched for a deadline."""
OSLO = ZoneInfo("Europe/Oslo")

BEGINNINGS = (
    *("abort", "adopsjon", "alkohol", "anmeld", "arrest", "asyl", "barnevern", "depresjon"),
    *("diagnose", "ektepakt", "etnisk", "fagforening", "fengsel", "flyktning", "fosterhjem"),
    *("funksjonshem", "gjeld", "gravid", "helse", "inkasso", "konkurs", "kreft", "kriminal"),
    *("krisesenter", "legning", "livssyn", "medisin", "mistenkt", "narkotika", "opphold"),
    *("overgrep", "pasient", "psyk", "religion", "rusmid", "samlivsbrudd", "samvær", "separasjon"),
    *("seksual", "siktet", "sinnslid", "skilsmisse", "soning", "sosialhjelp", "sosialstønad"),
    *("straff", "svangerskap", "sykdom", "sykemeld", "tiltal", "tvangs", "ufør", "umyndig"),
    *("utlegg", "utvis", "vergemål", "voldtekt", "voldsoff"),
)
"""Beginnings of words that tell what nobody else should read: GDPR articles 9 and 10, and money."""

SHORT_WORDS = frozenset({"bot", "dom", "rus", "hiv", "lege", "aids", "vold"})
"""These tell only as whole words: "domstol" is a sender."""

MONTHS = "januar|februar|mars|april|mai|juni|juli|august|september|oktober|november|desember"
DEADLINE = re.compile(
    r"\b(?:innen|frist\w*|senest|før|forfall\w*|by|deadline)\b[^.!?\n]{0,60}?"
    rf"\b(\d{{1,2}}\.\s?(?:{MONTHS})(?:\s\d{{4}})?|\d{{1,2}}\.\d{{1,2}}\.\d{{2,4}}|\d{{4}}-\d\d-\d\d)",
    re.IGNORECASE,
)
VAGUE = frozenset(
    {"brev", "melding", "dokument", "informasjon", "viktig melding", "varsel", "info"}
)
"""Titles that tell nothing."""


@dataclass(frozen=True, slots=True)
class View:
    """What somebody sees of the letter, line by line."""

    who: str
    lines: list[str]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that would trip a reader: what it is, and what to do."""

    code: str
    """Stable: "W-03"."""
    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter with its views and warnings."""

    title: str
    views: list[View] = field(default_factory=list)
    warnings: list[Caution] = field(default_factory=list)


def show(letter: IncomingLetter, files: Sequence[bytes | None] = ()) -> Shown:
    """Return how `letter` is seen; `files` are its documents' bytes in order, None where not had.

    Norwegian words, times in Oslo.
    """
    views = [
        View("the citizen", _citizen(letter), "logged in at level high"),
        View("the citizen, at level substantial", _below(letter)),
        View("a helper", _helper(letter), "with her consent; it stays unread for her"),
        View("e-mail", [subject(letter)], "no title, no link"),
        View("SMS", [sms(letter)], "no title, no link"),
        View("paper", _paper(letter, files)),
    ]
    return Shown(letter.title, views, list(warnings(letter, files)))


def subject(letter: IncomingLetter) -> str:
    """Return the subject of the e-mail that tells her of the letter."""
    return f"Nytt brev fra {_sender(letter)}"


def sms(letter: IncomingLetter) -> str:
    """Return the SMS that tells her of the letter."""
    return f"Du har fått et nytt brev fra {_sender(letter)}. Logg inn i Samlepost for å lese det."


def _sender(letter: IncomingLetter) -> str:
    return letter.sender.name or letter.sender.org_number


def _head(letter: IncomingLetter, title: str) -> list[str]:
    found = [_sender(letter), title, _day(letter.sent_at)]
    if letter.due_at:
        found.append(f"Frist {_day(letter.due_at)}")
    return found


def _citizen(letter: IncomingLetter) -> list[str]:
    found = _head(letter, letter.title)
    if letter.content_on_open:
        return [*found, "(text and documents come when she opens it)"]
    text = letter.summary or letter.body
    if text:
        found.append(_short(text))
    found += [f"Dokument: {each.title or each.name}" for each in letter.documents]
    found += [f"[{each.label}]" for each in letter.actions]
    for form in letter.reply_forms:
        if form.kind is ReplyKind.CHOICE:
            found += [f"[{each.label}]" for each in form.choices]
        elif form.kind is ReplyKind.TEXT:
            found.append(f"[Svar: {form.label}]" if form.label else "[Svar]")
        else:
            found.append(f"Kan ikke besvares: {form.reason}")
    return found


def _below(letter: IncomingLetter) -> list[str]:
    if letter.security_level < LEVEL_HIGH:
        return ["(as above)"]
    shown = letter.public_title or "(no title: log in at level high to read it)"
    return [*_head(letter, shown), "(nothing else)"]


def _helper(letter: IncomingLetter) -> list[str]:
    needs = "level high" if letter.security_level >= LEVEL_HIGH else "level substantial"
    found = [f"(as the citizen, if she has given the helper this sender or case, at {needs})"]
    answers = any(form.kind is not ReplyKind.CLOSED for form in letter.reply_forms)
    if answers:
        found.append("(answers only where she has allowed that)")
    return found


def _paper(letter: IncomingLetter, files: Sequence[bytes | None]) -> list[str]:
    found = [f"{_sender(letter)} · {_day(letter.sent_at)}", letter.title]
    if letter.body:
        found.append(_short(letter.body))
    for number, document in enumerate(letter.documents):
        content = files[number] if number < len(files) else None
        pages = _pages(content) if content and document.media_type == "application/pdf" else 0
        if pages:
            found.append(f"{document.title or document.name}: {pages} page(s)")
        elif document.media_type == "application/pdf":
            found.append(f"{document.title or document.name}: PDF, pages not known")
        else:
            found.append(f"{document.title or document.name}: {document.media_type} is not printed")
    found += [f"{each.label}: {each.url} (to be typed by hand)" for each in letter.actions]
    if any(form.kind is not ReplyKind.CLOSED for form in letter.reply_forms):
        found.append("(no way to answer on paper: say in the letter where to write)")
    return found


def warnings(letter: IncomingLetter, files: Sequence[bytes | None] = ()) -> Iterator[Caution]:
    """Yield what would trip a reader of the letter."""
    title = letter.title.strip()
    if len(title) > TITLE_MAX:
        yield Caution(
            "W-01",
            f"the title has {len(title)} characters; a narrow screen shows about {TITLE_MAX}",
            "Say first what the letter is about, in at most eight words.",
        )
    if title.lower().rstrip(".!:") in VAGUE:
        yield Caution(
            "W-02", f"the title «{title}» tells nothing", "Say what it is about, or what to do."
        )
    if len(title) > 8 and title.isupper():
        yield Caution(
            "W-03", "the title is in capitals", "Write it as a sentence: capitals are hard to read."
        )
    yield from _sensitive(letter)
    if re.search(r"(?<!\d)\d{11}(?!\d)", f"{title} {letter.public_title}"):
        yield Caution(
            "W-05",
            "a title holds eleven digits, as an identity number does",
            "Take the number out: titles are shown where others may look on.",
        )
    if letter.security_level >= LEVEL_HIGH and not letter.public_title:
        yield Caution(
            "W-06",
            "below level high nothing but the sender is shown: there is no public title",
            "Give a public title that anybody may read («Svar på søknad»).",
        )
    said = _deadline(letter, files)
    if said and letter.due_at is None:
        yield Caution(
            "W-07",
            f"the text has a deadline («{said}») and the letter has none",
            "Give `due_at`: she is then reminded, and finds it among her deadlines.",
        )
    if letter.needs_action and letter.due_at is None and letter.kind is Kind.TASK:
        yield Caution(
            "W-08", "a task without a deadline", "Give `due_at`, or say that there is no hurry."
        )
    if letter.needs_action and not (letter.actions or letter.reply_forms):
        yield Caution(
            "W-09",
            "she must do something, and there is neither a link nor a form to do it with",
            "Give an action (a deep link with its words) or a reply form.",
        )
    for action in letter.actions:
        if re.fullmatch(r"(klikk )?her\.?|les mer|gå videre|link|lenke", action.label.lower()):
            yield Caution(
                "W-10",
                f"the words of a link, «{action.label}», do not say where it leads",
                "Say what happens: «Send dokumentasjon».",
            )
    for number, document in enumerate(letter.documents):
        content = files[number] if number < len(files) else None
        if content and document.media_type == "application/pdf" and not is_tagged(content):
            yield Caution(
                "W-11",
                f"the PDF {document.name} has no tags: a screen reader cannot follow it",
                "Make it as PDF/UA (tagged), with the language and the title set.",
            )
        if "." not in document.name:
            yield Caution(
                "W-12",
                f"the document {document.name} has no file ending",
                "Name files with their ending: downloads open by it.",
            )
    longest = max((len(each.split()) for each in re.split(r"[.!?]\s", letter.body)), default=0)
    if longest > 35:
        yield Caution(
            "W-13",
            f"a sentence of the text has {longest} words",
            "Divide it: plain language has 15 to 20 words in a sentence.",
        )


def _sensitive(letter: IncomingLetter) -> Iterator[Caution]:
    shown = [("public title", letter.public_title)]
    if letter.security_level < LEVEL_HIGH:
        shown.append(("title, which is shown at level substantial,", letter.title))
    for what, text in shown:
        for word in sensitive_words(text):
            yield Caution(
                "W-04",
                f"the {what} has the word «{word}», which tells something about her",
                "Say it neutrally («Svar på søknad») and keep the rest for level high.",
            )


def sensitive_words(text: str) -> list[str]:
    """Return the words of a Norwegian text that tell something about its reader."""
    words = re.findall(r"\w+", text.lower())
    return [each for each in words if each in SHORT_WORDS or each.startswith(BEGINNINGS)]


def _deadline(letter: IncomingLetter, files: Sequence[bytes | None]) -> str:
    texts = [letter.summary, letter.body]
    texts += [
        _text(content)
        for content, document in zip(files, letter.documents, strict=False)
        if content and document.media_type == "application/pdf"
    ]
    for text in texts:
        if found := DEADLINE.search(" ".join(text.split())):
            return found.group(0)
    return ""


def is_tagged(content: bytes) -> bool:
    """Say whether a PDF declares itself tagged and has a structure tree (ISO 32000-1, 14.7–14.8).

    False also for what is no PDF that can be read.
    """
    try:
        root = PdfReader(BytesIO(content)).root_object
        marked = root.get("/MarkInfo", {})
        return bool(marked.get("/Marked")) and "/StructTreeRoot" in root
    except (PyPdfError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return False


def _pages(content: bytes) -> int:
    try:
        return len(PdfReader(BytesIO(content)).pages)
    except (PyPdfError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return 0


def _text(content: bytes) -> str:
    try:
        pages = PdfReader(BytesIO(content)).pages
        return " ".join(pages[n].extract_text() for n in range(min(len(pages), TEXT_PAGES)))
    except Exception:  # what a hostile PDF makes of a reader is not known
        return ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:119]}…"


def _day(moment: datetime) -> str:
    try:
        return long_date(moment.astimezone(OSLO).date())
    except OverflowError:  # the last hours of the year 9999
        return long_date(moment.date())
