"""Archive put against plain write and fsync of the same bytes, and a large document's memory.

The file system decides as much as the code: TMPDIR names the disk that `make bench` takes. Without
a journal fsync costs a fraction of what it does on a disk that an archive may be on
(docs/archive-format.md, "The disk"), and a new file a multiple for minutes after many were deleted.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from bench.rounds import interleaved, milliseconds, ratio  # noqa: E402
from inbox.archive import frames, ocfl, places, store  # noqa: E402
from inbox.archive.ocfl import Meter  # noqa: E402
from inbox.archive.storage import Disk, Staged  # noqa: E402

SIZES = {100_000: 100, 1_000_000: 20}
"""Bytes of a letter, and how many are put together; `sync/intake.py` makes 100 of them safe."""
ROUNDS = 15
ALONE = 10
LARGE = 100_000_000


def main() -> None:
    """Print the ratios."""
    call_command("migrate", verbosity=0)
    print(f"on {file_system(settings.DATA_DIR)}")
    owner = uuid4()
    for size, together in SIZES.items():
        small(owner, size, together)
    large(owner)


def small(owner: UUID, size: int, together: int) -> None:
    """Print what letters of a size cost, put together and one by one.

    There are two yardsticks: the letter's own bytes, in one file, and all that the archive keeps
    of it, the same files with the same bytes (an object's declaration, inventories, document and
    seal), each written and synced. Between them stand parts of a put: one file as the archive keeps
    it, synced and named by itself, and the files and folders of a whole object, with nothing
    reckoned or recorded.
    """
    content = os.urandom(size)
    plain = settings.DATA_DIR / "plain"
    plain.mkdir(parents=True, exist_ok=True)
    disk = Disk(settings.DATA_DIR / "bare")
    disk.lay_out(ocfl.ROOT_FILES)
    files = parts(store.put(owner, uuid4(), {"files/0001.pdf": content}).object_id)

    def write(*contents: bytes) -> None:
        for _ in range(together):
            for data in contents:
                descriptor = os.open(plain / str(uuid4()), os.O_WRONLY | os.O_CREAT)
                os.write(descriptor, data)
                os.fsync(descriptor)
                os.close(descriptor)

    def file() -> None:
        for _ in range(together):
            name, plaintext, stored = uuid4().hex, Meter("sha256"), Meter("sha512")
            encrypted = frames.encrypt(plaintext.through([content]), os.urandom(32), name)
            disk.put_back("files", name, stored.through(encrypted))

    def bare() -> None:
        with ExitStack() as stack:
            staged: list[tuple[Staged, str]] = []
            for _ in range(together):
                place = stack.enter_context(disk.stage(uuid4().hex))
                for name, data in files.items():
                    place.write(name, [data])
                staged.append((place, ocfl.object_folder(uuid4().urn)))
            disk.publish(staged)

    def many() -> None:
        ids = [uuid4() for _ in range(together)]
        with store.group((owner, each) for each in ids) as group:
            for each in ids:
                group.put(owner, each, {"files/0001.pdf": content})

    def one() -> None:
        for _ in range(ALONE):
            store.put(owner, uuid4(), {"files/0001.pdf": content})

    subjects: dict[str, Callable[[], None]] = {
        "plain": partial(write, content),
        "kept": partial(write, *files.values()),
        "file": file,
        "bare": bare,
        "group": many,
        "one": one,
    }
    counts = dict.fromkeys(subjects, together) | {"one": ALONE}
    times = interleaved(subjects, ROUNDS)
    each = {name: [second / counts[name] for second in times[name]] for name in times}
    said = {
        "plain": "plain write and fsync of the letter",
        "kept": "plain write and fsync of all that is kept",
        "file": "one file: digests, encrypted, put",
        "bare": "an object's files and folders, put",
        "group": f"archive put, {together} letters together",
        "one": "archive put, a letter by itself",
    }
    print(f"a letter of {size // 1000} kB")
    for name, text in said.items():
        of = f" {ratio(each['plain'], each[name]):.2f} of the letter"
        if name in ("bare", "group", "one"):
            of += f", {ratio(each['kept'], each[name]):.2f} of all that is kept"
        print(f"  {text:42} {milliseconds(each[name])}{of if name != 'plain' else ''}")


def file_system(folder: Path) -> str:
    """Say what kind of file system a folder is on, and of ext4 whether it has a journal."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        mounts = []
    found = [each.split(" - ", 1)[1].split() for each in mounts if each.split()[2] == number]
    # On another system than Linux; and on Btrfs, whose volumes have numbers of their own.
    if not found:
        return "a file system that is not known"
    kind, source = found[-1][:2]
    if kind != "ext4":
        return kind
    has_journal = any(Path("/proc/fs/jbd2").glob(f"{Path(source).name}-*"))
    if has_journal:
        return "ext4 with a journal"
    return 'ext4 without a journal: not for an archive (docs/archive-format.md, "The disk")'


def parts(object_id: UUID) -> dict[str, bytes]:
    """Return the files of an object, as they lie there."""
    storage, folder = places.primary(), ocfl.object_folder(object_id.urn)
    names = storage.names(folder)
    return {name: b"".join(storage.chunks(folder, name)) for name in names}


def large(owner: UUID) -> None:
    """Print how much memory a document of 100 MB takes on its way in and out."""
    object_id, piece = uuid4(), os.urandom(65_536)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store.put(owner, object_id, {"files/0001.pdf": (piece for _ in range(LARGE // len(piece)))})
    for _ in store.read_chunks(owner, object_id, "files/0001.pdf"):
        pass
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"a document of 100 MB in and out takes {(after - before) / 1024:.1f} MB more memory")


if __name__ == "__main__":
    main()
