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
MANIFEST = "manifest.xml"
END = struct.Struct("<4s4H2LH")
END_SIGNATURE = b"PK\x05\x06"
ZIP64_LOCATOR = b"PK\x06\x07"
ZIP64_LOCATOR_BYTES = 20
COMMENT_MAX_BYTES = 65_535
ENCRYPTED_FLAG = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_package(data: bytes) -> dict[str, bytes]:
    """Return every file of the container by name, in its order. Raises Refusal."""
    _check_end(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not _is_empty_folder(entry)]
            _check_entries(entries)
            files, left = {}, TOTAL_MAX_BYTES
            for entry in entries:
                files[entry.filename] = _read(archive, entry, left)
                left -= len(files[entry.filename])
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, EOFError, OSError):
        raise Refusal("the package is not a sound ZIP container") from None
    if files.get(MIMETYPE, MIMETYPE_VALUE).strip() != MIMETYPE_VALUE:
        raise Refusal("the package is not an ASiC-E container")
    return files


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


def _check_end(data: bytes) -> None:
    """Check the end record (APPNOTE.TXT 4.3.16) before the list that it points to is read."""
    at = data.rfind(END_SIGNATURE, max(0, len(data) - END.size - COMMENT_MAX_BYTES))
    if at < 0 or at + END.size > len(data):
        raise Refusal("the package is not a ZIP container")
    _, _, _, _, entries, directory_bytes, _, _ = END.unpack_from(data, at)
    if ZIP64_LOCATOR in data[max(0, at - ZIP64_LOCATOR_BYTES) : at]:
        raise Refusal("the package is a ZIP64 container")
    if entries > ENTRIES_MAX or directory_bytes > DIRECTORY_MAX_BYTES:
        raise Refusal(f"the package holds more than {ENTRIES_MAX} files")


def _is_empty_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.is_dir() and entry.file_size == 0


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
