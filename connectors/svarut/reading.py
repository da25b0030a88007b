"""From what was downloaded of one consignment to a letter, or to the reason why not."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.contract import Fault, IncomingLetter, RawPart, Unreadable
from connectors.dpi import cms
from connectors.dpi.envelope import Identity
from connectors.dpi.package import unpack
from connectors.dpi.refusal import OurFault, Refusal
from connectors.fields import WrongField, table
from connectors.svarut import mapping

ENTRY_PART = "forsendelse.json"
METADATA_PART = "metadata.json"
DOWNLOAD_PART = "download.bin"
ZIP_BEGINS = b"PK\x03\x04"

log = logging.getLogger("samlepost.connectors.svarut")


@dataclass(frozen=True, slots=True)
class Downloaded:
    """One consignment as it came: its entry in the listing, its metadata, its files.

    `metadata` is empty where SvarUt gave none, `package` where there was nothing to download.
    """

    entry: bytes
    metadata: bytes = b""
    package: bytes = b""

    def raw(self) -> list[RawPart]:
        """Return it as it is kept."""
        parts = [RawPart(ENTRY_PART, self.entry, "application/json")]
        if self.metadata:
            parts.append(RawPart(METADATA_PART, self.metadata, "application/json"))
        if self.package:
            parts.append(RawPart(DOWNLOAD_PART, self.package))
        return parts


def kept(raw: Sequence[RawPart]) -> Downloaded:
    """Return what was kept as it came."""
    parts = {part.name: part.content for part in raw}
    return Downloaded(
        parts.get(ENTRY_PART, b""), parts.get(METADATA_PART, b""), parts.get(DOWNLOAD_PART, b"")
    )


@dataclass(frozen=True, slots=True)
class Reader:
    """What is needed to open what is encrypted to us."""

    decryption: Sequence[Identity]
    """Several while a key is replaced."""
    edialog_url: str
    base_url: str

    def understand(self, key: str, came: Downloaded) -> IncomingLetter | Unreadable:
        """Open and map what the queue calls `key`. Raises nothing."""
        try:
            return self._understood(came)
        except OurFault as fault:
            return unreadable(key, str(fault), came, Fault.SERVER)
        except (Refusal, WrongField) as refusal:
            return unreadable(key, str(refusal), came, Fault.CLIENT)
        except Exception as error:
            # Hostile bytes may trip a parser in any way; one letter must not stop the queue.
            log.error("reading a consignment failed: %s", type(error).__name__)
            reason = f"reading it failed ({type(error).__name__})"
            return unreadable(key, reason, came, Fault.SERVER)

    def _understood(self, came: Downloaded) -> IncomingLetter:
        said = table(_json(came.entry), "the consignment")
        mapping.national_id(said)  # what is nobody's need not be opened
        files = self._files(said, came.package)
        metadata = _json(came.metadata)
        return mapping.letter_from(
            said,
            files,
            metadata if isinstance(metadata, dict) else None,
            came.raw(),
            edialog_url=self.edialog_url,
            base_url=self.base_url,
        )

    def _files(self, said: Mapping[str, Any], package: bytes) -> dict[str, bytes]:
        listed = mapping.listed_files(said)
        if not package:
            raise Refusal("its files did not come with it")
        if mapping.is_encrypted(said):
            package = self._decrypted(package)
        if len(listed) > 1:
            return unpack(package)
        return _zipped_alone(listed[0].name, package) or {listed[0].name: package}

    def _decrypted(self, package: bytes) -> bytes:
        """KS encrypts as DPI does: RSAES-OAEP with SHA-256, AES-256-CBC (`no.ks.kryptering`)."""
        try:
            return cms.decrypt(package, self.decryption)
        except OurFault:
            raise
        except Refusal:
            raise Refusal("its files cannot be decrypted as KS encrypts them") from None


def _zipped_alone(name: str, package: bytes) -> dict[str, bytes]:
    """A single file comes as it is, or as the only one of a zip: then this is its content."""
    if not package.startswith(ZIP_BEGINS):
        return {}
    try:
        files = unpack(package)
    except Refusal:
        return {}  # a document that is a zip of its own kind
    return files if list(files) == [name] else {}


def unreadable(key: str, reason: str, came: Downloaded, fault: Fault) -> Unreadable:
    """Return it whole with the reason; `Connector.settle` is what tells SvarUt."""
    return Unreadable(key, reason, came.raw(), fault=fault, answerable=False)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
