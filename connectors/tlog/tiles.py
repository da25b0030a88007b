"""A log as files: c2sp.org/tlog-tiles in a folder.

`tile/<level>/<n>` holds 256 hashes, `tile/entries/<n>` the 256 entries below a tile of level 0;
what is not full yet is named for its width, `<n>.p/<width>`. Adding entries rewrites the last
tile of each level alone, and a proof reads one or two of each: at a million leaves that is three
levels. Whatever lies beyond the size of the signed checkpoint is not part of the log yet, and the
next to add may overwrite it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from connectors.tlog.merkle import HASH_SIZE, Frontier, fold, leaf_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT
ENTRY_MAX = 0xFFFF
"""Bytes of an entry: its length stands in 16 bits."""
STAGING = "staging"
STALE_SECONDS = 3600


class Broken(Exception):
    """A tile or a bundle is missing, cut short or not what it must be; the text names it."""


def number_path(number: int) -> str:
    """Return a tile's number as a path: 1234067 is `x001/x234/067`."""
    digits = f"{number:03}"
    digits = "0" * (-len(digits) % 3) + digits
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Return where a tile of hashes lies."""
    return _path(str(level), number, width)


def entries_path(number: int, width: int = WIDTH) -> str:
    """Return where a bundle of entries lies."""
    return _path("entries", number, width)


def _path(what: str, number: int, width: int) -> str:
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{what}/{number_path(number)}{partial}"


def width_of(level: int, number: int, size: int) -> int:
    """Return how many hashes a tile has in a tree of `size` leaves: 0 when it is not there."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - number * WIDTH))


def pack(entries: Iterable[bytes]) -> bytes:
    """Return a bundle. Raises ValueError for an entry that is too long."""
    found = bytearray()
    for entry in entries:
        if len(entry) > ENTRY_MAX:
            raise ValueError(f"an entry of {len(entry)} bytes is too long for the log")
        found += len(entry).to_bytes(2, "big") + entry
    return bytes(found)


