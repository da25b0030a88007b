"""The document package: an ASiC-E container (ETSI TS 102 918), opened with suspicion.

Sources: docs.digdir.no DPI `dokumentpakke` (50 MB, at most 200 attachments). What the archive
says of itself is checked before anything is unpacked, and again while it is.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath

from connectors.dpi.refusal import Refusal

ENTRIES_MAX = 210
"""200 attachments with the main document, the manifest, the signature and what goes with them."""
TOTAL_MAX_BYTES = 50_000_000
RATIO_MAX = 200
DIRECTORY_MAX_BYTES = 200_000
CHUNK_BYTES = 65_536
MIMETYPE = "mimetype"
MIMETYPE_VALUE = b"application/vnd.etsi.asic-e+zip"
COMMENT = b"mimetype=" + MIMETYPE_VALUE
"""What published packages have as the container's comment (ETSI TS 102 918 A.1); or none."""
MANIFEST = "manifest.xml"
END = struct.Struct("<4s4H2LH")
END_SIGNATURE = b"PK\x05\x06"
ZIP64_LOCATOR = b"PK\x06\x07"
ZIP64_LOCATOR_BYTES = 20
COMMENT_MAX_BYTES = 65_535
ENCRYPTED_FLAG = 0x1
DESCRIPTOR_FLAG = 0x8
DESCRIPTOR_BYTES = (0, 12, 16)
"""Sizes and checksum behind the bytes (APPNOTE.TXT 4.3.9), without or with a signature."""
HEADER_BYTES = 30
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_package(data: bytes) -> dict[str, bytes]:
    """Return every file of the container by name, in its order. Raises Refusal."""
    entries, files = _unpacked(data)
    if files.get(MIMETYPE, MIMETYPE_VALUE) != MIMETYPE_VALUE:
        raise Refusal("the package is not an ASiC-E container")
    if MIMETYPE in files and not _begins_with_mimetype(entries[0]):
        raise Refusal("the package does not begin with its mimetype")
    return files


def unpack(data: bytes) -> dict[str, bytes]:
    """Return every file of a zip that need not be a document package. Raises Refusal."""
    return _unpacked(data)[1]


def _unpacked(data: bytes) -> tuple[list[zipfile.ZipInfo], dict[str, bytes]]:
    listed, directory_at = _check_end(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            if len(entries) != listed or not _is_seamless(data, entries, directory_at):
                raise Refusal("the package holds more than its list of files says")
            files, left = {}, TOTAL_MAX_BYTES
            for entry in entries:
                files[entry.filename] = _read(archive, entry, left)
                left -= len(files[entry.filename])
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, EOFError, OSError):
        raise Refusal("the package is not a sound ZIP container") from None
    return entries, files


def build_package(files: Mapping[str, bytes], at: datetime) -> bytes:
    """Return the files as an ASiC-E container: mimetype first and stored, the rest in order."""
    buffer = io.BytesIO()
    moment = at.timetuple()[:6]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        first = zipfile.ZipInfo(MIMETYPE, moment)
        archive.writestr(first, MIMETYPE_VALUE, zipfile.ZIP_STORED)
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, moment), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _check_end(data: bytes) -> tuple[int, int]:
    """Check the end record (APPNOTE.TXT 4.3.16) before the list that it points to is read.

    Returns how many files it says there are, and where their list begins.
    """
    at = len(data) - END.size - (len(COMMENT) if data.endswith(COMMENT) else 0)
    if at < 0 or data[at : at + 4] != END_SIGNATURE:
        if END_SIGNATURE in data[-COMMENT_MAX_BYTES - END.size :]:
            raise Refusal("the package's ZIP container does not end with its end record")
        raise Refusal("the package is not a ZIP container")
    _, disk, first_disk, here, entries, directory_bytes, start, comment = END.unpack_from(data, at)
    if comment != len(data) - at - END.size:
        raise Refusal("the package's ZIP container does not end with its end record")
    if ZIP64_LOCATOR in data[max(0, at - ZIP64_LOCATOR_BYTES) : at]:
        raise Refusal("the package is a ZIP64 container")
    if entries > ENTRIES_MAX or directory_bytes > DIRECTORY_MAX_BYTES:
        raise Refusal(f"the package holds more than {ENTRIES_MAX} files")
    if disk or first_disk or here != entries or start + directory_bytes != at:
        raise Refusal("the package is not a sound ZIP container")
    return entries, start


def _is_seamless(data: bytes, entries: list[zipfile.ZipInfo], directory_at: int) -> bool:
    """Whether the files fill everything in front of the list: what is in no list is unseen."""
    ends: tuple[int, ...] = (0,)
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset not in ends:
            return False
        lengths = data[entry.header_offset + 26 : entry.header_offset + HEADER_BYTES]
        name, extra = struct.unpack("<2H", lengths)
        end = entry.header_offset + HEADER_BYTES + name + extra + entry.compress_size
        has_descriptor = entry.flag_bits & DESCRIPTOR_FLAG
        ends = tuple(end + more for more in DESCRIPTOR_BYTES) if has_descriptor else (end,)
    return directory_at in ends


def _begins_with_mimetype(entry: zipfile.ZipInfo) -> bool:
    """ETSI TS 102 918 A.1: the first file, stored as it is, so that its place is known."""
    stored = entry.compress_type == zipfile.ZIP_STORED
    return entry.filename == MIMETYPE and stored and entry.header_offset == 0


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if len(names) > ENTRIES_MAX:
        raise Refusal(f"the package holds more than {ENTRIES_MAX} files")
    if len(set(names)) != len(names):
        raise Refusal("two files in the package have the same name")
    if sum(entry.file_size for entry in entries) > TOTAL_MAX_BYTES:
        raise Refusal(f"the package unpacks to more than {TOTAL_MAX_BYTES} bytes")
    for entry in entries:
        _check_entry(entry)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(entry.filename).parts
    # orig_filename still has what zipfile cuts off or rewrites (NUL, backslash).
    if (
        not parts
        or entry.filename.startswith("/")
        or "/".join(parts) != entry.filename.rstrip("/")
        or ".." in parts
        or any(character in entry.orig_filename for character in "\\\0:")
    ):
        raise Refusal("a file in the package has a name that leads out of it")
    mode = entry.external_attr >> 16
    if entry.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
        raise Refusal("the package holds something that is not a file")
    if entry.flag_bits & ENCRYPTED_FLAG or entry.compress_type not in METHODS:
        raise Refusal("a file in the package is encrypted or packed in an unknown way")
    if entry.file_size > RATIO_MAX * max(entry.compress_size, 1):
        raise Refusal(f"a file in the package grows more than {RATIO_MAX} times")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> bytes:
    content = bytearray()
    with archive.open(entry) as file:
        while chunk := file.read(CHUNK_BYTES):
            content += chunk
            if len(content) > min(left, entry.file_size):
                raise Refusal("a file in the package is larger than it says")
    return bytes(content)
