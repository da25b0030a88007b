"""An agency's own sources: how each stands, and the one that the agency connects by itself.

An agency that hosts its letters (`docs/minside-feed.md`) writes down where its feed is, tries it
with the conformance kit, and takes it into use when every rule is kept: nobody has to be asked.
Citizens then find it among the sources that they may connect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from connectors.contract import ConnectorError
from connectors.public import LOOPBACK_NAMES
from inbox.agencies.access import sources_of
from inbox.agencies.models import Agency, AgencySource, ConformanceRun
from inbox.sync.models import Mailbox, Source
from inbox.sync.sources import connected, forget_labels

FEED = "minside"
"""The connector of feeds that agencies host."""
LABEL_MAX, ADDRESS_MAX, RETENTION_DAYS_MAX = 100, 500, 36_500
LOOKED_AT = 50
"""Mailboxes of a source that are looked at, those fetched last first."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a source of the agency's stands, without anything of whose mailboxes they are."""

    source: Source
    failing: dict[str, int]
    """How many mailboxes fail now, by the contract's word for why; a shared queue counts as 1."""
    detail: str
    """What one of the failures said."""
    last_success_at: datetime | None
    """By the shared clock: the latest success that was found."""
    paused_until: datetime | None
    """Real time: it has asked us to wait."""


class Refused(Exception):
    """It cannot be done like this; the text is a word for why, for which the page has others."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A feed as the agency describes it."""

    address: str
    label: str
    """Its name for citizens."""
    retention_days: int = 0
    """After how many days it deletes what does not say so itself; 0: it deletes nothing."""


def health(agency: Agency) -> list[Health]:
    """Return how each of the agency's sources stands: two queries a source, both by index."""
    return [_health(source) for source in sources_of(agency)]


def _health(source: Source) -> Health:
    paused = source.paused_until
    waits = paused if paused and paused > timezone.now() else None
    if source.shared_queue:
        failing = {source.failure: 1} if source.failure else {}
        return Health(source, failing, source.failure_detail, source.last_success_at, waits)
    own = Mailbox.objects.filter(source=source, active=True)
    failed = own.exclude(failure="").values_list("failure").annotate(of=Count("citizen_id"))
    failing = dict(failed.order_by("failure"))
    latest = own.order_by("-due_at").values_list("last_success_at", "failure_detail")[:LOOKED_AT]
    successes = [success for success, _ in latest if success]
    details = [detail for _, detail in latest if detail] if failing else []
    newest = max(successes) if successes else None
    return Health(source, failing, details[0] if details else "", newest, waits)


def own_feed(agency: Agency) -> Source | None:
    """Return the feed that the agency has written down here; None when it has not."""
    return sources_of(agency).filter(slug=_slug(agency)).first()


def write_down(agency: Agency, wanted: Wanted) -> Source:
    """Write down where the agency's feed is, or change it. Raises Refused.

    A feed at another address is tried anew before it is in use again.
    """
    label, address = " ".join(wanted.label.split()), wanted.address.strip().rstrip("/")
    if not label or len(label) > LABEL_MAX:
        raise Refused("label")
    if not 0 <= wanted.retention_days <= RETENTION_DAYS_MAX:
        raise Refused("retention_days")
    if _is_taken(agency, label):
        raise Refused("another's label")
    check_address(agency, address)
    with transaction.atomic():
        source = own_feed(agency) or Source(slug=_slug(agency), connector=FEED, active=False)
        is_moved = source.settings.get("base_url") != address
        source.label = label
        source.settings = {
            "maskinporten_url": settings.KRR_MASKINPORTEN_URL,
            "client_id": settings.KRR_CLIENT_ID,
            "private_key_file": settings.KRR_PRIVATE_KEY_FILE,
            "label": label,
            "base_url": address,
            "org_number": agency.org_number,
            "retention_days": str(wanted.retention_days or ""),
            "resolve": "public_or_loopback" if settings.FEEDS_ON_LOOPBACK else "public",
        }
        if is_moved:
            source.active = source.offered = False
        try:
            with connected(source, is_asked=False):
                source.save()
        except ConnectorError:
            # The address has been looked at: what is missing is of our own settings.
            raise Refused("ours") from None
        AgencySource.objects.get_or_create(source=source, defaults={"agency": agency})
    forget_labels()
    return source


def _is_taken(agency: Agency, label: str) -> bool:
    """Say whether another's source has this name: citizens tell sources apart by it."""
    others = Source.objects.exclude(slug__in=agency.sources.values("source_id"))
    return label.casefold() in {each.casefold() for each in others.values_list("label", flat=True)}


def check_address(agency: Agency, address: str) -> None:
    """Raise Refused unless it may be the address of a feed of this agency's.

    It is https, or this very machine where FEEDS_ON_LOOPBACK says so; and no host of another
    agency's sources: whoever tries a feed gets to see what it answers.
    """
    try:
        parts = urlsplit(address)
        host, port = _place(address)
    except (ValueError, httpx.InvalidURL):
        raise Refused("address") from None
    on_loopback = settings.FEEDS_ON_LOOPBACK and host in LOOPBACK_NAMES
    is_good = parts.scheme == "https" or (on_loopback and parts.scheme == "http")
    too_much = "@" in parts.netloc or parts.query or parts.fragment
    if not is_good or not host or too_much or len(address) > ADDRESS_MAX:
        raise Refused("address")
    others = Source.objects.exclude(slug__in=agency.sources.values("source_id"))
    for said in others.values_list("settings", flat=True):
        for theirs in _addresses(said):
            if _place(theirs) != (host, port):
                continue
            # The demo's simulators share a host: there the whole address tells them apart.
            if not on_loopback or address.startswith(theirs.rstrip("/")):
                raise Refused("another's")


def _place(address: str) -> tuple[str, int | None]:
    """Return an address's host, as it is looked up, and port, also where it says neither so.

    Raises ValueError or httpx.InvalidURL.
    """
    url = httpx.URL(address)
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.raw_host.decode().removesuffix("."), port


def _addresses(said: dict[str, object]) -> Iterator[str]:
    """Yield where a source is; what several share, as Maskinporten, is none of its own."""
    for name in ("base_url", "documents_url"):
        if address := str(said.get(name, "")):
            yield address


def is_ready(source: Source) -> bool:
    """Say whether the latest whole run of the kit at the feed's address found nothing amiss."""
    run = (
        ConformanceRun.objects.filter(source=source, state="done", address=_address(source))
        .order_by("-asked_at")
        .first()
    )
    return run is not None and run.failed == 0


def take_into_use(agency: Agency) -> bool:
    """Fetch from the agency's feed from now on; False when it has not passed."""
    source = own_feed(agency)
    if source is None or not is_ready(source):
        return False
    Source.objects.filter(slug=source.slug).update(active=True, offered=True)
    forget_labels()
    return True


def stop(agency: Agency) -> None:
    """Fetch from the agency's own feed no more. What has been fetched stays with the citizens."""
    Source.objects.filter(slug=_slug(agency), of_agency__agency=agency).update(
        active=False, offered=False
    )
    forget_labels()


def _address(source: Source) -> str:
    return str(source.settings.get("base_url", ""))


def _slug(agency: Agency) -> str:
    return f"feed-{agency.org_number}"
