"""Notices by e-mail: the sender's name where the level allows, never a title, never a link."""

from __future__ import annotations

from smtplib import SMTPException, SMTPRecipientsRefused

from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from inbox.citizens.models import Citizen, SecurityLevel
from inbox.notifications.channels import PermanentFailure, TemporaryFailure
from inbox.notifications.models import InvitationNotice, Notification
from inbox.notifications.outbox import Notice


def send(notification: Notification) -> None:
    """Send the notice. Raises TemporaryFailure or PermanentFailure."""
    _hand_over(notification.citizen, *render(notification))


def send_invitation(notice: InvitationNotice) -> None:
    """Tell somebody that she is asked to see another's mail. Raises as `send` does."""
    citizen = notice.citizen
    with override(citizen.language):
        context = {"name": citizen.name}
        subject = render_to_string("notifications/invitation_subject.txt", context)
        text = render_to_string("notifications/invitation.txt", context)
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


def render(notification: Notification) -> tuple[str, str]:
    """Return subject and text in the citizen's language."""
    letter = notification.letter
    with override(notification.citizen.language):
        open_sender = letter.security_level < SecurityLevel.HIGH
        context = {
            # One line, whatever a sender calls itself: no way into the headers.
            "sender": " ".join(letter.sender_name.split()) if open_sender else _("a public body"),
            "kind": notification.kind,
            "name": notification.citizen.name,
        }
        subject = render_to_string("notifications/email_subject.txt", context)
        text = render_to_string("notifications/email.txt", context)
    return " ".join(subject.split()), text.strip() + "\n"
