"""Citizens: who is looking, how she is recognised, and what her inbox amounts to."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q

from connectors.contact_register import (
    ContactChannel,
    ContactStatus,
)
from inbox.citizens.owned import CitizenOwned, new_id


class SecurityLevel(models.IntegerChoices):
    """The assurance that a letter asks for and a session has (eIDAS substantial and high)."""

    SUBSTANTIAL = 3
    HIGH = 4


class Citizen(AbstractBaseUser):
    """A person with an inbox. Nobody has a password: log-in is by ID-porten alone.

    An enterprise has a row, too, that those who act for it look into; nobody logs in as it.

    `is_staff` marks those who run Samlepost: they see the operator pages, never letters.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=255)
    email = models.EmailField(blank=True)
    """Where notices go; with a contact register it is the register's word (`ContactDetails`)."""
    language = models.CharField(max_length=8, default="nb")
    """That of notices, until she chooses one herself the contact register's."""
    has_chosen_language = models.BooleanField(default=False)
    is_enterprise = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    welcomed_at = models.DateTimeField(null=True, blank=True)
    """When she put away the welcome of her first log-in."""
    closes_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: when the account is removed, as she has asked; None if she has not."""
    deceased_at = models.DateTimeField(null=True, blank=True)
    """When the population register told us of her death: nobody looks as her from then on."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["closes_at"], name="citizen_to_close", condition=Q(closes_at__isnull=False)
            ),
            models.Index(
                fields=["id"], name="citizen_enterprises", condition=Q(is_enterprise=True)
            ),
        ]

    objects = BaseUserManager["Citizen"]()

    USERNAME_FIELD = "id"

    def __str__(self) -> str:
        return str(self.id)

    def end_sessions(self) -> None:
        """Log her out everywhere, wherever her sessions lie; she may log in again at once.

        Django ends a session whose digest is no longer that of the citizen's password field.
        """
        self.set_unusable_password()  # another random text
        self.save(update_fields=["password"])


class Identifier(models.Model):
    """How an outside system names a citizen: the one look-up table that is not hers.

    The value itself (a national identity number, a DPI mailbox address) stands nowhere in the
    clear: `blind_index` is an HMAC for look-up, `ciphertext` the encrypted value (`identity.py`).
    She may have had several of a kind. All of them name her; by one of them she is named.
    """

    class Kind(models.TextChoices):
        NATIONAL_ID = "national_id"
        MAILBOX_ADDRESS = "mailbox_address"
        ORGANISATION = "organisation"
        """Of an enterprise: its organisation number."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=32, choices=Kind)
    blind_index = models.BinaryField(max_length=32)
    ciphertext = models.BinaryField(max_length=512)
    citizen = models.ForeignKey(Citizen, on_delete=models.CASCADE, related_name="identifiers")
    current = models.BooleanField(default=True)
    """The one of its kind that names her today."""
    supplier = models.CharField(max_length=255, blank=True)
    """Of a mailbox address: its supplier's organisation number; empty where nobody said."""
    claimed_by = models.ForeignKey(
        Citizen, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    """Another citizen to whom the register gives it, too: until it names one of the two alone,
    it names neither (`sync/addresses.py`)."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "blind_index"], name="identifier_unique"),
            models.UniqueConstraint(
                fields=["citizen", "kind"], name="identifier_one_current", condition=Q(current=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.citizen_id}"


class ContactDetails(models.Model):
    """What the contact register says of how a citizen may be reached: one row a citizen.

    The row is the queue: it is asked about when it is due (`inbox/sync/contacts.py`). A failure
    is a state beside what was said last, which stays.
    """

    citizen = models.OneToOneField(
        Citizen, primary_key=True, on_delete=models.CASCADE, related_name="contact_details"
    )
    due_at = models.DateTimeField(null=True, blank=True)
    """Real time of the next look-up; None for one who is not asked about."""
    attempts = models.PositiveSmallIntegerField(default=0)
    """How often the look-up that she is part of has been narrowed, to find who spoils it."""
    asked_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock, as above: when the register last said what stands here."""
    failure = models.CharField(max_length=32, blank=True)
    """Why the latest look-up said nothing of her: "unreadable", "unanswered", or the contract's
    name of the error; empty when it did."""
    failure_detail = models.CharField(max_length=255, blank=True)
    status = models.CharField(
        max_length=16, blank=True, choices=[(each.value, each.value) for each in ContactStatus]
    )
    """The contract's `ContactStatus`; empty before the first answer."""
    reserved = models.BooleanField(default=False)
    may_be_notified = models.BooleanField(default=False)
    email = models.EmailField(blank=True)
    email_confirmed_at = models.DateTimeField(null=True, blank=True)
    email_fresh_until = models.DateTimeField(null=True, blank=True)
    mobile = models.CharField(max_length=255, blank=True)
    mobile_confirmed_at = models.DateTimeField(null=True, blank=True)
    mobile_fresh_until = models.DateTimeField(null=True, blank=True)
    language = models.CharField(max_length=8, blank=True)
    mailbox_supplier = models.CharField(max_length=255, blank=True)
    """Organisation number; the address itself is an `Identifier`."""

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], name="contact_details_due", condition=Q(due_at__isnull=False)
            ),
            models.Index(
                fields=["failure"], name="contact_details_failing", condition=~Q(failure="")
            ),
        ]

    def __str__(self) -> str:
        return f"contact details of {self.citizen_id}"

    def channel(self, name: str) -> ContactChannel:
        """Return her "email" or "mobile", with when it was confirmed and how long that holds."""
        return ContactChannel(
            getattr(self, name),
            getattr(self, f"{name}_confirmed_at"),
            getattr(self, f"{name}_fresh_until"),
        )

    @property
    def forbids_decisions(self) -> bool:
        """Say whether she is not to be told of decisions digitally, by the register's word.

        She has said no to it (eForvaltningsforskriften § 9, forvaltningsloven § 15 a), or is not
        registered. Before the first answer nothing is forbidden.
        """
        return bool(self.status) and (self.reserved or self.status != ContactStatus.ACTIVE)


