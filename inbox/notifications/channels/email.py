"""Notices by e-mail: the sender's name where the level allows, never a title, never a link."""

from __future__ import annotations

from smtplib import SMTPException, SMTPRecipientsRefused

from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import override

from inbox.citizens.models import SecurityLevel
from inbox.notifications.channels import PermanentFailure, TemporaryFailure
from inbox.notifications.models import Notification


def send(notification: Notification) -> None:
    """Send the notice. Raises TemporaryFailure or PermanentFailure."""
    subject, text = render(notification)
    message = EmailMessage(
        subject, text, to=[notification.citizen.email], headers={"Auto-Submitted": "auto-generated"}
    )
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
            "reminder": notification.kind == Notification.Kind.REMINDER,
            "name": notification.citizen.name,
        }
        subject = render_to_string("notifications/email_subject.txt", context)
        text = render_to_string("notifications/email.txt", context)
    return " ".join(subject.split()), text.strip() + "\n"
