"""Several files as one zip, made while it is sent: memory stays the same however large they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO, cast
from zipfile import ZIP_STORED, ZipFile, ZipInfo

NAME_BYTES_MAX = 255
"""What a file system takes (ext4, NTFS, APFS)."""
EARLIEST_YEAR = 1980


class _Outbox:
    """A file that can only be written to and is emptied between writes."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing lies anywhere else."""

    def taken(self) -> bytes:
        """Return what was written since last asked."""
        data = b"".join(self._waiting)
        self._waiting.clear()
        return data


def zip_stream(files: Iterable[tuple[str, datetime, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield a zip of (name, local time, chunks). Files are stored as they are: PDFs hardly shrink.

    What a file's chunks raise goes through; the zip then has no directory and opens nowhere.
    """
    outbox = _Outbox()
    with ZipFile(cast(BinaryIO, outbox), "w", ZIP_STORED) as archive:
        for name, moment, chunks in files:
            when = (max(moment.year, EARLIEST_YEAR), *moment.timetuple()[1:6])
            with archive.open(ZipInfo(name, when), "w") as entry:
                for chunk in chunks:
                    entry.write(chunk)
                    yield outbox.taken()
    yield outbox.taken()


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names such that no two are the same file on any system, each of them short enough.

    Equal names, also such as differ in case alone, become "brev.pdf", "brev (2).pdf".
    """
    given: list[str] = []
    taken: set[str] = set()
    numbers: defaultdict[str, int] = defaultdict(lambda: 1)
    for name in names:
        first = unique = _fitted(name, "")
        while unique.casefold() in taken:
            numbers[first] += 1
            unique = _fitted(name, f" ({numbers[first]})")
        taken.add(unique.casefold())
        given.append(unique)
    return given


def _fitted(name: str, mark: str) -> str:
    """Return `name` with `mark` before its extension, its stem cut to what a file system takes."""
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    ending = f"{mark}{dot}{suffix}"
    room = NAME_BYTES_MAX - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + ending
