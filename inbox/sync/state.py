"""What the database alone knows, for a backup: one encrypted file for each owner of rows.

A citizen's rows are encrypted under her own key, so that they go with it in every backup. What is
nobody's (sources, agencies, senders, the senders' delivery log) is encrypted under SYSTEM's. Left
out are keys, and what is made anew from the archive or from other rows.

A file is lines of JSON, encrypted as the archive's files are (`frames.py`): a header, then one row
a line as [table, columns].
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from itertools import chain, takewhile
from pathlib import Path
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, models, transaction

from inbox.archive import frames, keys, lost_keys, store
from inbox.archive.models import OwnerKey
from inbox.archive.seal import moment
from inbox.citizens.models import Citizen, Identifier, InboxState, Representation
from inbox.letters import cases, counters, indexing
from inbox.letters.models import Case, Delivery, Document, Event, Letter, LifeEventLetter, Tombstone
from inbox.sync.models import Quarantined

FORMAT = "samlepost-state/1"
FOLDER = "state"
BATCH = 500
APPS = ("citizens", "letters", "notifications", "sync", "agencies")
MADE_ANEW = (
    "letters.document",
    "letters.documenttext",
    "letters.lettersearch",
    "letters.deliverykey",
    "letters.accesscopy",
    "letters.correction",
)
"""By `rebuild.py`, or from what it has made."""
OF_ITS_MOMENT = (
    "notifications.outboxemail",
    "notifications.invitationnotice",
    "letters.filing",
    "letters.export",
    "letters.import",
)
"""What a restored database is better without: nobody is told anything a second time."""

Row = tuple[str, dict[str, Any]]
Tell = Callable[[UUID, str], None]


def write_all(target: Path, tell: Tell) -> int:
    """Write the rows of all into the folder's `state/`; returns how many files there are.

    Of an owner whose key is destroyed there is none any more. `tell` is given one whose key is gone
    though nobody destroyed it: the file from before stays.
    """
    folder = target / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = {_write(folder, store.SYSTEM, _of_nobody())}
    lost = 0
    last: UUID | None = None
    while True:
        rows = Citizen.objects.order_by("id")
        batch = list((rows.filter(id__gt=last) if last else rows)[:BATCH])
        for citizen in batch:
            try:
                written.add(_write(folder, citizen.id, _of_citizen(citizen)))
            except keys.Destroyed:
                continue
            except keys.Lost as error:
                tell(citizen.id, str(error))
                lost_keys.note(citizen.id)
                written.add(folder / f"{citizen.id}.enc")
                lost += 1
        if len(batch) < BATCH:
            break
        last = batch[-1].id
    for path in folder.iterdir():
        if path not in written:
            path.unlink()
    return len(written) - lost


def destroyed(source: Path) -> int:
    """Return how many files are of owners whose key is destroyed: they are left out."""
    return sum(keys.is_destroyed(owner_id) for owner_id, _ in _files(source))


def restore_people(source: Path, tell: Tell) -> int:
    """Write citizens with what names them, then what is nobody's, where it is not there.

    Returns how many citizens there are. To be done before the letters are made. `tell` is given an
    owner whose file cannot be read: her key is destroyed, or the file damaged.
    """
    count = 0
    names = {_label(Citizen), _label(Identifier), _label(Quarantined)}
    # At one stroke: what is hers and what is nobody's refer to each other.
    with transaction.atomic():
        for owner_id, path in _files(source):
            if owner_id != store.SYSTEM and _has_key(owner_id):
                with _told(owner_id, tell):
                    _add(takewhile(lambda row: row[0] in names, _rows(owner_id, path)))
                    count += 1
        for owner_id, path in _files(source):
            if owner_id == store.SYSTEM:
                with _told(owner_id, tell):
                    _add(_rows(owner_id, path))
    return count


def restore_state(source: Path, tell: Tell) -> int:
    """Lay what the database knew over the letters that are made anew; returns of how many citizens.

    May be done again; it puts every letter back to how it was when the backup was made.
    """
    count = 0
    for owner_id, path in _files(source):
        if owner_id != store.SYSTEM and _has_key(owner_id):
            with _told(owner_id, tell), transaction.atomic():
                _lay_over(owner_id, _rows(owner_id, path), tell)
                count += 1
    return count


def _tables() -> Iterator[type[models.Model]]:
    for name in APPS:
        for model in apps.get_app_config(name).get_models():
            if _label(model) not in MADE_ANEW + OF_ITS_MOMENT:
                yield model


def _label(model: type[models.Model]) -> str:
    return model._meta.label_lower


def _columns(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    return [each for each in model._meta.concrete_fields if each.column is not None]


def _is_hers(model: type[models.Model]) -> bool:
    return any(each.attname == "citizen_id" for each in _columns(model))


def _of_citizen(citizen: Citizen) -> Iterator[Row]:
    yield from _said(Citizen, {"id": citizen.id})
    # Deliveries before letters, which are taken only with one of theirs.
    first: list[type[models.Model]] = [Identifier, Quarantined, Case, Delivery, Letter]
    rest = [each for each in _tables() if _is_hers(each) and each not in first]
    for model in [*first, *rest]:
        yield from _said(model, {"citizen_id": citizen.id})


def _of_nobody() -> Iterator[Row]:
    for model in _tables():
        if not _is_hers(model) and model is not Citizen:
            yield from _said(model, {})
        elif any(each.attname == "citizen_id" and each.null for each in _columns(model)):
            yield from _said(model, {"citizen_id": None})


def _said(model: type[models.Model], own: dict[str, Any]) -> Iterator[Row]:
    names = [each.attname for each in _columns(model)]
    rows = model._default_manager.filter(**own).values(*names)
    for row in rows.iterator(chunk_size=BATCH):
        yield _label(model), row


def _write(folder: Path, owner_id: UUID, rows: Iterator[Row]) -> Path:
    """Write one owner's file; it has its name only when it is whole."""
    pair = (owner_id, keys.state_id(owner_id))
    key = keys.make([pair])[pair]
    path = folder / f"{owner_id}.enc"
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    is_outermost = not connection.in_atomic_block
    try:
        with fresh.open("wb") as target, transaction.atomic():
            if is_outermost and connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for chunk in frames.encrypt(_lines(owner_id, rows), key, _place(owner_id)):
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def _lines(owner_id: UUID, rows: Iterator[Row]) -> Iterator[bytes]:
    header = {"format": FORMAT, "owner": str(owner_id), "at": moment()}
    for said in chain([header], rows):
        yield json.dumps(said, ensure_ascii=False, default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (bytes, memoryview)):
        return b64encode(bytes(value)).decode()
    return str(value)


