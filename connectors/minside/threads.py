"""The simulated agencies' side of a thread: taking answers in, and answering them by itself.

An answer of the agency comes ANSWER_AFTER by the shared clock after hers, or when the control
page says so. It stands in the letter's item, which is written to the feed once more.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from connectors import clock
from connectors.contract import ReplyKind
from connectors.fields import WrongField, moment, optional_text, rows, table, text
from connectors.minside.feed import append, latest, stamp

ANSWER_AFTER = timedelta(seconds=20)
KEY_MAX = 64
TABLE = (
    "CREATE TABLE IF NOT EXISTS replies (agency TEXT, idempotency_key TEXT, letter TEXT,"
    " person TEXT, said TEXT, reference TEXT, taken_at TEXT, answered INTEGER DEFAULT 0,"
    " PRIMARY KEY (agency, idempotency_key))"
)


class Refusal(Exception):
    """The agency takes no such answer; the text is for the citizen, in Norwegian."""


def take(db: sqlite3.Connection, slug: str, person: str, body: Any) -> str:
    """Keep an answer once and return its reference; in a transaction.

    Raises LookupError for a letter that is not the person's, WrongField for what is no answer,
    Refusal for an answer that the letter's forms do not take.
    """
    said = table(body, "the reply")
    key = text(said, "idempotency_key", longest=KEY_MAX)
    letter = text(said, "letter")
    moment(said, "at")
    known = db.execute(
        "SELECT reference FROM replies WHERE agency = ? AND idempotency_key = ? AND person = ?",
        (slug, key, person),
    ).fetchone()
    if known:
        return str(known["reference"])
    item = latest(db, slug, person, letter)
    form = _form_of(item, text(said, "form", longest=64))
    kept = _checked(form, said)
    now = clock.now()
    reference = f"{slug.upper()}-{now:%Y}-{uuid4().hex[:8].upper()}"
    db.execute(
        "INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        (slug, key, letter, person, json.dumps(kept), reference, stamp(now)),
    )
    changes: dict[str, Any] = {}
    if form["kind"] == ReplyKind.CHOICE:
        changes["reply_forms"] = [
            _closed(each, "Vi har fått svaret ditt.") if each is form else each
            for each in item["reply_forms"]
        ]
    if form.get("settles", True) and not item.get("handled_at"):
        changes |= {"handled_at": stamp(now), "handled_by": "Du, i Samlepost"}
    if changes:
        append(db, slug, person, letter, item | changes)
    return reference


def answer_due(db: sqlite3.Connection, slug: str, person: str, now: datetime) -> None:
    """Answer what has waited long enough; in a transaction."""
    due = db.execute(
        "SELECT * FROM replies WHERE agency = ? AND person = ? AND answered = 0 AND taken_at <= ?",
        (slug, person, stamp(now - ANSWER_AFTER)),
    ).fetchall()
    for reply in due:
        _answer(db, reply, _usual_words(json.loads(reply["said"])), now)


def answer_latest(
    db: sqlite3.Connection, slug: str, person: str, words: str, now: datetime
) -> bool:
    """Answer the person's newest reply, even once more; False when she has sent none."""
    reply = db.execute(
        "SELECT * FROM replies WHERE agency = ? AND person = ?"
        " ORDER BY answered, rowid DESC LIMIT 1",
        (slug, person),
    ).fetchone()
    if reply is None:
        return False
    _answer(db, reply, words or _usual_words(json.loads(reply["said"])), now)
    return True


def close_latest(db: sqlite3.Connection, slug: str, person: str, reason: str) -> bool:
    """Close the newest letter that can still be answered; False when there is none."""
    entries = db.execute(
        "SELECT id, item FROM feed WHERE position IN (SELECT max(position) FROM feed"
        " WHERE agency = ? AND person = ? GROUP BY id) ORDER BY position DESC",
        (slug, person),
    )
    for entry in entries.fetchall():
        item = json.loads(entry["item"])
        forms = item.get("reply_forms") or []
        if any(form["kind"] != ReplyKind.CLOSED for form in forms):
            closed = [_closed(form, reason) for form in forms]
            append(db, slug, person, entry["id"], item | {"reply_forms": closed})
            return True
    return False


def _answer(db: sqlite3.Connection, reply: sqlite3.Row, words: str, now: datetime) -> None:
    slug, person, letter = reply["agency"], reply["person"], reply["letter"]
    item = latest(db, slug, person, letter)
    message = {"id": str(uuid4()), "at": stamp(now), "text": words, "author": None}
    messages = [*(item.get("messages") or []), message]
    append(db, slug, person, letter, item | {"messages": messages})
    db.execute(
        "UPDATE replies SET answered = 1 WHERE agency = ? AND idempotency_key = ?",
        (slug, reply["idempotency_key"]),
    )


def _usual_words(said: Mapping[str, Any]) -> str:
    if said["choice"]:
        return f"Takk. Vi har registrert svaret ditt: {said['choice']}."
    files = len(said["attachments"])
    got = {0: "svaret ditt", 1: "svaret ditt med ett vedlegg"}.get(
        files, f"svaret ditt med {files} vedlegg"
    )
    return f"Hei! Vi har fått {got}. Vi ser på saken og svarer deg her."


def _form_of(item: Mapping[str, Any], code: str) -> dict[str, Any]:
    for form in item.get("reply_forms") or []:
        if form["code"] == code:
            found: dict[str, Any] = form
            return found
    raise Refusal("Brevet kan ikke besvares på denne måten.")


def _closed(form: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {"code": form["code"], "kind": ReplyKind.CLOSED.value, "reason": reason}


def _checked(form: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of an answer: words, and of the files their names and sizes."""
    if form["kind"] == ReplyKind.CLOSED:
        raise Refusal(form.get("reason") or "Tråden er lukket.")
    if form["kind"] == ReplyKind.CHOICE:
        chosen = {each["code"]: each["label"] for each in form["choices"]}
        label = chosen.get(optional_text(said, "choice"))
        if label is None:
            raise Refusal("Svaret er ikke et av valgene.")
        return {"choice": label, "text": "", "attachments": []}
    words = optional_text(said, "text").strip()
    if not words or len(words) > form["text_max"]:
        raise Refusal(f"Teksten må ha 1 til {form['text_max']} tegn.")
    files = [_file(form, table(each, "an attachment")) for each in rows(said, "attachments")]
    if len(files) > form.get("attachments_max", 0):
        raise Refusal("Det er for mange vedlegg.")
    return {"choice": "", "text": words, "attachments": files}


def _file(form: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    name, media_type = text(said, "name", longest=255), text(said, "media_type", longest=127)
    try:
        content = base64.b64decode(text(said, "content", longest=50_000_000), validate=True)
    except ValueError:
        raise WrongField("an attachment is not base64") from None
    if media_type not in form["attachment_types"]:
        raise Refusal(f"Vedlegget {name} er av en type vi ikke tar imot.")
    if len(content) > form["attachment_bytes_max"]:
        raise Refusal(f"Vedlegget {name} er for stort.")
    return {"name": name, "size": len(content)}
