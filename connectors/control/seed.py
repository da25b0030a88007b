"""Fills the simulators with the made-up world's letters, and brings one person back to them.

A copy of every seeded letter is kept in SQLite (each document's bytes once), so that a person is
back at her start in a moment, without setting a single PDF again.
"""

from __future__ import annotations

import fcntl
import hashlib
import pickle
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from uuid import uuid4

from connectors.simulation import Simulator, State
from connectors.world.model import Channel, Person, SimulatedLetter
from connectors.world.persons import PERSONS

BATCH = 100

TABLES = (
    "CREATE TABLE IF NOT EXISTS seeded (done INTEGER)",
    "CREATE TABLE IF NOT EXISTS letters (person TEXT, letter BLOB)",
    "CREATE INDEX IF NOT EXISTS letters_of_person ON letters (person)",
    "CREATE TABLE IF NOT EXISTS contents (sha256 BLOB PRIMARY KEY, content BLOB)",
)


class Seed:
    """The seeded letters, and whether they have all been sent."""

    def __init__(self, folder: Path, simulators: Mapping[str, Simulator]) -> None:
        self._folder = folder
        self._simulators = simulators
        self._state = State(folder / "seed.sqlite3")
        with self._state.transaction() as db:
            for table in TABLES:
                db.execute(table)

    def is_done(self) -> bool:
        """Say whether the world has been filled, to the last letter."""
        found = self._state.connection().execute("SELECT done FROM seeded").fetchone()
        return found is not None

    def fill(self, letters: Iterable[SimulatedLetter]) -> int:
        """Send every letter, unless that was done before; returns how many were sent.

        The mark that it is done is written last: a filling that was broken off starts over,
        from empty simulators. One process fills at a time; another waits and then has nothing
        to do. Raises LookupError for a channel that no simulator delivers.
        """
        with self._locked():
            if self.is_done():
                return 0
            self._clear()
            sent = 0
            rest = iter(letters)
            while batch := list(islice(rest, BATCH)):
                self._keep(batch)
                self._send(batch)
                sent += len(batch)
            with self._state.transaction() as db:
                db.execute("INSERT INTO seeded VALUES (1)")
        return sent

    def restore(self, person: Person) -> int:
        """Bring one person back to her seeded letters; returns how many they are.

        They come under new keys, so that who still holds an id of before can neither open nor
        acknowledge them: it is unknown to the simulators.
        """
        suffix = uuid4().hex
        letters = [replace(each, key=f"{each.key}-{suffix}") for each in self._kept(person)]
        for simulator in self._simulators.values():
            simulator.forget(person)
        self._send(letters)
        return len(letters)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "seed.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _clear(self) -> None:
        for simulator in self._simulators.values():
            for person in PERSONS:
                simulator.forget(person)
        with self._state.transaction() as db:
            for table in ("letters", "contents"):
                db.execute(f"DELETE FROM {table}")

    def _send(self, letters: Sequence[SimulatedLetter]) -> None:
        by_channel = channel_table(self._simulators)
        missing = {letter.channel for letter in letters} - set(by_channel)
        if missing:
            raise LookupError(f"no simulator delivers {', '.join(sorted(missing))}")
        for simulator in self._simulators.values():
            own = [each for each in letters if by_channel.get(each.channel) is simulator]
            if own:
                simulator.send_many(own)

    def _keep(self, letters: Sequence[SimulatedLetter]) -> None:
        with self._state.transaction() as db:
            for letter in letters:
                documents = []
                for document in letter.documents:
                    digest = hashlib.sha256(document.content).digest()
                    db.execute(
                        "INSERT OR IGNORE INTO contents VALUES (?, ?)", (digest, document.content)
                    )
                    documents.append(replace(document, content=digest))
                light = pickle.dumps(replace(letter, documents=tuple(documents)))
                db.execute("INSERT INTO letters VALUES (?, ?)", (letter.person.slug, light))

    def _kept(self, person: Person) -> Iterator[SimulatedLetter]:
        db = self._state.connection()
        rows = db.execute(
            "SELECT letter FROM letters WHERE person = ? ORDER BY rowid", (person.slug,)
        ).fetchall()
        for row in rows:
            # Our own file beside the simulators' databases: nobody else writes it.
            letter: SimulatedLetter = pickle.loads(row["letter"])
            documents = tuple(
                replace(document, content=_content(db, document.content))
                for document in letter.documents
            )
            yield replace(letter, documents=documents)


def channel_table(simulators: Mapping[str, Simulator]) -> dict[Channel, Simulator]:
    """Return which simulator delivers each channel's letters."""
    return {channel: each for each in simulators.values() for channel in each.channels}


def _content(db: sqlite3.Connection, digest: bytes) -> bytes:
    row = db.execute("SELECT content FROM contents WHERE sha256 = ?", (digest,)).fetchone()
    return bytes(row["content"])
