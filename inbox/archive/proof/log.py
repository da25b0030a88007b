"""The log as it lies on disk: its folder, its keys, its signed head, and the proof of a leaf.

The folder is ARCHIVE_DIR/log, laid out as c2sp.org/tlog-tiles says; docs/archive-proofs.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connectors.keys import ensure_ed25519_key, load_ed25519_key
from connectors.tlog import checkpoint as checkpoints
from connectors.tlog import cosignature, merkle
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.cosignature import CosignerKey
from connectors.tlog.note import BadNote, Signer, VerifierKey, check_name
from connectors.tlog.proof import Proof
from connectors.tlog.tiles import Broken, Tiles
from inbox.archive.proof.models import LogEntry

CHECKPOINT = "checkpoint"
COSIGNED = "cosigned"
"""The newest checkpoint that the witness has signed as well."""
STAMPS = "timestamps"


class LogBroken(Exception):
    """The log is not what was signed, or not what the database knows; the text says where."""


@dataclass(frozen=True)
class PublicKeys:
    """By which keys a proof is to be checked, as verifier keys of c2sp.org/signed-note."""

    log: str
    witnesses: tuple[str, ...] = ()


def folder() -> Path:
    """Return where the log lies."""
    return Path(settings.ARCHIVE_DIR) / "log"


def signer() -> Signer:
    """Return the log's private key; in the demo it is made on first use.

    Raises ImproperlyConfigured when it is not there, or the log's name is none.
    """
    path = Path(settings.ARCHIVE_LOG_KEY_FILE)
    try:
        key = ensure_ed25519_key(path) if settings.DEMO else load_ed25519_key(path)
    except (OSError, ValueError, TypeError) as error:
        raise ImproperlyConfigured(
            f"ARCHIVE_LOG_KEY_FILE must name the log's Ed25519 key (PEM): {error}"
        ) from error
    try:
        return Signer(check_name(settings.ARCHIVE_LOG_ORIGIN), key)
    except BadNote as error:
        # What is signed under such a name nobody can read, nor the log itself go on from.
        raise ImproperlyConfigured(f"ARCHIVE_LOG_ORIGIN: {error}") from error


def log_key() -> VerifierKey:
    """Return the log's public key."""
    return signer().verifier


def witness_keys() -> list[CosignerKey]:
    """Return the keys of the witnesses that are asked: one, or none."""
    vkey = settings.ARCHIVE_WITNESS_KEY
    return [cosignature.read_vkey(vkey)] if vkey else []


def public_keys() -> PublicKeys:
    """Return the keys by which proofs are checked."""
    return PublicKeys(str(log_key()), tuple(map(str, witness_keys())))


def checkpoint() -> str | None:
    """Return the newest signed head of the log as it was written, None while there is none."""
    return _text(CHECKPOINT)


def cosigned() -> str | None:
    """Return the newest head that the witness has signed, too; None while there is none."""
    return _text(COSIGNED)


def signed_head() -> Checkpoint:
    """Return the newest signed head; the empty tree while there is none.

    Raises LogBroken when it is not signed with the log's key.
    """
    text = checkpoint()
    key = log_key()
    if text is None:
        return Checkpoint(key.name, 0, merkle.EMPTY_ROOT)
    try:
        return checkpoints.verified(text, key)
    except BadNote as error:
        raise LogBroken(f"the checkpoint is not ours: {error}") from error


def of(object_id: UUID, version: int) -> str | None:
    """Return the proof (c2sp.org/tlog-proof@v1) that a version is in the log.

    Its extra data is the leaf. The checkpoint is the first after it that has a time stamp; before
    there is one, the newest that the witness has signed, too; else the newest. None while the
    version is not in the log. Raises LogBroken.
    """
    row = (
        LogEntry.objects.filter(object_id=object_id, version=version, index__isnull=False)
        .order_by("-index")
        .first()
    )
    if row is None or row.index is None:
        return None
    stamped = _stamped_after(row.index)
    for text, head in chain([stamped] if stamped else [], heads()):
        if row.index < head.size:
            return proof_of(row.index, row.leaf.encode(), text, head)
    return None


def proof_of(index: int, leaf: bytes, text: str, head: Checkpoint) -> str:
    """Return the proof of one leaf in one checkpoint. Raises LogBroken when it would be false."""
    tiles = Tiles(folder(), head.size)
    try:
        path = merkle.inclusion_proof(index, head.size, tiles)
        merkle.verify_inclusion(merkle.leaf_hash(leaf), index, head.size, path, head.root)
    except (Broken, merkle.BadProof) as error:
        raise LogBroken(f"leaf {index} is not in the log as it was signed: {error}") from error
    return Proof(index, tuple(path), text, leaf).encode()


def stamp_files(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of the time stamp on this checkpoint and what it is checked with.

    The checkpoint, the token (RFC 3161) and the certificates from its signer to the root; nothing
    where this very text has no stamp.
    """
    place = folder() / STAMPS
    size = checkpoints.read(text)[0].size
    try:
        if (place / f"{size}.note").read_text("utf-8") != text:
            return
        for ending in ("note", "pem", "tsr"):
            yield f"{STAMPS}/{size}.{ending}", (place / f"{size}.{ending}").read_bytes()
    except (FileNotFoundError, ValueError):
        return


def _stamped_after(index: int) -> tuple[str, Checkpoint] | None:
    """Return the first stamped head that covers the leaf: nothing shows an earlier time."""
    stems = (path.stem for path in (folder() / STAMPS).glob("*.tsr"))
    sizes = sorted(int(stem) for stem in stems if stem.isdecimal())
    for size in sizes[bisect_right(sizes, index) :]:
        text = _text(f"{STAMPS}/{size}.note")
        if text is not None:
            return text, _read(f"{size}.note", text)
    return None


def heads() -> Iterator[tuple[str, Checkpoint]]:
    """Yield the newest head that the witness has signed, too, and the newest; what there is."""
    for name in (COSIGNED, CHECKPOINT):
        text = _text(name)
        if text is not None:
            yield text, _read(name, text)


def _read(name: str, text: str) -> Checkpoint:
    try:
        return checkpoints.read(text)[0]
    except BadNote as error:
        raise LogBroken(f"{name} cannot be read: {error}") from error


def _text(name: str) -> str | None:
    try:
        return (folder() / name).read_text("utf-8")
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LogBroken(f"{name} cannot be read: {error}") from error
