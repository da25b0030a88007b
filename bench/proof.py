"""The proof of one letter, made and checked, in a log of a million leaves."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from bench.rounds import interleaved, milliseconds, ratio  # noqa: E402
from connectors.tlog import merkle, note, tiles  # noqa: E402
from connectors.tlog import proof as tlog_proof  # noqa: E402
from connectors.tlog.checkpoint import Checkpoint  # noqa: E402
from connectors.tlog.note import Note  # noqa: E402
from connectors.tlog.tiles import Tiles  # noqa: E402
from inbox.archive import proof  # noqa: E402
from inbox.archive.proof import log  # noqa: E402
from inbox.archive.proof.leaves import row_of  # noqa: E402
from inbox.archive.proof.models import LogEntry  # noqa: E402

LEAVES = int(os.environ.get("BENCH_LEAVES", "1000000"))
YARDSTICK_BYTES = 10_000_000
SECONDS_MAX = 1.0
ROUNDS = 15
REPEATS = 5
KNOWN = 500
"""Leaves that have a row, spread over the log."""


def main() -> None:
    """Build the log, and print the ratios. Raises SystemExit when a proof takes too long."""
    call_command("migrate", verbosity=0)
    seconds = build(log.folder())
    print(f"log of {LEAVES:,} leaves built in {seconds:.0f} s")
    rnd = random.Random(1)
    known = sorted(rnd.sample(range(LEAVES), KNOWN))
    with connection.cursor() as cursor:  # a trigger keeps PostgreSQL from deleting rows of leaves
        verb = "TRUNCATE" if connection.vendor == "postgresql" else "DELETE FROM"
        cursor.execute(f"{verb} {LogEntry._meta.db_table}")
    LogEntry.objects.bulk_create(row_of(entry(number), number) for number in known)
    key = note.read_vkey(proof.public_keys().log)
    data = os.urandom(YARDSTICK_BYTES)
    made: list[str] = []

    def make() -> None:
        text = proof.of(UUID(int=rnd.choice(known)), 1)
        assert text
        made.append(text)

    def check() -> None:
        read = tlog_proof.read(made[-1])
        assert read.extra
        assert read.verify(read.extra, key).size == LEAVES

    def plain() -> None:
        hashlib.sha256(data).digest()

    def grow() -> None:
        LogEntry.objects.bulk_create([row_of(entry(LEAVES + len(grown)))])
        grown.append(proof.sequence())

    grown: list[int] = []
    times = interleaved({"make": make, "check": check, "plain": plain}, ROUNDS, REPEATS)
    print(f"SHA-256 of {YARDSTICK_BYTES // 1_000_000} MB     {milliseconds(times['plain'])}")
    print(f"proof of one letter, made     {milliseconds(times['make'])}")
    print(f"proof of one letter, checked  {milliseconds(times['check'])}")
    print(f"  making at {ratio(times['make'], times['plain']):.2f} of the yardstick's time")
    print(f"  checking at {ratio(times['check'], times['plain']):.2f} of the yardstick's time")
    worst = max(times["make"]) + max(times["check"])
    print(f"  made and checked in {worst * 1000:.1f} ms at worst; it may take {SECONDS_MAX:.0f} s")
    LogEntry.objects.bulk_create([row_of(entry(LEAVES - 1), LEAVES - 1)], ignore_conflicts=True)
    more = interleaved({"grow": grow, "plain": plain}, ROUNDS, REPEATS)
    print(f"one more leaf logged and signed  {milliseconds(more['grow'])}")
    print(f"  at {ratio(more['grow'], more['plain']):.2f} of the yardstick's time")
    if worst >= SECONDS_MAX:
        raise SystemExit("a proof took too long")


def entry(number: int) -> proof.Entry:
    """Return the entry of a made-up object with this number."""
    digest = f"{number:064x}"
    return proof.Entry.put(UUID(int=number), 1, digest * 2, digest)


def build(folder: Path) -> float:
    """Write a whole log at one stroke; returns the seconds that it took."""
    started = time.perf_counter()

    def leaves() -> Iterator[bytes]:
        text = entry(0).leaf()
        zeros, first = f"{0:064x}", str(UUID(int=0))
        for number in range(LEAVES):  # as `entry` makes them, at a fifth of the time
            digest, tail = f"{number:064x}", f"{number:012x}"
            yield text.replace(zeros, digest).replace(first, first[:-12] + tail).encode()

    for name, data in tiles.grow(Tiles(folder, 0), leaves()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    head = Checkpoint(
        settings.ARCHIVE_LOG_ORIGIN, LEAVES, merkle.root(LEAVES, Tiles(folder, LEAVES))
    )
    signed = Note(head.text(), (log.signer().sign(head.text()),)).encode()
    (folder / "checkpoint").write_text(signed, "utf-8")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