class InboxState(models.Model):
    """What a page must know of a citizen's inbox without counting: one row a citizen.

    Written in the same transaction as the letters it counts. `version` grows with every change
    that her list could show and is the list's ETag. `senders` maps a sender's id to
    [name, number of letters in the inbox, number in her archive].
    """

    citizen = models.OneToOneField(
        Citizen, primary_key=True, on_delete=models.CASCADE, related_name="inbox_state"
    )
    arrived = models.PositiveIntegerField(default=0)
    """How many letters have ever come: it only grows, so its growth is what is new."""
    letters = models.PositiveIntegerField(default=0)
    """In the inbox, as are the unread ones."""
    unread = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    """Put away by her, and then sent new content that she has not read."""
    needs_action = models.PositiveIntegerField(default=0)
    """In the inbox or her archive."""
    version = models.PositiveBigIntegerField(default=0)
    senders = models.JSONField(default=dict)
    folders = models.JSONField(default=dict)
    """Her own folders: {id: [name, colour]}."""
    life_events = models.JSONField(default=dict)
    """{life event: the lowest level of session at which it stands in the navigation}."""
    proposed_by = models.PositiveSmallIntegerField(default=0, db_index=True)
    """The `RULES_VERSION` (`letters/life_events.py`) that all her letters were held against."""

    touched_cases: set[UUID] | None = None
    """No column: the cases whose letters change, while `letters/counters.py` holds the row."""

    def __str__(self) -> str:
        return f"inbox of {self.citizen_id}"


class PanelConsent(CitizenOwned):
    """She lets an agency's site show how many new letters she has from others (`panel.py`)."""

    site = models.CharField(max_length=64)
    agreed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["citizen", "site"], name="panel_consent_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.citizen_id} at {self.site}"


class Representation(CitizenOwned):
    """Somebody may look into a citizen's mail on her behalf: how far, from when, until when.

    The row is the citizen's whose mail it is (the principal). It is an invitation until the
    helper accepts it; what the register says (parents, guardians) is accepted as it comes.
    Whether it holds at a moment is decided by `representation.in_force` alone.
    """

    class Kind(models.TextChoices):
        GIVEN = "given"
        """She gave it herself."""
        PARENT = "parent"
        GUARDIAN = "guardian"
        ESTATE = "estate"
        """The heirs' representative: the only kind that holds after a death."""
        ENTERPRISE = "enterprise"
        """She has a key role in the enterprise whose inbox it is, as a source says."""
        MADE_UP = "made_up"
        """The inbox is that of a made-up person, with whom her agency tries its letters."""

    class Reach(models.TextChoices):
        ALL = "all"
        SENDERS = "senders"
        CASE = "case"
        LIFE_EVENT = "life_event"
        LETTER = "letter"

    helper = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    """Whoever may look; None while the invitation is open."""
    label = models.CharField(max_length=100, blank=True)
    """What the principal calls the helper until she has accepted."""
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.GIVEN)
    reach = models.CharField(max_length=16, choices=Reach, default=Reach.ALL)
    limits = models.JSONField(default=dict, blank=True)
    """What `reach` names: {"senders": [id]}, {"case": id}, {"life_event": its name},
    {"letter": id}; for a parent {"high_hidden_from": moment}."""
    may_answer = models.BooleanField(default=False)
    invited = models.BinaryField(max_length=32, null=True, blank=True)
    """Blind index of the invited person's identity number, or of the invitation's code."""
    created_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    """The first moment at which it no longer holds."""
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    """When either of the two, or the register, ended it or turned it down."""
    erase_at = models.DateTimeField(null=True, blank=True)
    """When the row itself goes: a parent's on the child's 18th birthday."""
    register_key = models.CharField(max_length=100, blank=True)
    """The register's own name for the relation; empty for what a citizen gave. Of an enterprise
    the source that says so, a colon, and its name for the enterprise."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["citizen", "-created_at"], name="representation_given"),
            models.Index(fields=["helper", "citizen"], name="representation_held"),
            models.Index(fields=["invited"], name="representation_invited"),
            models.Index(
                fields=["erase_at"],
                name="representation_to_erase",
                condition=models.Q(erase_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