def unpack(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle. Raises Broken when it ends within one."""
    entries, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        entry = bundle[at + 2 : at + 2 + length]
        if len(bundle) < at + 2 or len(entry) != length:
            raise Broken("a bundle ends within an entry")
        entries.append(entry)
        at += 2 + length
    return entries


class Tiles:
    """The nodes and entries of the tree of `size` leaves in a folder."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self._kept: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a whole subtree (`merkle.Nodes`). Raises Broken."""
        tile_level, below = divmod(level, HEIGHT)
        number, at = divmod(index << below, WIDTH)
        hashes = self.tile(tile_level, number)
        part = hashes[at * HASH_SIZE : (at + (1 << below)) * HASH_SIZE]
        if len(part) != HASH_SIZE << below:
            raise Broken(f"{tile_path(tile_level, number)} does not reach so far")
        return _fold(part)

    def tile(self, level: int, number: int) -> bytes:
        """Return the hashes of a tile, one after another. Raises Broken."""
        if (level, number) not in self._kept:
            width = width_of(level, number, self.size)
            data, name = self._read(tile_path(level, number, width), tile_path(level, number))
            data = data[: width * HASH_SIZE]
            if not width or len(data) != width * HASH_SIZE:
                raise Broken(f"{name} is cut short")
            self._kept[level, number] = data
        return self._kept[level, number]

    def entries(self, number: int) -> list[bytes]:
        """Return the entries of a bundle. Raises Broken."""
        width = width_of(0, number, self.size)
        data, name = self._read(entries_path(number, width), entries_path(number))
        try:
            entries = unpack(data)[:width]
        except Broken as error:
            raise Broken(f"{name}: {error}") from None
        if len(entries) != width:
            raise Broken(f"{name} is cut short")
        return entries

    def checked_entries(self, number: int) -> list[bytes]:
        """Return the entries of a bundle, which have the hashes in the tile. Raises Broken."""
        entries = self.entries(number)
        if b"".join(map(leaf_hash, entries)) != self.tile(0, number):
            raise Broken(f"{entries_path(number)} and {tile_path(0, number)} do not go together")
        return entries

    def edge(self) -> Frontier:
        """Return the right edge of the tree, for adding to it. Raises Broken."""
        hashes, begin = [], 0
        for level in range(self.size.bit_length() - 1, -1, -1):
            if self.size >> level & 1:
                hashes.append(self.node(level, begin >> level))
                begin += 1 << level
        return Frontier(self.size, hashes)

    def _read(self, name: str, full: str) -> tuple[bytes, str]:
        """Return the bytes of a file, or of the full one that has taken its place; and which."""
        for each in dict.fromkeys([name, full]):
            with suppress(FileNotFoundError):
                return (self.folder / each).read_bytes(), each
        raise Broken(f"{name} is missing")


def grown(old: int, new: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, number, width) of what a tree of `old` leaves that has grown to `new` has anew.

    Tiles that were there and have become wider are among them.
    """
    level = 0
    while count := new >> HEIGHT * level:
        for number in range((old >> HEIGHT * level) // WIDTH, -(-count // WIDTH)):
            width = width_of(level, number, new)
            if width != width_of(level, number, old):
                yield level, number, width
        level += 1


def grow(tiles: Tiles, entries: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the files, by path, that entries added to a tree make anew.

    Reads what is not full of the tree as it is; raises Broken when that cannot be read.
    """
    old = size = tiles.size
    bundle = bytearray(pack(tiles.entries(old // WIDTH)) if old % WIDTH else b"")
    rows = [bytearray(_last(tiles, 0))]
    for entry in entries:
        bundle += pack([entry])
        rows[0] += leaf_hash(entry)
        size += 1
        if size % WIDTH:
            continue
        yield entries_path(size // WIDTH - 1), bytes(bundle)
        bundle.clear()
        level = 0
        while len(rows[level]) == WIDTH * HASH_SIZE:
            full = bytes(rows[level])
            rows[level].clear()
            yield tile_path(level, (size >> HEIGHT * (level + 1)) - 1), full
            level += 1
            if level == len(rows):
                rows.append(bytearray(_last(tiles, level)))
            rows[level] += _fold(full)
    if bundle and size != old:
        yield entries_path(size // WIDTH, size % WIDTH), bytes(bundle)
    for level, row in enumerate(rows):
        if row and size >> HEIGHT * level != old >> HEIGHT * level:
            number, width = divmod(size >> HEIGHT * level, WIDTH)
            yield tile_path(level, number, width), bytes(row)


def _last(tiles: Tiles, level: int) -> bytes:
    """Return the tile of a level that is not full; empty where there is none."""
    number, width = divmod(tiles.size >> HEIGHT * level, WIDTH)
    return tiles.tile(level, number) if width else b""


def _fold(hashes: bytes) -> bytes:
    return fold([hashes[i : i + HASH_SIZE] for i in range(0, len(hashes), HASH_SIZE)])


def write(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files so that all of them survive a power cut when this returns.

    Each is written aside, synced and renamed to its place; then the folders are synced.
    """
    touched: set[Path] = set()
    for name, data in files:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        replace(folder, name, data)
        parent = place.parent
        while parent not in touched and parent != folder.parent:
            touched.add(parent)
            parent = parent.parent
    for each in sorted(touched, reverse=True):
        sync(each)


def replace(folder: Path, name: str, data: bytes) -> None:
    """Put a synced file in the place of what has its name; its folder is not synced."""
    staging = folder / STAGING
    staging.mkdir(parents=True, exist_ok=True)
    new = staging / uuid4().hex
    try:
        with new.open("xb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        new.replace(folder / name)
    finally:
        new.unlink(missing_ok=True)


def clear_away(folder: Path, old_size: int, new_size: int) -> None:
    """Remove partial tiles and bundles whose full one is there since the tree has grown."""
    for level in range(8):
        number, width = divmod(old_size >> (HEIGHT * level), WIDTH)
        if width and width_of(level, number, new_size) == WIDTH:
            shutil.rmtree(folder / f"{tile_path(level, number)}.p", ignore_errors=True)
            if level == 0:
                shutil.rmtree(folder / f"{entries_path(number)}.p", ignore_errors=True)


def clear_staging(folder: Path) -> None:
    """Remove what somebody who died left half written an hour ago or more."""
    before = time.time() - STALE_SECONDS
    for path in (folder / STAGING).glob("*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()


def sync(path: Path) -> None:
    """Force a folder's list of names to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
