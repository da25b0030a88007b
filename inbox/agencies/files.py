"""The PDF of a letter, or a zip with one for each: checked as it is brought, read as it is sent."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, cast
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from django.conf import settings

from inbox.archive import store
from inbox.citizens.identity import holds_national_id
from inbox.letters.uploads import SNIFFED_BYTES, media_type_of

PDF = "application/pdf"
PDF_PATH = "files/0001.pdf"
ZIP_PATH = "files/0001.zip"
NAME_MAX = 255
ENDING_BYTES = 65_557
"""In which a zip's end record lies: 22 bytes and a comment of at most 65,535 (APPNOTE 4.3.16)."""
ENTRY_BYTES = 1024
"""Of the directory, for one file: its name and what else is said of it."""
ENCRYPTED = 0x1
"""Of a zip entry's flags (APPNOTE 4.4.4)."""


class BadFile(Exception):
    """It is not what it must be; `code` says why, `name` which file of a zip."""

    def __init__(self, code: str, name: str = "") -> None:
        super().__init__(code)
        self.code, self.name = code, name


def is_zip(file: BinaryIO) -> bool:
    """Say whether the file begins as a zip does; leaves it at its start."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    return start in (b"PK\3\4", b"PK\5\6")


def check_pdf(content: bytes, name: str = "") -> None:
    """Raise BadFile for what is no PDF by its content, or too large."""
    if not content:
        raise BadFile("empty", name)
    if len(content) > settings.OUTGOING_PDF_MAX_BYTES:
        raise BadFile("too_large", name)
    if media_type_of(content[:SNIFFED_BYTES]) != PDF:
        raise BadFile("no_pdf", name)


class Bundle:
    """A zip of PDFs. Nothing of it is ever written to a path that it names."""

    def __init__(self, file: BinaryIO) -> None:
        """Read its directory. Raises BadFile."""
        _check_ending(file)
        try:
            self._zip = ZipFile(file)
            entries = [each for each in self._zip.infolist() if not _is_no_letter(each)]
        except (BadZipFile, ValueError, NotImplementedError, OSError):
            raise BadFile("broken_zip") from None
        self._entries: dict[str, ZipInfo] = {}
        for entry in entries:
            _check_entry(entry)
            if entry.filename in self._entries:
                raise BadFile("twice", entry.filename)
            self._entries[entry.filename] = entry
        if sum(entry.file_size for entry in entries) > 2 * settings.OUTGOING_ZIP_MAX_BYTES:
            raise BadFile("zip_too_large")

    @property
    def names(self) -> list[str]:
        """The names of its files, with their folders."""
        return list(self._entries)

    def read(self, name: str) -> bytes:
        """Return one file's bytes. Raises KeyError, or BadFile where it is not what it says."""
        entry = self._entries[name]
        try:
            with self._zip.open(entry) as file:
                content = file.read(entry.file_size + 1)
        except (BadZipFile, NotImplementedError, EOFError, OSError, ValueError):
            raise BadFile("broken_zip", name) from None
        if len(content) != entry.file_size:
            raise BadFile("broken_zip", name)
        return content


@contextmanager
def opened(agency_id: UUID, dispatch_id: UUID, *, zipped: bool) -> Iterator[Callable[[str], bytes]]:
    """Give what reads a letter's PDF by its name in the zip; of one PDF for all, whatever the name.

    Raises the archive's errors.
    """
    with ExitStack() as stack:
        if zipped:
            file = stack.enter_context(tempfile.TemporaryFile())
            for chunk in store.read_chunks(agency_id, dispatch_id, ZIP_PATH):
                file.write(chunk)
            yield Bundle(cast(BinaryIO, file)).read
        else:
            content = store.read_bytes(agency_id, dispatch_id, PDF_PATH)
            yield lambda _name: content


def _check_ending(file: BinaryIO) -> None:
    """Raise BadFile for a zip whose directory is larger than ours may be, before it is read."""
    file.seek(0, 2)
    size = file.tell()
    if size > settings.OUTGOING_ZIP_MAX_BYTES:
        raise BadFile("zip_too_large")
    file.seek(max(size - ENDING_BYTES, 0))
    ending = file.read()
    file.seek(0)
    start = ending.rfind(b"PK\5\6")
    if start < 0:
        raise BadFile("broken_zip")
    directory = int.from_bytes(ending[start + 12 : start + 16], "little")
    is_zip64 = ending[max(start - 20, 0) : start].startswith(b"PK\6\7")
    if is_zip64 or directory > settings.OUTGOING_ROWS_MAX * ENTRY_BYTES:
        raise BadFile("zip_too_large")


def _is_no_letter(entry: ZipInfo) -> bool:
    """Say whether it is a folder, or what a Mac puts into a zip by itself."""
    last = entry.filename.rpartition("/")[2]
    return entry.is_dir() or entry.filename.startswith("__MACOSX/") or last == ".DS_Store"


def _check_entry(entry: ZipInfo) -> None:
    name = entry.filename
    parts = name.split("/")
    if holds_national_id(name):
        raise BadFile("number_in_name")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if len(name) > NAME_MAX or not name.isprintable() or "\\" in name or ":" in name:
        raise BadFile("bad_name")
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise BadFile("bad_name")
    if kind not in (0, stat.S_IFREG):
        raise BadFile("bad_name", name)
    if entry.flag_bits & ENCRYPTED:
        raise BadFile("locked", name)
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise BadFile("broken_zip", name)
    if entry.file_size > settings.OUTGOING_PDF_MAX_BYTES:
        raise BadFile("too_large", name)
