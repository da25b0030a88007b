"""Taking a copy of letters in again: into an account that has none, and marked as brought by her.

A copy is hers to write in, so nothing of it is believed but what can be proved. The bag is checked
first, all of it, by the very program that lies in it. What the archive's log has sealed is known to
have lain in an archive like ours, byte for byte; who sent it, and what it says of itself, is her
word. Each delivery stands under the source `Letter.BROUGHT`, so that nothing is ever told, answered
or matched at a source because a copy says so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from jsonschema import Draft202012Validator, FormatChecker

from connectors import clock
from inbox.archive import proof, store
from inbox.archive.bag.reading import BadBag, Limits, Unreadable, ZippedBag
from inbox.archive.bag.verify import Check
from inbox.archive.deposit import UNKNOWN_TYPE, package_rows
from inbox.archive.models import Blob, Package
from inbox.archive.store import Stored
from inbox.citizens.models import SecurityLevel
from inbox.citizens.owned import new_id
from inbox.citizens.viewer import Viewer
from inbox.letters import access, cases, counters, folders, indexing, join, naming, proposals
from inbox.letters.brought import Paths, rows_of
from inbox.letters.documents import LevelTooLow
from inbox.letters.models import Access, Delivery, Event, Folder, Letter, Placement, Reply
from inbox.letters.receive import add_documents

BATCH = 100
OSLO = ZoneInfo("Europe/Oslo")
LETTER = "letter.json"
JSON_BYTES_MAX = 20_000_000
SCHEMA = json.loads(Path(__file__).with_name("brought.schema.json").read_text("utf-8"))
"""What letter.json may say."""

log = logging.getLogger("samlepost.bring_in")


class NotEmpty(Exception):
    """The account has letters: a copy is taken into an empty one alone."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken in."""

    letters: int
    proved: int
    """How many of them are proved by a log whose key is known here."""


def take_in(
    viewer: Viewer,
    file: BinaryIO,
    limits: Limits,
    *,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
    end: Callable[[Taken], None] = lambda _taken: None,
) -> Taken:
    """Take in a zipped bag. Raises LevelTooLow, NotEmpty, and BadBag, which names the file.

    `tell` learns how many of how many letters are in the archive, of 0 while all of it is being
    checked; `end` is called in the transaction that writes them all. What either raises undoes
    everything.
    """
    if not viewer.may_read(SecurityLevel.HIGH):
        raise LevelTooLow
    _must_be_empty(viewer)
    bag = ZippedBag(file, limits)
    check = Check(bag, None, lambda _line: tell(0, 0))
    if not check.run():
        raise BadBag("damaged", check.faults[0].partition(":")[0])
    letters = [name for name in check.digests if _is_letter(name)]
    if not letters:
        raise BadBag("no_letters")
    read = _Reader(bag, check, viewer)
    made: list[UUID] = []
    try:
        ids = {}
        for done, name in enumerate(letters):
            tell(done, len(letters))
            try:
                ids[name] = read.archive(name, made)
            except store.BadPath:
                raise BadBag("bad_letter", name) from None
        # Letters of one moment stand in the order of their ids: the new ones follow the old.
        letters.sort(key=lambda name: ids[name])
        with transaction.atomic():
            join.lock([viewer.citizen_id])
            _must_be_empty(viewer)
            for some in _batches(letters):
                _write(viewer, [read.rows(name) for name in some])
            access.note(viewer, Access.What.IMPORT)
            taken = Taken(len(letters), read.proved)
            end(taken)
    except BaseException:
        for object_id in made:
            store.remove(viewer.citizen_id, object_id)
        raise
    return taken


@dataclass(slots=True)
class _Brought:
    """One letter as rows that are not written yet."""

    letter: Letter
    deliveries: list[Delivery]
    documents: list[Any]
    events: list[Event]
    replies: list[Reply]
    packages: list[Package]
    blobs: list[Blob]
    folders: list[dict[str, str]]