def _files(source: Path) -> Iterator[tuple[UUID, Path]]:
    for path in sorted((source / FOLDER).glob("*.enc")):
        with suppress(ValueError):
            yield UUID(path.stem), path


def _has_key(owner_id: UUID) -> bool:
    return OwnerKey.objects.filter(owner_id=owner_id, destroyed_at=None).exists()


def _place(owner_id: UUID) -> str:
    return f"{FOLDER}/{owner_id}"


def _rows(owner_id: UUID, path: Path) -> Iterator[Row]:
    """Yield a file's rows with their columns' own values. Raises NoKey, ValueError or OSError."""
    key = keys.find(owner_id, keys.state_id(owner_id))
    with path.open("rb") as source:
        chunks = iter(lambda: source.read(frames.FRAME_BYTES), b"")
        lines = _split(frames.decrypt(chunks, key, _place(owner_id)))
        header = json.loads(next(lines, b"{}"))
        if (header.get("format"), header.get("owner")) != (FORMAT, str(owner_id)):
            raise ValueError(f"{path.name} is no {FORMAT} of this owner")
        for line in lines:
            label, said = json.loads(line)
            columns = {each.attname: each for each in _columns(apps.get_model(label))}
            yield (
                label,
                {
                    name: columns[name].to_python(value)
                    for name, value in said.items()
                    if name in columns
                },
            )


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in chunks:
        *lines, held = (held + chunk).split(b"\n")
        yield from lines
    if held:
        yield held


def _add(rows: Iterator[Row]) -> None:
    """Write rows where none with their key is; a citizen who is not here is left out of them."""
    waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for label, said in rows:
        waiting[label].append(said)
        if len(waiting[label]) >= BATCH:
            _create(apps.get_model(label), waiting.pop(label))
    for label, found in waiting.items():
        _create(apps.get_model(label), found)


def _create(model: type[models.Model], rows: list[dict[str, Any]]) -> None:
    fitting = _without_strangers(model, rows)
    model._default_manager.bulk_create(
        [model(**said) for said in fitting], ignore_conflicts=True, batch_size=BATCH
    )


