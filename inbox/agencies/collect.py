"""What has become of letters, taken up from the delivery log: counted, and told to their senders.

No arrival and no opening touches a row that another one touches, too: what they change is marked
`untold`, and counted here, many at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime

from django.db import connection, transaction
from django.db.models import BooleanField, Case, ExpressionWrapper, F, Q, QuerySet, When

from inbox.agencies import figures, webhooks
from inbox.agencies.models import Figures
from inbox.letters.models import DeliveryRecord

BATCH = 500
BATCHES_MAX = 40

Key = tuple[str, str, date]
"""Organisation number, source, first day of the month."""


def collect_due() -> int:
    """Take up what is untold; returns how many deliveries. Several may run at once.

    An opening that its sender is not told of is forgotten once it is counted.
    """
    taken = 0
    for _ in range(BATCHES_MAX):
        if not DeliveryRecord.objects.filter(untold=True).exists():
            break
        now = _collect()
        taken += now
        if now < BATCH:
            break
    return taken


def _collect() -> int:
    with transaction.atomic():
        records = list(_held(DeliveryRecord.objects.filter(untold=True).order_by("id"))[:BATCH])
        if records:
            _count(records)
            webhooks.queue(records)
            DeliveryRecord.objects.filter(id__in=[each.id for each in records]).update(
                untold=False,
                counted=_is(Q(counted=True) | Q(delivered_at__isnull=False)),
                opening_counted=_is(Q(opening_counted=True) | Q(opened_at__isnull=False)),
                opened_at=Case(When(tells_opening=True, then=F("opened_at")), default=None),
            )
    return len(records)


def _held(rows: QuerySet[DeliveryRecord]) -> QuerySet[DeliveryRecord]:
    """Hold the rows until the transaction ends; those that another has in hand come next time."""
    return rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)


def _is(condition: Q) -> ExpressionWrapper[Q]:
    return ExpressionWrapper(condition, BooleanField())


def _count(records: Sequence[DeliveryRecord]) -> None:
    """Add what is new of these to the figures, each thing once."""
    letters: Counter[Key] = Counter()
    asked: Counter[Key] = Counter()
    opened: Counter[Key] = Counter()
    asked_opened: Counter[Key] = Counter()
    times: dict[Key, Counter[str]] = {}
    for record in records:
        if not record.counts or record.delivered_at is None:
            continue
        key = (record.org_number, record.source, figures.month_of(record.delivered_at))
        if not record.counted:
            letters[key] += 1
            asked[key] += record.asks_opening
        if (bucket := _opening(record, record.delivered_at)) is not None:
            opened[key] += 1
            asked_opened[key] += record.asks_opening
            times.setdefault(key, Counter())[str(bucket)] += 1
    for row in _rows(letters.keys() | opened.keys()):
        key = (row.org_number, row.source, row.month)
        row.letters += letters[key]
        row.asked += asked[key]
        row.opened += opened[key]
        row.asked_opened += asked_opened[key]
        row.times = dict(Counter(row.times) + times.get(key, Counter()))
        row.save(update_fields=["letters", "asked", "opened", "asked_opened", "times"])


def _opening(record: DeliveryRecord, delivered_at: datetime) -> int | None:
    """Return the bucket of the time to an opening that is to be counted; None where none is."""
    if record.opened_at is None or record.opening_counted:
        return None
    waited = record.opened_at - delivered_at
    return figures.bucket_of(waited) if waited < figures.COUNTED_FOR else None


def _rows(keys: set[Key]) -> list[Figures]:
    """Return the figures of these keys, made if need be, held; in one order everywhere."""
    if not keys:
        return []
    Figures.objects.bulk_create(
        [Figures(org_number=org, source=source, month=month) for org, source, month in keys],
        ignore_conflicts=True,
    )
    wanted = Q()
    for org_number, source, month in keys:
        wanted |= Q(org_number=org_number, source=source, month=month)
    return list(Figures.objects.select_for_update().filter(wanted).order_by("id"))
