"""Runs of the conformance kit that agencies ask for: rows, tried by a worker, shown in the portal.

A feed is read with tokens of the Maskinporten that Samlepost itself uses, for a made-up person:
no real citizen's letters are looked at. Another connector is tried beside its simulator.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from connectors.conformance.bench import Tried
from connectors.conformance.feed import SOMEBODY, STRANGER, Feed, real_tokens
from connectors.conformance.outcome import Finding, Verdict
from connectors.conformance.report import Report
from connectors.conformance.run import run_connector, run_feed
from connectors.conformance.shown import Caution, Shown, View
from connectors.contract import ConnectorError
from connectors.public import public_addresses, public_or_loopback
from inbox.agencies.access import sources_of
from inbox.agencies.connections import FEED, Refused, check_address
from inbox.agencies.models import Agency, ConformanceRun
from inbox.citizens.identity import is_national_id, seal, unseal
from inbox.sync import lease

RUN_SECONDS = 540
"""As long as a worker may take; whoever dies over it leaves a lease of that length."""
ATTEMPTS_MAX = 2
WAITING_MAX = 2
"""Runs of one agency that may wait at a time."""
KEPT = 20
"""Runs of an agency that are kept; older ones go."""
PURPOSE = "conformance run"
SYNTHETIC_FROM_MONTH = 41
"""Identity numbers of made-up persons have 40 or more added to the month (Skatteetaten,
"Tenor testdata"; NAV's have 40, Test-Norge's 80): no real person has such a one."""


def ask(agency: Agency, slug: str, by: UUID, persons: tuple[str, str] = ("", "")) -> ConformanceRun:
    """Ask for a run on one of the agency's sources. Raises Refused, and Source.DoesNotExist.

    `persons` are identity numbers of somebody made up who has letters at the feed, and of another
    who has none; in the demo those of the made-up world where they are left out.
    """
    source = sources_of(agency).get(slug=slug)
    address = str(source.settings.get("base_url", "")) if source.connector == FEED else ""
    sealed = ""
    if source.connector == FEED:
        check_address(agency, address)
        sealed = seal(PURPOSE, json.dumps(_persons(persons)))
    if agency.runs.filter(state="waiting").count() >= WAITING_MAX:
        raise Refused("waiting")
    now = timezone.now()
    run = ConformanceRun.objects.create(
        agency=agency,
        source=source,
        address=address,
        persons=sealed,
        asked_by_id=by,
        asked_at=now,
        due_at=now,
    )
    old = agency.runs.order_by("-asked_at").values_list("id", flat=True)[KEPT:]
    ConformanceRun.objects.filter(id__in=list(old)).exclude(state="waiting").delete()
    return run


def _persons(persons: tuple[str, str]) -> list[str]:
    usual = (SOMEBODY.national_id, STRANGER.national_id) if settings.DEMO else ("", "")
    found = ["".join(said.split()) or other for said, other in zip(persons, usual, strict=True)]
    for number in found:
        if not is_national_id(number) or int(number[2:4]) < SYNTHETIC_FROM_MONTH:
            raise Refused("person")
    if found[0] == found[1]:
        raise Refused("same person")
    return found


def due() -> list[UUID]:
    """Return the runs that wait for a worker."""
    now = timezone.now()
    found = ConformanceRun.objects.filter(lease.free(now), state="waiting", due_at__lte=now)
    return list(found.order_by("due_at").values_list("id", flat=True)[:10])


def run(run_id: UUID | str) -> None:
    """Try every rule, writing down each finding at once; nothing when somebody else is at it."""
    row = ConformanceRun.objects.filter(id=run_id)
    if not lease.claim_work(row):
        return
    row.update(lease_until=timezone.now() + timedelta(seconds=RUN_SECONDS))
    asked = row.select_related("source", "agency").get()
    if asked.attempts > ATTEMPTS_MAX:
        _end(row, "failed", last_error="the run was broken off twice")
        return
    try:
        report = _tried(asked, _noting(row))
    except (ConnectorError, Refused, KeyError, ValueError, OSError) as error:
        _end(row, "failed", last_error=f"{type(error).__name__}: {error}"[:255])
        return
    _end(
        row,
        "done",
        last_error="",
        passed=report.passed,
        failed=report.failed,
        left_out=report.left_out,
        findings=[asdict(each) for each in report.findings],
        shown=[asdict(each) for each in report.shown],
    )


def _tried(asked: ConformanceRun, said: Callable[[Finding], None]) -> Report:
    source = asked.source
    if source is None:
        raise ValueError("the source is no longer there")
    if not asked.address:
        return run_connector(Tried.named(source.connector), said=said)
    check_address(asked.agency, asked.address)
    person, stranger = json.loads(unseal(PURPOSE, asked.persons))
    resolve = public_or_loopback if settings.FEEDS_ON_LOOPBACK else public_addresses
    with real_tokens(source.settings, asked.address) as tokens:
        feed = Feed(
            asked.address,
            asked.agency.org_number,
            tokens,
            person=person,
            stranger=stranger,
            retention_days=int(source.settings.get("retention_days") or 0),
            pages_url=source.settings.get("pages_url", ""),
            resolve=resolve,
        )
        with closing(feed.http):
            return run_feed(feed, said=said)


def _noting(row: QuerySet[ConformanceRun]) -> Callable[[Finding], None]:
    findings = []

    def said(finding: Finding) -> None:
        findings.append(asdict(finding))
        row.update(findings=findings)

    return said


def _end(row: QuerySet[ConformanceRun], state: str, **changes: object) -> None:
    row.update(state=state, lease_until=None, persons="", finished_at=timezone.now(), **changes)


def report_of(run: ConformanceRun) -> Report:
    """Return what came of a run, as far as it has come."""
    findings = [Finding(**{**each, "verdict": Verdict(each["verdict"])}) for each in run.findings]
    shown = [
        Shown(
            each["title"],
            [View(**view) for view in each["views"]],
            [Caution(**caution) for caution in each["warnings"]],
        )
        for each in run.shown
    ]
    subject = run.address or (run.source.connector if run.source else "")
    return Report(subject, findings, shown, run.finished_at or run.asked_at)
