"""Asks the contact and reservation register how persons may be reached.

Sources: Digdir docs `_docs/Kontaktregisteret/oppslagstjenesten_rest.md` (REST v2),
`krr_attributter.md` (names and values), `krr_18mnd.md`; eForvaltningsforskriften § 32.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors import clock, contact_register, fields
from connectors.contact_register import (
    Contact,
    ContactAnswer,
    ContactChannel,
    ContactStatus,
)
from connectors.contract import (
    Misconfigured,
    Temporary,
    Untrustworthy,
)
from connectors.http import Http, Refused
from connectors.maskinporten.client import TokenSource

SCOPE = "krr:global/kontaktinformasjon.read krr:global/digitalpost.read"
REQUIRED = ("base_url", "maskinporten_url", "client_id", "private_key_file")
PERSONS_MAX = 1000
"""Persons in one look-up; the register's own limit."""
FRESH_MONTHS = 18
OSLO = ZoneInfo("Europe/Oslo")
ACTIVE, DELETED, UNKNOWN = "AKTIV", "SLETTET", "IKKE_REGISTRERT"
STATUSES = {ACTIVE: ContactStatus.ACTIVE, DELETED: ContactStatus.DELETED}
LANGUAGES = ("nb", "nn", "en", "se")
SHORT = 255
"""Characters; what an address or a number may be at most."""


class ContactRegister(contact_register.ContactRegister):
    """The register behind one base address (the one that ends before `/rest`)."""

    persons_max = PERSONS_MAX

    def __init__(self, http: Http, tokens: TokenSource, *others: Http) -> None:
        """`http` reaches the register, `tokens` has Maskinporten's word for us.

        `others` are closed with it.
        """
        self._http = http
        self._tokens = tokens
        self._closing = (http, *others)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> ContactRegister:
        """Make it of plain strings: those of REQUIRED. Raises Misconfigured."""
        missing = [name for name in REQUIRED if not settings.get(name)]
        if missing:
            raise Misconfigured(f"missing setting: {', '.join(missing)}")
        url = settings["maskinporten_url"]
        http, maskinporten = Http(settings["base_url"]), Http(url)
        tokens = TokenSource(maskinporten, url, settings["client_id"], settings["private_key_file"])
        return cls(http, tokens, maskinporten)

    def look_up(self, national_ids: Iterable[str]) -> ContactAnswer:
        """Return what is registered of up to 1000 persons; see the contract.

        Numbers stand in the body, never in the address.
        """
        asked = list(dict.fromkeys(national_ids))
        if len(asked) > PERSONS_MAX:
            raise ValueError(f"more than {PERSONS_MAX} persons in one look-up")
        if not asked:
            return ContactAnswer()
        try:
            answer = self._http.post_json(
                "rest/v2/personer",
                json={"personidentifikatorer": asked},
                bearer=self._tokens.bearer(SCOPE),
            )
        except Refused as refusal:
            # One number that it does not take is enough for that.
            raise Untrustworthy(f"the register refuses the look-up ({refusal.status})") from None
        if not isinstance(answer, dict) or not isinstance(answer.get("personer"), list):
            raise Temporary("the register's answer is not of the documented shape")
        return _answer(answer["personer"], set(asked))

    def close(self) -> None:
        """Let go of connections."""
        for each in self._closing:
            each.close()


def contact_from(entry: Mapping[str, Any]) -> Contact:
    """Map one person's entry. Raises WrongField for what is missing or of another shape.

    A value that the register did not have when this was written is taken for the careful one: an
    unknown status for UNKNOWN, an unknown reservation for a reservation.
    """
    contact = fields.table(entry.get("kontaktinformasjon") or {}, "kontaktinformasjon")
    # The documentation tabulates these two flat; clients and examples nest them.
    mailbox = fields.table(entry.get("digitalpost") or entry, "digitalpost")
    status = fields.text(entry, "status", longest=SHORT)
    language = fields.optional_text(entry, "spraak", longest=SHORT).lower()
    reserved = fields.text(entry, "reservasjon", longest=SHORT) != "NEI"
    notifiable = fields.optional_text(entry, "varslingsstatus") == "KAN_VARSLES"
    return Contact(
        national_id=fields.text(entry, "personidentifikator", longest=11),
        status=STATUSES.get(status, ContactStatus.UNKNOWN),
        reserved=reserved,
        may_be_notified=notifiable and status == ACTIVE and not reserved,
        email=_channel(contact, "epostadresse"),
        mobile=_channel(contact, "mobiltelefonnummer"),
        language=language if language in LANGUAGES else "",
        mailbox_address=_plain(mailbox, "postkasseadresse"),
        mailbox_supplier=_plain(mailbox, "postkasseleverandoeradresse"),
        certificate=fields.optional_text(entry, "sertifikat"),
    )


def fresh_until(confirmed_at: datetime) -> datetime:
    """Return the first moment, 18 calendar months on in Norway, at which a channel is stale.

    Where that month lacks the day, it is the month's last.
    """
    local = confirmed_at.astimezone(OSLO)
    months = local.month - 1 + FRESH_MONTHS
    year, month = local.year + months // 12, months % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day).astimezone(UTC)


def _answer(entries: Sequence[Any], asked: set[str]) -> ContactAnswer:
    contacts: dict[str, Contact] = {}
    unreadable: dict[str, str] = {}
    for entry in entries:
        number = entry.get("personidentifikator") if isinstance(entry, dict) else None
        if not isinstance(number, str) or number not in asked:
            raise Untrustworthy("the register answered for somebody who was not asked for")
        if number in contacts or number in unreadable:
            raise Untrustworthy("the register answered twice for the same person")
        try:
            contacts[number] = contact_from(entry)
        except fields.WrongField as wrong:
            unreadable[number] = str(wrong)
    return ContactAnswer(list(contacts.values()), unreadable)


def _channel(contact: Mapping[str, Any], name: str) -> ContactChannel:
    value = _plain(contact, name)
    said = [
        fields.optional_moment(contact, f"{name}_{what}")
        for what in ("oppdatert", "sist_verifisert")
    ]
    moments = sorted(each for each in said if each)
    if not value:
        return ContactChannel()
    if not moments:
        return ContactChannel(value)
    # A moment that has not come yet does not put aside one that has.
    past = [each for each in moments if each <= clock.now()]
    confirmed = past[-1] if past else moments[0]
    try:
        return ContactChannel(value, confirmed, fresh_until(confirmed))
    except (ValueError, OverflowError):
        raise fields.WrongField(f"{name} was confirmed in a year that cannot be") from None


def _plain(item: Mapping[str, Any], name: str) -> str:
    """Return a short text; empty when it is absent. Raises WrongField for control characters.

    A database may refuse them, and with them what the register says of everybody else.
    """
    value = fields.optional_text(item, name, longest=SHORT)
    if value and not value.isprintable():
        raise fields.WrongField(f"{name} holds what cannot be shown")
    return value
