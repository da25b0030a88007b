"""Where the archive's files lie. Storage is the face; disk stands behind it.

Names are relative and divided by `/`; no path of the machine goes in or out.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from uuid import uuid4

CHUNK = 64 * 1024
AT_ONE_STROKE = 5
"""From how many folders on the whole file system is synced at once."""


class Missing(LookupError):
    """Nothing of that name is stored."""


class Unavailable(OSError):
    """The server behind a storage does not answer as it must: nothing is known of what it holds.

    Any other OSError is about the file that was asked for.
    """


class Staged(Protocol):
    """Files written but not yet to be found; they vanish unless published."""

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file."""

    def discard(self, name: str) -> None:
        """Take one file away again."""


class Storage(Protocol):
    """What the archive asks of a backend."""

    def is_laid_out(self, files: dict[str, bytes]) -> bool:
        """Say whether the last of the storage root's files is there."""

    def lay_out(self, files: dict[str, bytes]) -> None:
        """Write the files of the storage root, in this order, unless it is laid out."""

    @contextmanager
    def stage(self, label: str, *, marked: bool = False) -> Iterator[Staged]:
        """Open an empty staging place, cleared on leaving; `label` is handed back by `stale`.

        One that is `marked` is there until then, also when it has been published: so that what
        a process leaves undone that dies in between is found.
        """

    def publish(self, staged: Sequence[tuple[Staged, str]]) -> list[str]:
        """Make each staging place appear at its folder, at once and for good.

        When it returns, the files survive a power cut. Returns the folders that were there
        already: of those nothing is changed.
        """

    def replace(self, folder: str, name: str, data: bytes) -> None:
        """Replace one file at once and for good."""

    def put_back(self, folder: str, name: str, chunks: Iterable[bytes]) -> None:
        """Put one file into a folder that is there, at once and for good, whatever its name held.

        For repairs alone.
        """

    def take_away(self, folder: str, name: str) -> None:
        """Remove one file, if it is there. For repairs alone."""

    @contextmanager
    def locked(self, folder: str, *, shared: bool = False) -> Iterator[None]:
        """Keep other writers of this folder away. Raises Missing."""

    def names(self, folder: str) -> list[str]:
        """List every file below `folder`, sorted; empty when there is no such folder."""

    def size(self, folder: str, name: str) -> int:
        """Return a file's size in bytes. Raises Missing."""

    def chunks(self, folder: str, name: str) -> Iterator[bytes]:
        """Yield a file in pieces of 64 KiB. Raises Missing, at the first piece."""

    def remove(self, folder: str) -> None:
        """Remove a folder at once; nothing happens when it is not there."""

    def stale(self, older_than: float) -> list[str]:
        """List the labels of staging places left behind, untouched for that many seconds."""

    def clear(self, label: str, older_than: float, folder: str) -> int:
        """Remove such staging places and empty folders on the way to `folder`; say how many."""


