"""Making a bag (BagIt 1.0, RFC 8493) as its files pass by, in constant memory.

The payload lies in `data/`. What tells of it lies beside that and is held by the tag manifests:
an index that any browser opens, a README, and the program that checks the bag.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

ALGORITHMS = ("sha256", "sha512")
PAYLOAD = "data/"
LINES_IN_MEMORY_BYTES = 1_000_000
CHUNK_BYTES = 65_536
HERE = Path(__file__).parent
SHIPPED = ("README.txt", "verify.py")
"""Files of ours that every bag has, as they are."""
RESERVED = str.maketrans({"%": "_", "$": "_", "~": "_"})

Entry = tuple[str, datetime, Iterable[bytes]]
"""A file's name, its time (local) and its bytes in chunks."""


def plain_name(name: str) -> str:
    """Return `name` without what manifests would have to encode, and tools understand differently.

    RFC 8493, section 2.1.3 wants `%` encoded, which bagit.py leaves as it is.
    """
    return name.translate(RESERVED)


class Bag:
    """A bag in the making: `entries` passes files through and adds the manifests at the end."""

    def __init__(self, base: str, at: datetime, info: Iterable[tuple[str, str]]) -> None:
        """Name the bag's one folder (RFC 8493, section 4.1), its moment and its `bag-info.txt`."""
        self.base, self.at, self.info = base, at, list(info)
        self.size = self.count = 0
        """Bytes and files of the payload so far."""

    def entries(self, payload: Iterable[Entry], tags: Iterable[Entry] = ()) -> Iterator[Entry]:
        """Yield every file of the bag. `tags`: files beside the payload, asked for after it.

        Each file's chunks must be taken before the next one is asked for.
        """
        with ExitStack() as stack:
            kept = [
                [stack.enter_context(SpooledTemporaryFile(LINES_IN_MEMORY_BYTES)) for _ in "12"]
                for _ in ALGORITHMS
            ]
            payload_lines, tag_lines = ([each[place] for each in kept] for place in (0, 1))
            for name, when, chunks in payload:
                path = f"{PAYLOAD}{name}"
                counted = self._counted(chunks)
                yield f"{self.base}/{path}", when, _digested(path, counted, payload_lines)
            for path, when, chunks in [*self._tags(), *tags]:
                yield f"{self.base}/{path}", when, _digested(path, chunks, tag_lines)
            for algorithm, lines in zip(ALGORITHMS, payload_lines, strict=True):
                path = f"manifest-{algorithm}.txt"
                yield f"{self.base}/{path}", self.at, _digested(path, _read(lines), tag_lines)
            for algorithm, lines in zip(ALGORITHMS, tag_lines, strict=True):
                yield f"{self.base}/tagmanifest-{algorithm}.txt", self.at, _read(lines)

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        self.count += 1
        for chunk in chunks:
            self.size += len(chunk)
            yield chunk

    def _tags(self) -> Iterator[Entry]:
        declaration = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
        yield "bagit.txt", self.at, [declaration]
        oxum = ("Payload-Oxum", f"{self.size}.{self.count}")
        info = [*self.info, ("Bagging-Date", f"{self.at:%Y-%m-%d}"), oxum]
        said = "".join(f"{label}: {' '.join(value.split())}\n" for label, value in info)
        yield "bag-info.txt", self.at, [said.encode()]
        for name in SHIPPED:
            yield name, self.at, [(HERE / name).read_bytes()]


def _digested(name: str, chunks: Iterable[bytes], lines: Sequence[IO[bytes]]) -> Iterator[bytes]:
    digests = [hashlib.new(algorithm) for algorithm in ALGORITHMS]
    for chunk in chunks:
        for digest in digests:
            digest.update(chunk)
        yield chunk
    for digest, each in zip(digests, lines, strict=True):
        each.write(f"{digest.hexdigest()}  {name}\n".encode())


def _read(lines: IO[bytes]) -> Iterator[bytes]:
    lines.seek(0)
    yield from iter(lambda: lines.read(CHUNK_BYTES), b"")