class _Reader:
    """Reads letters of a checked bag."""

    def __init__(self, bag: ZippedBag, check: Check, viewer: Viewer) -> None:
        self._bag, self._check, self._viewer = bag, check, viewer
        self._validator = Draft202012Validator(SCHEMA, format_checker=FORMATS)
        self._objects: dict[str, list[tuple[UUID, list[Stored]]]] = {}
        """By letter: for each delivery its new object, and what was stored of each version."""
        self._sent: dict[tuple[str, str], Stored] = {}
        """Files of answers, by letter and name."""
        self._senders: dict[tuple[str, str], Any] = {}
        self._at = clock.now()
        self.proved = 0
        keys = proof.public_keys() if settings.ARCHIVE_PROOF != "off" else None
        self._known_logs = {keys.log} if keys else set()

    def said(self, name: str) -> dict[str, Any]:
        """Return what letter.json says. Raises BadBag."""
        if self._bag.size(name) > JSON_BYTES_MAX:
            raise BadBag("bad_letter", name)
        try:
            said = _cleaned(json.loads(self._bag.read(name)))
        except (ValueError, RecursionError, Unreadable):
            raise BadBag("bad_letter", name) from None
        wrong = next(self._validator.iter_errors(said), None)
        if wrong is not None:
            log.info("a letter cannot be taken in: %s at %s", wrong.validator, wrong.json_path)
            raise BadBag("bad_letter", name)
        deliveries = [each["id"] for each in said["deliveries"]]
        if len(deliveries) != len(set(deliveries)):
            raise BadBag("bad_letter", name)
        return dict(said)

    def archive(self, name: str, made: list[UUID]) -> str:
        """Put what is kept of a letter into the archive, as new objects; return its id in the copy.

        Adds the objects to `made` before they are. Raises BadBag, OSError.
        """
        said, folder = self.said(name), name[: -len(LETTER)]
        types = {
            (each["delivery"], each["path"]): each["media_type"]
            for each in said.get("documents", ())
            if each["path"]
        }
        self._objects[name] = []
        for delivery in said["deliveries"]:
            object_id, kept = new_id(), delivery["kept"] or {"versions": []}
            made.append(object_id)
            stored: list[Stored] = []
            for version in kept["versions"]:
                files = self._files(folder, version)
                if version is kept["versions"][0]:
                    files[f"brought/{LETTER}"] = lambda: self._bag.chunks(name)
                write = store.add_version if stored else store.put
                stored.append(
                    write(
                        self._viewer.citizen_id,
                        object_id,
                        {path: chunks() for path, chunks in files.items()},
                        note="brought in from a copy",
                        media_types={
                            path: types.get((delivery["id"], path), UNKNOWN_TYPE) for path in files
                        },
                        source=Letter.BROUGHT,
                    )
                )
            if not stored:
                alone = {f"brought/{LETTER}": self._bag.chunks(name)}
                stored.append(
                    store.put(
                        self._viewer.citizen_id,
                        object_id,
                        alone,
                        note="brought in from a copy",
                        source=Letter.BROUGHT,
                    )
                )
            self._objects[name].append((object_id, stored))
        for answer in said.get("answers", ()):
            for file in answer["attachments"]:
                if file["file"] and answer["state"] != "draft":
                    self._beside_answer(name, folder + file["file"], file["media_type"], made)
        return str(said["id"])

    def rows(self, name: str) -> _Brought:
        """Return a letter's rows. Raises BadBag."""
        said = self.said(name)
        packages, blobs = [], []
        paths: Paths = {}
        proofs = []
        for delivery, (_, stored) in zip(said["deliveries"], self._objects[name], strict=True):
            types = {
                each["path"]: each["media_type"]
                for each in said.get("documents", ())
                if each["delivery"] == delivery["id"] and each["path"]
            }
            proofs.append(self._proof(delivery["kept"]))
            for version in stored:
                package, some = package_rows(self._viewer.citizen_id, version, types)
                blobs += some
                for blob in some:
                    paths[delivery["id"], blob.version, blob.path] = blob
            packages.append(package)
        sent = {}
        for (of, file), one in self._sent.items():
            if of == name:
                package, some = package_rows(self._viewer.citizen_id, one, {})
                packages.append(package)
                blobs += some
                sent[file] = one
        try:
            letter, deliveries, documents, events, replies = rows_of(
                self._viewer,
                said,
                [each for each, _ in self._objects[name]],
                paths,
                proofs,
                sent,
                self._at,
                self._senders,
            )
        except ValueError:
            raise BadBag("bad_letter", name) from None
        self.proved += bool(proofs) and all(each == "log" for each in proofs)
        return _Brought(
            letter, deliveries, documents, events, replies, packages, blobs, said["folders"]
        )

    def _files(
        self, folder: str, version: dict[str, Any]
    ) -> dict[str, Callable[[], Iterator[bytes]]]:
        """Return what a version holds by its paths, with what proved it before."""
        files = {
            each["path"]: self._opened(folder + each["file"])
            for each in version["files"]
            if each["file"] and not each["path"].startswith("brought/")
        }
        number = version["version"]
        for what, name in (("seal", "seal.json"), ("proof", "proof.tlog-proof")):
            if version[what]:
                files[f"brought/v{number}/{name}"] = self._opened(folder + version[what])
        return files

    def _opened(self, name: str) -> Callable[[], Iterator[bytes]]:
        if name not in self._check.digests:
            raise BadBag("missing", name)
        return lambda: self._bag.chunks(name)

    def _beside_answer(self, letter: str, name: str, media_type: str, made: list[UUID]) -> None:
        file = self._opened(name)
        object_id = new_id()
        made.append(object_id)
        self._sent[letter, name.removeprefix(letter[: -len(LETTER)])] = store.put(
            self._viewer.citizen_id,
            object_id,
            {"files/0001.bin": file()},
            note="brought in from a copy",
            media_types={"files/0001.bin": media_type},
            source=Letter.BROUGHT,
        )

    def _proof(self, kept: dict[str, Any] | None) -> str:
        """Say what proves a delivery: "log", of a log that is known here, "seal" or nothing."""
        versions = kept["versions"] if kept else []
        if kept is None or not versions or not all(each["seal"] for each in versions):
            return ""
        signers = [self._check.signers.get((kept["object"], each["version"])) for each in versions]
        return "log" if all(each in self._known_logs for each in signers) else "seal"


