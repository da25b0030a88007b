"""Sources and the connectors behind them: the one place where the two meet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext

from connectors import discovery
from connectors.contract import (
    LEVEL_SUBSTANTIAL,
    Account,
    Connector,
    Misconfigured,
    NotPermitted,
)
from inbox.citizens import representation
from inbox.citizens.identity import national_id_of, organisation_of
from inbox.citizens.models import Citizen, Identifier
from inbox.letters.models import Letter
from inbox.sync import pauses
from inbox.sync.models import Source

LABELS_KEPT_SECONDS = 30.0
FEED = "base_url"
"""The setting that says where a source is; tokens and keys never come from a loopback address."""
_labels: tuple[float, dict[str, str]] = (0.0, {})
_ours: dict[str, type[Connector]] = {}


def offer(name: str, connector_class: type[Connector]) -> None:
    """Let sources be of a connector of our own, which lies in an app above and needs no wire."""
    _ours[name] = connector_class


def offered() -> list[str]:
    """Return the names of the connectors of our own, whose letters are written here."""
    return list(_ours)


def class_of(name: str) -> type[Connector] | None:
    """Return the class of a connector that can be used, ours or a found one; None without."""
    if name in _ours:
        return _ours[name]
    found = discovery.find().get(name)
    return found.connector_class if found else None


@contextmanager
def connected(source: Source, *, is_asked: bool = True) -> Iterator[Connector]:
    """Make the source's connector and close it afterwards. Raises Misconfigured.

    Raises Paused while the source has asked us to wait, unless it `is_asked` nothing. Outside the
    demo a source on this very machine is refused: it would be a simulator. FEEDS_ON_LOOPBACK lets
    an agency try its own there.
    """
    if not settings.DEMO:
        _refuse_loopback(source)
    if is_asked:
        pauses.respect(source)
    ours = _ours.get(source.connector)
    connector = ours(source.settings) if ours else discovery.make(source.connector, source.settings)
    try:
        yield connector
    finally:
        connector.close()


def _refuse_loopback(source: Source) -> None:
    for name, value in source.settings.items():
        host = urlsplit(str(value)).hostname or ""
        try:
            loopback = host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            loopback = False
        if loopback:
            if name == FEED and settings.FEEDS_ON_LOOPBACK:
                continue
            raise Misconfigured(f"{name} of {source.slug} is a simulator: that needs DEMO=1")


def supplier_of(source: Source) -> str:
    """Return the organisation number of the mailbox supplier whose queue it is; "" of others."""
    return str(source.settings.get("supplier_org_number", ""))


class NobodyActs(NotPermitted):
    """Nobody here, or no longer who asked, acts for the enterprise: its source is not asked."""


def account_of(
    citizen_id: UUID | str, level: int = LEVEL_SUBSTANTIAL, asked_by: UUID | None = None
) -> Account:
    """Return the account by which a connector acts for this citizen.

    For an enterprise it is that of `asked_by`; without one, of whoever has acted for it longest,
    whose level nobody has vouched for. Raises NobodyActs.
    """
    language = Citizen.objects.values_list("language", flat=True).get(id=citizen_id)
    try:
        return Account(national_id_of(citizen_id), level, language=language)
    except Identifier.DoesNotExist:
        organisation = organisation_of(citizen_id)
    helper_id = representation.who_acts(citizen_id, asked_by)
    if helper_id is None or (asked_by is None and level > LEVEL_SUBSTANTIAL):
        raise NobodyActs("nobody here acts for the enterprise")
    return Account(national_id_of(helper_id), level, organisation, language)


def labels() -> dict[str, str]:
    """Return every source's label by its slug; read from the database twice a minute.

    What she has put in herself, or brought in from a copy, has one as well, in the language of
    the page.
    """
    global _labels
    made_at, found = _labels
    if not found or time.monotonic() - made_at > LABELS_KEPT_SECONDS:
        found = dict(Source.objects.values_list("slug", "label"))
        _labels = (time.monotonic(), found)
    return {
        **found,
        Letter.OWN: gettext("Own papers"),
        Letter.BROUGHT: gettext("Brought in from a copy"),
    }


def forget_labels() -> None:
    """Read the labels anew on next use: a source has been added or renamed."""
    global _labels
    _labels = (0.0, {})
