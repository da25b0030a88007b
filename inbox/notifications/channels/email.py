"""Notices by e-mail: the sender's name where the level allows, never a title, never a link."""

from __future__ import annotations

from smtplib import SMTPException, SMTPRecipientsRefused

from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from connectors import clock
from inbox.citizens.models import Citizen, Representation, SecurityLevel
from inbox.citizens.representation import in_force
from inbox.notifications.channels import PermanentFailure, TemporaryFailure
from inbox.notifications.models import InvitationNotice, Notification
from inbox.notifications.outbox import Notice


def send(notification: Notification, letters: int = 1) -> None:
    """Send the notice, of so many letters; of an enterprise's to each who acts for it.

    Raises TemporaryFailure or PermanentFailure when it has reached nobody.
    """
    told = readers(notification.citizen)
    failures: list[TemporaryFailure | PermanentFailure] = []
    for reader in told:
        try:
            _hand_over(reader, *render(notification, reader.language, letters))
        except (TemporaryFailure, PermanentFailure) as error:
            failures.append(error)
    if failures and len(failures) == len(told):
        raise failures[0]


def readers(citizen: Citizen) -> list[Citizen]:
    """Return who is told of a citizen's letters and has an address: of an enterprise's, others."""
    found = [citizen]
    if citizen.is_enterprise:
        acting = Representation.objects.filter(in_force(clock.now()), citizen=citizen)
        found = [each.helper for each in acting.select_related("helper") if each.helper]
    return [each for each in found if each.email]


def send_invitation(notice: InvitationNotice) -> None:
    """Tell somebody that she is asked to see another's mail. Raises as `send` does."""
    citizen = notice.citizen
    with override(citizen.language):
        context = {"name": citizen.name}
        subject = render_to_string("notifications/invitation_subject.txt", context)
        text = render_to_string("notifications/invitation.txt", context)
    _hand_over(citizen, " ".join(subject.split()), text.strip() + "\n")


def send_export_ready(citizen: Citizen) -> None:
    """Tell her that a copy of her letters is ready. Raises as `send` does."""
    with override(citizen.language):
        context = {"name": citizen.name}
        subject = render_to_string("notifications/export_subject.txt", context)
        text = render_to_string("notifications/export.txt", context)
    _hand_over(citizen, " ".join(subject.split()), text.strip() + "\n")


def _hand_over(citizen: Citizen, subject: str, text: str) -> None:
    message = Notice(
        subject, text, to=[citizen.email], headers={"Auto-Submitted": "auto-generated"}
    )
    message.citizen_id = citizen.pk
    try:
        message.send()
    except SMTPRecipientsRefused as error:
        raise PermanentFailure("the recipient's address was refused") from error
    except (SMTPException, OSError) as error:
        raise TemporaryFailure(type(error).__name__) from error


def render(notification: Notification, language: str = "", letters: int = 1) -> tuple[str, str]:
    """Return subject and text in the reader's language, the citizen's where none is named.

    What disappears is told of by its number alone: who has written may be years back.
    """
    letter = notification.letter
    with override(language or notification.citizen.language):
        open_sender = letter.security_level < SecurityLevel.HIGH
        context = {
            # One line, whatever a sender calls itself: no way into the headers.
            "sender": " ".join(letter.sender_name.split()) if open_sender else _("a public body"),
            "kind": notification.kind,
            "letters": letters,
            "name": notification.citizen.name,
            "is_enterprise": notification.citizen.is_enterprise,
        }
        subject = render_to_string("notifications/email_subject.txt", context)
        text = render_to_string("notifications/email.txt", context)
    return " ".join(subject.split()), text.strip() + "\n"
