"""A file's bytes at rest: AES-256-GCM in frames, so that any size streams with constant memory.

A stored file is a header of 40 bytes (`MAGIC`, then 32 random bytes of salt) and one or more
frames. Each frame holds 1 MiB of plaintext, the last one what is left (an empty file has one
empty frame), and 16 bytes of tag. The file's key is HKDF-SHA256 of the object's key with the
salt, and with the object's id and the file's place in the object as info: bytes moved elsewhere
do not open. A frame's nonce of 12 bytes is its number from 0 in 11 bytes, big endian, and one
byte that is 1 for the last frame: frames cannot be cut off, doubled or put in another order.
(The construction is STREAM, Hoang et al. 2015, as age's format v1 has it.)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"SLPARC01"
SALT_BYTES = 32
HEADER_BYTES = len(MAGIC) + SALT_BYTES
FRAME_BYTES = 1024 * 1024
TAG_BYTES = 16

Frame = bytearray | memoryview


def encrypt(chunks: Iterable[bytes], key: bytes, place: str) -> Iterator[bytes]:
    """Yield the stored bytes of a file: its header, then frame by frame.

    `key` is the object's key of 32 bytes, `place` says which file of which object it is.
    """
    salt = os.urandom(SALT_BYTES)
    cipher = _cipher(key, salt, place)
    yield MAGIC + salt
    for number, (frame, is_last) in enumerate(_framed(chunks, FRAME_BYTES)):
        yield cipher.encrypt(_nonce(number, is_last=is_last), frame, None)


def decrypt(chunks: Iterable[bytes], key: bytes, place: str) -> Iterator[bytes]:
    """Yield a file's plaintext, at most 1 MiB at a time, each piece only when it is proved.

    Raises ValueError when the bytes are not what was encrypted with this key for this place.
    """
    cipher, number = None, 0
    for frame, is_last in _framed(chunks, FRAME_BYTES + TAG_BYTES, HEADER_BYTES):
        if cipher is None:
            header = bytes(frame)
            if len(header) != HEADER_BYTES or not header.startswith(MAGIC) or is_last:
                raise ValueError("it is not encrypted as the archive's files are")
            cipher = _cipher(key, header[len(MAGIC) :], place)
            continue
        try:
            plain = cipher.decrypt(_nonce(number, is_last=is_last), frame, None)
        except InvalidTag:
            raise ValueError("its bytes do not open with the object's key") from None
        number += 1
        if plain:
            yield plain


def plain_size(stored_size: int) -> int:
    """Return how many bytes of plaintext a stored file of this size holds."""
    frames, rest = divmod(stored_size - HEADER_BYTES, FRAME_BYTES + TAG_BYTES)
    return frames * FRAME_BYTES + (rest - TAG_BYTES if rest else 0)


def _cipher(key: bytes, salt: bytes, place: str) -> AESGCM:
    derived = HKDF(SHA256(), 32, salt=salt, info=f"samlepost-file/1|{place}".encode())
    return AESGCM(derived.derive(key))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _framed(
    chunks: Iterable[bytes], size: int, first: int | None = None
) -> Iterator[tuple[Frame, bool]]:
    """Yield frames of `size` bytes (the very first one of `first`), each with whether it is last.

    There is always a last frame, though it be empty. What came in one chunk is handed on as it
    is, for a chunk may be a whole package: it is copied only to be joined with the next one.
    """
    held, rest = bytearray(), memoryview(b"")
    wanted = size if first is None else first
    for chunk in chunks:
        held += rest
        rest = memoryview(chunk)
        # More than a frame must be here before one is given: only then is it not the last.
        while len(held) + len(rest) > wanted:
            room = wanted - len(held)
            frame, rest = _joined(held, rest[:room]), rest[room:]
            yield frame, False
            held, wanted = bytearray(), size
    yield _joined(held, rest), True


def _joined(held: bytearray, rest: memoryview) -> Frame:
    if not held:
        return rest
    held += rest
    return held
