"""How a citizen can be reached, and what follows from it, in the words that she is told."""

from __future__ import annotations

from typing import Any

from django.utils.translation import get_language, gettext

from connectors import clock
from connectors.contact_register import (
    ContactChannel,
    ContactStatus,
)
from inbox.citizens.models import Citizen, ContactDetails
from inbox.sync.contacts import Standing
from inbox.web.dates import Calendar


def contact_context(citizen: Citizen, standing: Standing) -> dict[str, Any]:
    """Return what her page shows."""
    calendar = Calendar(clock.now(), get_language())
    details = standing.details if standing.is_on else None
    said = details if details and details.status else None
    return {
        "is_on": standing.is_on,
        "problem": _problem(standing),
        "channels": _channels(citizen, said, calendar),
        "warnings": _warnings(said) if said else [],
        "reserved": said.reserved if said and said.status == ContactStatus.ACTIVE else None,
        "asked_at": _when(details.asked_at if details else None, calendar),
        "answered_at": _when(details.answered_at if details else None, calendar),
    }


def _when(moment: Any, calendar: Calendar) -> str:
    return calendar.moment(moment) if moment else ""


def _problem(standing: Standing) -> str:
    """Say why what stands on the page may not be what the register says at this moment."""
    if not standing.is_on:
        return ""
    details = standing.details
    if standing.failure == "misconfigured":
        return gettext(
            "We cannot ask the contact and reservation register right now. The fault is ours, and"
            " we have to mend it."
        )
    if standing.failure:
        return gettext(
            "The contact and reservation register does not answer right now. We try again by"
            " ourselves."
        )
    if details is None or (not details.status and not details.failure):
        return gettext("We have not asked the contact and reservation register about you yet.")
    if details.failure == "unreadable":
        return gettext(
            "We could not read what the contact and reservation register says of you now."
        )
    if details.failure:
        return gettext("The contact and reservation register did not answer for you last time.")
    return ""


def _channels(
    citizen: Citizen, said: ContactDetails | None, calendar: Calendar
) -> list[dict[str, str]]:
    """Return each channel: what it is called, what is used, and when she confirmed it."""
    if said is None:
        none = gettext("None. We send you no notifications.")
        return [{"name": gettext("E-mail"), "value": citizen.email or none, "note": ""}]
    absent = gettext("Not registered")
    email, mobile = said.channel("email"), said.channel("mobile")
    return [
        {
            "name": gettext("E-mail"),
            "value": email.value or absent,
            "note": _confirmed(email, calendar),
        },
        {
            "name": gettext("Mobile phone"),
            "value": mobile.value or absent,
            "note": _confirmed(mobile, calendar),
        },
    ]


def _confirmed(channel: ContactChannel, calendar: Calendar) -> str:
    if not channel.value:
        return ""
    if channel.confirmed_at is None or channel.confirmed_at > clock.now():
        return gettext("You have not confirmed it.")
    when = {"day": calendar.full_day(channel.confirmed_at)}
    return gettext("You confirmed it on %(day)s.") % when


def _warnings(said: ContactDetails) -> list[str]:
    """Return what she should know and can mend, the most important first."""
    if said.status == ContactStatus.DELETED:
        return [gettext("The register says that your entry is deleted. We send you no notices.")]
    if said.status == ContactStatus.UNKNOWN:
        return [gettext("You are not in the register. We send you no notices.")]
    now, found = clock.now(), []
    email, mobile = said.channel("email"), said.channel("mobile")
    if not email.value:
        found.append(
            gettext(
                "You have no e-mail address in the register. We cannot tell you of new letters:"
                " look in here yourself, or add an address."
            )
        )
    elif not email.is_fresh(now):
        found.append(
            gettext(
                "You have not confirmed the e-mail address for 18 months. We still use it, but"
                " public bodies may no longer announce decisions by it. Check that it is right."
            )
        )
    if mobile.value and not mobile.is_fresh(now):
        found.append(
            gettext(
                "You have not confirmed the mobile number for 18 months. Public bodies may no"
                " longer announce decisions by it. Check that it is right."
            )
        )
    return found