def _without_strangers(
    model: type[models.Model], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Leave out of rows who is not here any more; a row that is of nobody then is left out."""
    references = [
        each
        for each in _columns(model)
        if isinstance(each, models.ForeignKey) and each.related_model in (Citizen, Quarantined)
    ]
    here: set[UUID | None] = {None}
    for each in references:
        named = {said[each.attname] for said in rows}
        rows_of = each.related_model._default_manager.filter(pk__in=named)
        here.update(rows_of.values_list("pk", flat=True))
    fitting = []
    for said in rows:
        missing = [each for each in references if said[each.attname] not in here]
        # Without its helper a representation would be an invitation to anybody.
        if not missing or (all(each.null for each in missing) and model is not Representation):
            fitting.append(said | {each.attname: None for each in missing})
    return fitting


def _lay_over(owner_id: UUID, rows: Iterator[Row], tell: Tell) -> None:
    own = {"citizen_id": owner_id}
    there = set(Delivery.objects.filter(**own).values_list("id", flat=True))
    wanted: set[UUID] = set()
    lost = 0
    waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for label, said in rows:
        if label == _label(Citizen):
            Citizen.objects.filter(id=owner_id).update(**_rest(said, "id"))
        elif label == _label(Case):
            _case(said)
        elif label == _label(Delivery):
            if said["id"] in there:
                wanted.add(said["letter_id"])
                Delivery.objects.filter(**own, id=said["id"]).update(**_rest(said))
                Document.objects.filter(**own, delivery_id=said["id"]).update(
                    letter_id=said["letter_id"]
                )
        elif label == _label(Letter):
            if said["id"] in wanted:
                _letter(said)
            else:
                lost += 1
        elif _stays(label, said, wanted, there):
            waiting[label].append(said)
    for model in _tables():
        if _is_hers(model) and model not in (Quarantined, Case, Delivery, Letter):
            _replace(model, owner_id, waiting.pop(_label(model), []), wanted)
    if lost:
        tell(owner_id, f"{lost} of her letters are in the backup's rows and not in the archive")
    deleted = Tombstone.objects.filter(**own).values("id")
    Delivery.objects.filter(**own, id__in=deleted).delete()
    empty = Letter.objects.filter(**own).exclude(
        id__in=Delivery.objects.filter(**own).values("letter_id")
    )
    empty.delete()
    _settle(owner_id)


def _stays(label: str, said: dict[str, Any], letters: set[UUID], deliveries: set[UUID]) -> bool:
    """Say whether what a row hangs on is here, and it sets nothing going."""
    if label.startswith("notifications.") and said.get("state") == "waiting":
        return False
    names = {each.name for each in apps.get_model(label)._meta.get_fields()}
    if "letter" in names and said["letter_id"] not in letters:
        return False
    return "delivery" not in names or said.get("delivery_id", said["id"]) in deliveries


def _rest(said: dict[str, Any], *more: str) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in ("citizen_id", "id", *more)}


def _case(said: dict[str, Any]) -> None:
    """Write a case under its own id; letters that were made anew have found it under another."""
    own = {"citizen_id": said["citizen_id"]}
    same = Case.objects.filter(
        **own, sender_key=said["sender_key"], reference=said["reference"]
    ).exclude(id=said["id"])
    for other in same:
        Letter.objects.filter(**own, case_id=other.id).update(case_id=said["id"])
        other.delete()
    Case.objects.update_or_create(**own, id=said["id"], defaults=_rest(said))


def _letter(said: dict[str, Any]) -> None:
    rows = Letter.objects.filter(citizen_id=said["citizen_id"], id=said["id"])
    if not rows.update(**_rest(said)):
        Letter.objects.bulk_create([Letter(**said)])


def _replace(
    model: type[models.Model], owner_id: UUID, rows: list[dict[str, Any]], letters: set[UUID]
) -> None:
    """Put the backup's rows of a table in the place of hers; of newer letters' rows none goes."""
    mine = model._default_manager.filter(citizen_id=owner_id)
    if model in (Event, LifeEventLetter):
        mine = mine.filter(letter_id__in=letters)
    mine.delete()
    _create(model, rows)


def _settle(owner_id: UUID) -> None:
    """Make anew what follows from her letters: cases, index, counts."""
    letters = Letter.objects.filter(citizen_id=owner_id).select_related("sender")
    last: UUID | None = None
    while True:
        rows = letters.order_by("id")
        batch = list((rows.filter(id__gt=last) if last else rows)[:BATCH])
        cases.assign(batch)
        Letter.objects.bulk_update(batch, ["case_id"]) if batch else None
        indexing.write(batch)
        if len(batch) < BATCH:
            break
        last = batch[-1].id
    InboxState.objects.get_or_create(citizen_id=owner_id)
    counters.recount(owner_id)


class _told:
    """Name an owner whose file cannot be read, and go on with the others."""

    def __init__(self, owner_id: UUID, tell: Tell) -> None:
        self._owner_id, self._tell = owner_id, tell

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, (keys.NoKey, ValueError, LookupError, OSError)):
            self._tell(self._owner_id, f"{FOLDER}/{self._owner_id}.enc: {error}")
            return True
        return False
