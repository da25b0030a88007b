"""Names of documents as files."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

from inbox.letters.models import Document

EXTENSIONS = {
    "application/pdf": ".pdf",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "text/plain": ".txt",
}
NAME_LENGTH_MAX = 150
SUFFIX_LENGTH_MAX = 10


def media_type_of(document: Document) -> str:
    """Return the declared media type without its parameters."""
    return document.media_type.partition(";")[0].strip().lower()


def file_name_of(document: Document) -> str:
    """Return the name under which a document is saved."""
    return file_name(document.title or document.name, media_type_of(document))


def file_name(name: str, media_type: str) -> str:
    """Return `name` as a file name: no folders, no invisible characters, an extension that fits.

    Characters that change the direction of writing could hide an extension from the eye.
    """
    shown = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    last = re.split(r"[/\\]", shown)[-1]
    cleaned = re.sub(r'[<>:"|?*]', "_", last).strip(" .") or "document"
    stem, dot, suffix = cleaned.rpartition(".")
    own = dot + suffix if stem and len(suffix) <= SUFFIX_LENGTH_MAX else ""
    wanted = EXTENSIONS.get(media_type, own)
    fits = own and (wanted == own or mimetypes.guess_type(cleaned)[0] == media_type)
    kept = (stem if fits else cleaned)[:NAME_LENGTH_MAX].rstrip(" .")
    return kept + (own if fits else wanted)
