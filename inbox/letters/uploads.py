"""Files that she brings: what they are by their content, and a name fit to be sent."""

from __future__ import annotations

import unicodedata

NAME_BYTES_MAX = 255
SNIFFED_BYTES = 1024
"""A PDF may begin within its first kilobyte (ISO 32000-1 Annex H 3.4.1)."""
EXTENSIONS = {
    "application/pdf": "pdf",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
}
"""What is known by its content, and how its name ends."""


def media_type_of(start: bytes) -> str:
    """Return the media type that a file's first bytes show, "" for what is not known."""
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if b"%PDF-" in start[:SNIFFED_BYTES]:
        return "application/pdf"
    return ""


def safe_name(name: str, media_type: str) -> str:
    """Return a file name without folders or control characters, at most 255 bytes of UTF-8.

    It ends as its media type does, whatever it was called.
    """
    base = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    base = "".join(sign for sign in base if sign.isprintable()).strip(" .")
    stem, dot, _ = base.rpartition(".")
    stem = (stem if dot else base).strip(" .") or "vedlegg"
    ending = f".{EXTENSIONS[media_type]}" if media_type in EXTENSIONS else ""
    room = NAME_BYTES_MAX - len(ending)
    return stem.encode()[:room].decode(errors="ignore").rstrip() + ending