def _write(viewer: Viewer, brought: Sequence[_Brought]) -> None:
    """Write a batch. Must run in a transaction."""
    own = {"citizen_id": viewer.citizen_id}
    placements = []
    for each in brought:
        # Names that are the same to us are one folder.
        ids = list(dict.fromkeys(_folder(viewer, folder) for folder in each.folders))
        each.letter.folders = [str(folder_id) for folder_id in ids if folder_id]
        placements += [
            Placement(**own, folder_id=folder_id, letter_id=each.letter.id)
            for folder_id in ids
            if folder_id
        ]
    letters = [each.letter for each in brought]
    Package.objects.bulk_create([row for each in brought for row in each.packages])
    Blob.objects.bulk_create([row for each in brought for row in each.blobs])
    cases.assign(letters)
    Letter.objects.bulk_create(letters)
    Delivery.objects.bulk_create([row for each in brought for row in each.deliveries])
    add_documents([row for each in brought for row in each.documents])
    Reply.objects.bulk_create([row for each in brought for row in each.replies])
    Event.objects.bulk_create([row for each in brought for row in each.events])
    Placement.objects.bulk_create(placements)
    indexing.write(letters, new=True)
    proposals.propose(letters)
    with counters.changing(viewer.citizen_id) as state:
        counters.add(state, letters)


def _folder(viewer: Viewer, said: dict[str, str]) -> UUID | None:
    """Return the folder of hers that has this name, made if need be; None: it cannot be made."""
    key = " ".join(said["name"].split()).casefold()[: naming.KEY_MAX]
    found = Folder.objects.filter(citizen_id=viewer.citizen_id, name_key=key).first()
    if found is None:
        with suppress(naming.NotDone):
            found = folders.create(viewer, said["name"], said["color"])
    return found.id if found else None


def is_empty(viewer: Viewer) -> bool:
    """Say whether she has no letters, so that a copy may be taken in."""
    return not Letter.objects.filter(citizen_id=viewer.citizen_id).exists()


def _must_be_empty(viewer: Viewer) -> None:
    if not is_empty(viewer):
        raise NotEmpty


def _is_letter(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 4 and parts[:2] == ["data", "letters"] and parts[3] == LETTER


def _batches(names: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(names), BATCH):
        yield names[start : start + BATCH]


def _cleaned(value: Any) -> Any:
    """Return JSON without what PostgreSQL cannot keep: NUL, and halves of characters."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode(errors="ignore").decode()
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(each) for key, each in value.items()}
    return value


FORMATS = FormatChecker(())


@FORMATS.checks("moment", raises=(ValueError, OverflowError))
def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return True
    moment = datetime.fromisoformat(value)
    # It must be a moment where it is kept and where it is shown, too.
    return moment.tzinfo is not None and moment.astimezone(UTC).astimezone(OSLO) == moment