class DiskStaged:
    """A staging folder.

    Strings, not paths, and each folder made but once: much of what a put costs is spent here.
    """

    def __init__(self, folder: str, handle: int) -> None:
        self.folder = folder
        self._made = {""}
        self.handle = handle
        """Open since before the first write: what it syncs then tells of every failed write."""

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file; it is synced when published, together with the others."""
        self._make(name.rpartition("/")[0])
        handle = os.open(f"{self.folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            for chunk in chunks:
                _write_all(handle, chunk)
        finally:
            os.close(handle)

    def discard(self, name: str) -> None:
        """Remove one file and the folders that it leaves empty."""
        path = Path(self.folder, name)
        path.unlink()
        _prune(path.parent, Path(self.folder))
        self._made = {""}

    def _make(self, folder: str) -> None:
        if folder in self._made:
            return
        self._make(folder.rpartition("/")[0])
        with suppress(FileExistsError):
            os.mkdir(f"{self.folder}/{folder}")
        self._made.add(folder)


class Disk:
    """A folder with `ocfl/` (the storage root) and `staging/`, on one file system.

    Staging lies outside the storage root because a root may hold nothing but objects (OCFL 1.1
    section 4.2). Every write is synced before it is named, and its folder after.
    """

    def __init__(self, home: Path, root: str = "ocfl") -> None:
        self._root = home / root
        self._staging = home / "staging"

    def is_laid_out(self, files: dict[str, bytes]) -> bool:
        """Look for the file."""
        return (self._root / list(files)[-1]).exists()

    def lay_out(self, files: dict[str, bytes]) -> None:
        """Make a new storage root."""
        if self.is_laid_out(files):
            return
        self._staging.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            folder, _, file = name.rpartition("/")
            (self._root / folder).mkdir(parents=True, exist_ok=True)
            self.replace(folder, file, data)
            for place in Path(name).parents:
                _sync(self._root / place)
        _sync(self._root.parent)

    @contextmanager
    def stage(self, label: str, *, marked: bool = False) -> Iterator[DiskStaged]:
        """Open a staging folder named for its label; a marked one has the files one folder down."""
        place = f"{self._staging}/{label}.{uuid4().hex}"
        folder = f"{place}/files" if marked else place
        os.mkdir(place)
        if marked:
            os.mkdir(folder)
        handle = os.open(folder, os.O_RDONLY)
        try:
            yield DiskStaged(folder, handle)
        finally:
            os.close(handle)
            shutil.rmtree(place, ignore_errors=True)

    def publish(self, staged: Sequence[tuple[Staged, str]]) -> list[str]:
        """Sync what is staged, then rename each folder into place."""
        free = [
            (place, folder)
            for place, folder in staged
            if isinstance(place, DiskStaged) and not os.path.exists(f"{self._root}/{folder}")
        ]
        if not free:
            return [folder for _, folder in staged]
        handle = free[0][0].handle
        if not sync_file_system(handle):
            for place, _ in free:
                for path in _everything(place.folder):
                    _sync(path)
        moved: list[str] = []
        for place, folder in free:
            target = f"{self._root}/{folder}"
            try:
                self._move_in(place.folder, target)
            except OSError:
                if not os.path.exists(target):
                    raise
            else:
                moved.append(folder)
        # Up to the top each time: whoever made a folder on the way may not have synced it yet.
        above = {parent for folder in moved for parent in _above(folder)}
        if len(above) < AT_ONE_STROKE or not sync_file_system(handle):
            for each in sorted(above, reverse=True):
                _sync(self._root / each)
        return [folder for _, folder in staged if folder not in moved]

    def _move_in(self, folder: str, target: str) -> None:
        for attempt in range(5):
            try:
                os.rename(folder, target)
            except FileNotFoundError:
                # For want of a folder on the way; a sweep may take it again while it is empty.
                if attempt == 4:
                    raise
                os.makedirs(os.path.dirname(target), exist_ok=True)
            else:
                return

    def replace(self, folder: str, name: str, data: bytes) -> None:
        """Write a new file and rename it over the old one."""
        new = self._staging / f"{name}.{uuid4().hex}"
        try:
            with new.open("xb", buffering=0) as file:
                file.write(data)
                os.fsync(file.fileno())
            new.replace(self._root / folder / name)
        finally:
            new.unlink(missing_ok=True)
        _sync(self._root / folder)

    def put_back(self, folder: str, name: str, chunks: Iterable[bytes]) -> None:
        """Write the file beside the archive, then rename it into place."""
        new, target = self._staging / f"back.{uuid4().hex}", self._root / folder / name
        try:
            with new.open("xb", buffering=0) as file:
                for chunk in chunks:
                    _write_all(file.fileno(), chunk)
                os.fsync(file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
        for above in Path(name).parents:
            _sync(self._root / folder / above)

    def take_away(self, folder: str, name: str) -> None:
        """Remove one file, or a link, and the folders that it leaves empty."""
        path = self._root / folder / name
        path.unlink(missing_ok=True)
        _prune(path.parent, self._root / folder)
        _sync(self._root / folder)

    @contextmanager
    def locked(self, folder: str, *, shared: bool = False) -> Iterator[None]:
        """Hold flock on the folder itself: it leaves no file, and a killed process lets go."""
        handle = self._lock(self._root / folder, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(handle)

    def _lock(self, path: Path, kind: int) -> int:
        while True:
            try:
                handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                raise Missing(path.name) from None
            fcntl.flock(handle, kind)
            # While waiting, the folder may have been removed, and another put in its place.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), path.stat()):
                    return handle
            os.close(handle)

    def names(self, folder: str) -> list[str]:
        """List what is on disk, links and other oddities included."""
        top = f"{self._root}/{folder}"
        found: list[str] = []
        # Most often it is asked for what is new.
        if not os.path.exists(top):
            return found
        for place, folders, files in os.walk(top):
            links = [name for name in folders if Path(place, name).is_symlink()]
            found += [Path(place, name).relative_to(top).as_posix() for name in files + links]
        return sorted(found)

    def size(self, folder: str, name: str) -> int:
        """Return the size on disk."""
        with _missing(name):
            return (self._root / folder / name).stat().st_size

    def chunks(self, folder: str, name: str) -> Iterator[bytes]:
        """Read a file without following a link in its place."""
        with _missing(name):
            handle = os.open(self._root / folder / name, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def remove(self, folder: str) -> None:
        """Move the folder out of the root, then take it apart."""
        target = self._root / folder
        grave = self._staging / f"{target.name}.{uuid4().hex}"
        try:
            target.rename(grave)
        except FileNotFoundError:
            return
        _sync(target.parent)
        _prune(target.parent, self._root)
        shutil.rmtree(grave)

    def stale(self, older_than: float) -> list[str]:
        """Read the labels from the folders' names."""
        return sorted({place.name.split(".")[0] for place in self._left_behind(older_than)})

    def clear(self, label: str, older_than: float, folder: str) -> int:
        """Remove what `stale` found for one label."""
        count = 0
        if folder:
            _prune((self._root / folder).parent, self._root)
        for place in self._left_behind(older_than):
            if place.name.split(".")[0] == label:
                count += 1
                if place.is_dir():
                    shutil.rmtree(place)
                else:
                    place.unlink()
        return count

    def _left_behind(self, older_than: float) -> Iterator[Path]:
        before = time.time() - older_than
        for place in self._staging.glob("*"):
            with suppress(FileNotFoundError):
                inside = [path.lstat().st_mtime for path in place.rglob("*")]
                if max([place.lstat().st_mtime, *inside]) < before:
                    yield place


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """Raise Missing for what is not there; that a disk fails to tell is something else."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise Missing(name) from None
        raise


def _write_all(handle: int, data: bytes) -> None:
    """Write to a file, however little of it the system takes at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _above(folder: str) -> Iterator[str]:
    """Yield the folders that a folder lies in, the nearest first, the storage root as ""."""
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


def _prune(folder: Path, stop: Path) -> None:
    """Remove empty folders upward, up to but without `stop`."""
    while folder != stop:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent


def _everything(folder: str) -> Iterator[Path]:
    """Yield the files and folders of a staging place, each before what it lies in."""
    for place, _, files in os.walk(folder, topdown=False):
        yield from (Path(place, file) for file in files)
        yield Path(place)


def sync_file_system(handle: int) -> bool:
    """Force to the disk all that was written to a file system; False where that cannot be done.

    `handle` is anything on it that has been open since before. Ten times as fast as one file
    after the other, for fifty letters. Raises OSError when something could not be written since
    the handle was opened. Earlier Linux than 5.8 does not tell of that (syncfs(2), "Bugs"),
    other systems have no such call.
    """
    if SYNCFS is None:
        return False
    if SYNCFS(handle):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return True


def _find_syncfs() -> Callable[[int], int] | None:
    if sys.platform != "linux" or _kernel() < (5, 8):
        return None
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return found


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])


SYNCFS = _find_syncfs()


def _sync(path: Path) -> None:
    """Force a file, or the list of names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
