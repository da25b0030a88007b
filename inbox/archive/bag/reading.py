"""Reading a zipped bag that somebody brings: nothing of it is believed, nothing is unpacked.

Names, number, sizes and ratio are looked at before any file is read (research: a zip names the
same file twice, names `../evil`, or holds 200 MB in 194 kB), and a file is read no further than
the directory says that it goes.
"""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

ENDING_BYTES = 65_557
"""In which a zip's end record lies: 22 bytes and a comment of at most 65,535 (APPNOTE 4.3.16)."""
ENTRY_BYTES = 2048
"""Of the directory, for one file: its name and what else is said of it."""
NAME_BYTES_MAX = 1024
ENCRYPTED = 0x1
"""Of a zip entry's flags (APPNOTE 4.4.4)."""
RATIO_MAX = 100
RATIO_FROM_BYTES = 100_000
"""What is smaller may shrink as much as it likes."""
CHUNK_BYTES = 1 << 20
BROKEN = (BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError)


class BadBag(Exception):
    """It cannot be taken; `code` says why, `name` which file of it."""

    def __init__(self, code: str, name: str = "") -> None:
        super().__init__(code)
        self.code, self.name = code, name


class Unreadable(OSError):
    """A file of the zip is not what its directory says."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is taken."""

    zip_bytes: int
    files: int
    unpacked_bytes: int


class ZippedBag:
    """The files of a zipped bag, as `verify.Check` takes them: names from the bag's folder on."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        """Read the zip's directory. Raises BadBag."""
        _check_ending(file, limits)
        try:
            self._zip = ZipFile(file)
            entries = [each for each in self._zip.infolist() if not _is_no_file(each)]
        except BROKEN:
            raise BadBag("no_zip") from None
        if len(entries) > limits.files:
            raise BadBag("too_many")
        self._entries: dict[str, ZipInfo] = {}
        seen: set[str] = set()
        for entry in entries:
            _check_entry(entry)
            name = entry.filename.partition("/")[2]
            if entry.filename.casefold() in seen:
                raise BadBag("twice", name)
            seen.add(entry.filename.casefold())
            self._entries[name] = entry
        if len({entry.filename.partition("/")[0] for entry in entries}) != 1:
            raise BadBag("no_bag")
        if "bagit.txt" not in self._entries:
            raise BadBag("no_bag")
        if sum(entry.file_size for entry in entries) > limits.unpacked_bytes:
            raise BadBag("too_large")

    def names(self) -> Iterator[str]:
        """Yield every file's name."""
        yield from self._entries

    def size(self, name: str) -> int:
        """Return how many bytes a file has by the directory. Raises KeyError."""
        return self._entries[name].file_size

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes, no more than the directory says. Raises KeyError and Unreadable."""
        entry = self._entries[name]
        left = entry.file_size
        try:
            with self._zip.open(entry) as file:
                while chunk := file.read(min(CHUNK_BYTES, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        raise Unreadable(name)
                    yield chunk
        except BROKEN as error:
            raise Unreadable(name) from error
        if left:
            raise Unreadable(name)

    def read(self, name: str) -> bytes:
        """Return a whole file; raises as `chunks` does."""
        return b"".join(self.chunks(name))


def _check_ending(file: BinaryIO, limits: Limits) -> None:
    """Raise BadBag for what is no zip, or has a larger directory than it may, before it is read."""
    size = file.seek(0, 2)
    if size > limits.zip_bytes:
        raise BadBag("too_large")
    file.seek(max(size - ENDING_BYTES, 0))
    ending = file.read()
    start = ending.rfind(b"PK\5\6")
    if start < 0 or len(ending) - start < 22:
        raise BadBag("no_zip")
    directory = int.from_bytes(ending[start + 12 : start + 16], "little")
    locator = ending[max(start - 20, 0) : start]
    if locator.startswith(b"PK\6\7"):  # ZIP64: its own end record has the size (APPNOTE 4.3.14)
        file.seek(int.from_bytes(locator[8:16], "little"))
        directory = int.from_bytes(file.read(56)[40:48], "little")
    if directory > limits.files * ENTRY_BYTES:
        raise BadBag("too_many")
    file.seek(0)


def _is_no_file(entry: ZipInfo) -> bool:
    """Say whether it is a folder, or what a Mac puts into a zip by itself."""
    last = entry.filename.rpartition("/")[2]
    return entry.is_dir() or entry.filename.startswith("__MACOSX/") or last == ".DS_Store"


def _check_entry(entry: ZipInfo) -> None:
    name = entry.filename
    parts = name.split("/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
        raise BadBag("bad_name", name if name.isprintable() else "")
    if len(name.encode(errors="replace")) > NAME_BYTES_MAX or not name.isprintable():
        raise BadBag("bad_name")
    if "\\" in name or ":" in name or kind not in (0, stat.S_IFREG):
        raise BadBag("bad_name", name)
    if entry.flag_bits & ENCRYPTED:
        raise BadBag("locked", name)
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise BadBag("no_zip", name)
    is_large = entry.file_size > RATIO_FROM_BYTES
    if is_large and entry.file_size > RATIO_MAX * max(entry.compress_size, 1):
        raise BadBag("bomb", name)
