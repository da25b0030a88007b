"""Has the witness sign the log's head: c2sp.org/tlog-witness, as its client.

An outage holds up nothing: the next head that is shown to it covers all that it has missed.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

from django.conf import settings

from connectors.http import Http
from connectors.tlog import checkpoint as checkpoints
from connectors.tlog import cosignature, merkle, note, tiles
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.encoding import from_decimal, to_base64
from connectors.tlog.note import BadNote
from connectors.tlog.tiles import Broken, Tiles
from inbox.archive.proof import log
from inbox.archive.proof.failures import WITNESS, Untrusted, noted
from inbox.archive.proof.log import COSIGNED, LogBroken, folder

ANSWER_MAX = 100_000
HISTORY = "witness"
"""The folder with the first head of each day that the witness signed, `<size>.note`."""


def cosign() -> bool:
    """Show the newest head to the witness unless it has signed it; returns whether it signed now.

    Does nothing unless ARCHIVE_PROOF=full. Raises LogBroken when the witness has signed another
    history than ours, Untrusted for an answer that is not the witness's, ConnectorError when none
    comes. Each is noted for operators.
    """
    text = log.checkpoint()
    if settings.ARCHIVE_PROOF != "full" or text is None:
        return False
    with noted(WITNESS):
        head = log.signed_head()
        known = _known()
        if known and (known.size, known.root) == (head.size, head.root):
            return False
        line = _ask(head, text, known.size if known else 0)
        signed = _with(line, text)
        _keep(signed, head.size)
    return True


def newest(at_most: int | None = None) -> Checkpoint | None:
    """Return the newest head that the witness says it signed, or the newest of that many leaves.

    Both its signature and the log's are checked. None when it has signed none. Raises Untrusted and
    ConnectorError.
    """
    origin = hashlib.sha256(settings.ARCHIVE_LOG_ORIGIN.encode()).hexdigest()
    http = Http(settings.ARCHIVE_WITNESS_URL)
    try:
        answer = http.request(
            "GET",
            f"{origin}/checkpoint",
            params=None if at_most is None else {"at": at_most},
            accept=(404,),
            max_bytes=ANSWER_MAX,
        )
    finally:
        http.close()
    if answer.status_code == 404:
        return None
    return _verified(_text(answer.content))


def _known() -> Checkpoint | None:
    """Return the head that we have with the witness's signature."""
    text = log.cosigned()
    return _verified(text) if text else None


def _verified(text: str) -> Checkpoint:
    try:
        note.opened(checkpoints.read(text)[1], log.witness_keys())
        return checkpoints.verified(text, log.log_key())
    except BadNote as error:
        raise Untrusted(f"a checkpoint that the witness did not sign: {error}") from error


def _ask(head: Checkpoint, text: str, old: int) -> note.Signature:
    http = Http(settings.ARCHIVE_WITNESS_URL)
    try:
        for _ in range(2):  # the second time from the size that the witness says it has
            answer = http.post(
                "add-checkpoint",
                content=_request(head, text, old),
                headers={"Content-Type": "text/plain; charset=utf-8"},
                accept=range(400, 500),
                max_bytes=ANSWER_MAX,
            )
            if answer.status_code != 409:
                break
            old = _size(answer.content)
            if old > head.size:
                raise LogBroken(
                    f"the witness has signed a tree of {old} leaves, ours has {head.size}: the log "
                    "has been cut or put back"
                )
    finally:
        http.close()
    if answer.status_code == 422:
        raise LogBroken(f"the log is not the one of which the witness signed {old} leaves")
    if answer.status_code != 200:
        raise Untrusted(f"the witness refuses the head ({answer.status_code})")
    return _signature(_text(answer.content), text)


def _request(head: Checkpoint, text: str, old: int) -> bytes:
    try:
        path = merkle.consistency_proof(old, head.size, Tiles(folder(), head.size))
    except Broken as error:
        raise LogBroken(str(error)) from error
    lines = [f"old {old}", *map(to_base64, path), "", text]
    return "\n".join(lines).encode()


def _signature(lines: str, text: str) -> note.Signature:
    """Return the witness's signature of our head, after a check."""
    try:
        for each in note.read_signatures(lines):
            for key in log.witness_keys():
                if key.is_of(each):
                    key.verify(note.read(text).text, each)
                    return each
    except BadNote as error:
        raise Untrusted(f"the witness's answer: {error}") from error
    raise Untrusted("the witness's answer has no signature of the witness")


def _with(line: note.Signature, text: str) -> str:
    return note.read(text).with_signatures([line]).encode()


def _keep(signed: str, size: int) -> None:
    """Put the signed head in force, and keep the first of each day."""
    before = log.cosigned()
    files = []
    if before is None or _day(before) != _day(signed):
        files.append((f"{HISTORY}/{size}.note", signed.encode()))
    tiles.write(folder(), [*files, (COSIGNED, signed.encode())])


def _day(signed: str) -> date:
    keys = log.witness_keys()
    for each in note.read(signed).signatures:
        if any(key.is_of(each) for key in keys):
            return datetime.fromtimestamp(cosignature.timestamp(each), UTC).date()
    return date.min


def _size(body: bytes) -> int:
    try:
        return from_decimal(_text(body).removesuffix("\n"))
    except ValueError:
        raise Untrusted("the witness does not say which size it has") from None


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Untrusted("the witness's answer is no text") from None
