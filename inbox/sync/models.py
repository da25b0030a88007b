"""Sources, mailboxes, and the rows that are the queue of everything between us and a source."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from inbox.citizens.models import Citizen
from inbox.citizens.owned import CitizenOwned, OwnedForeignKey, new_id
from inbox.letters.models import Delivery, Letter


class Work(models.Model):
    """A row that is a piece of work: claimed by a lease, tried again when due."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    """Real time: when to try next."""
    lease_until = models.DateTimeField(null=True, blank=True)
    """Real time: until when some worker has it in hand."""
    last_error = models.CharField(max_length=255, blank=True)

    class Meta:
        abstract = True


class Polling(models.Model):
    """Where we are with a source: cursor, lease and health."""

    cursor = models.TextField(null=True, blank=True)  # noqa: DJ001 - None means "from the start"
    due_at = models.DateTimeField(null=True, blank=True)
    """Real time of the next fetch; None for what is not fetched by itself."""
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    """Failed runs in a row."""
    failure = models.CharField(max_length=32, blank=True)
    """The contract's name of the latest failure, empty when the latest run succeeded."""
    failure_detail = models.CharField(max_length=255, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: shown to the citizen."""

    class Meta:
        abstract = True


class Source(Polling):
    """One configured instance of a connector: a DPI supplier, Altinn, an agency.

    The polling columns count for a source whose connector reads a shared queue.
    """

    slug = models.SlugField(primary_key=True, max_length=64)
    label = models.CharField(max_length=100)
    connector = models.CharField(max_length=64)
    settings = models.JSONField(default=dict)
    """Plain strings for the connector: addresses and names of key files, never a key."""
    shared_queue = models.BooleanField(default=False)
    active = models.BooleanField(default=True)
    offered = models.BooleanField(default=False)
    """Citizens find it among the sources that they may connect."""
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    """Mailboxes fetched a minute; None means SYNC_SOURCE_PER_MINUTE."""
    busy_max = models.PositiveSmallIntegerField(null=True, blank=True)
    """Workers that may fetch its mailboxes at one time; None means SYNC_SOURCE_BUSY_MAX."""
    next_slot_at = models.DateTimeField(null=True, blank=True)
    """Real time: when what has been handed out of its mailboxes is used up (`schedule.py`)."""
    paused_until = models.DateTimeField(null=True, blank=True)
    """Real time: none of its mailboxes is fetched before then, as it asked us to wait."""

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], name="source_due", condition=Q(active=True, shared_queue=True)
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class Register(Polling):
    """A register that is asked about everybody: one row for each, with its lease and its health.

    It has no cursor: what it is asked about stands with the citizens.
    """

    name = models.SlugField(primary_key=True, max_length=64)

    def __str__(self) -> str:
        return self.name


class Mailbox(CitizenOwned, Polling):
    """A citizen at a source: her consent and, unless the source is a shared queue, its cursor."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    connected_at = models.DateTimeField()
    """By the shared clock. Letters from well before are history: never unread, never notified."""
    active = models.BooleanField(default=True)
    keeps_since = models.DateTimeField(null=True, blank=True)
    """By the shared clock: since when she has agreed that we fetch what would else disappear,
    though she has not opened it (`keeping.py`); None: she has not."""
    resumes = models.BooleanField(default=False)
    """It was disconnected by the closing of her account, and comes back if she takes that back."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["citizen", "source"], name="mailbox_unique"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["source", "due_at"], name="mailbox_due", condition=Q(active=True)),
            models.Index(
                fields=["source", "lease_until"],
                name="mailbox_in_hand",
                condition=Q(lease_until__isnull=False),
            ),
            models.Index(
                fields=["source", "failure"],
                name="mailbox_failing",
                condition=Q(active=True) & ~Q(failure=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} of {self.citizen_id}"


class PartyList(CitizenOwned, Polling):
    """For whom else a citizen may act, as a source says: when it was asked and how that went.

    The row is the queue (`parties.py`). What was said of enterprises stands as `Representation`.
    It has no cursor: each answer is whole.
    """

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    persons_elsewhere = models.PositiveSmallIntegerField(default=0)
    """How many persons it lists whose mail she does not see here; who they are is not kept."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["citizen", "source"], name="party_list_unique"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], name="party_list_due", condition=Q(due_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"parties of {self.citizen_id} at {self.source_id}"


class Retrieval(CitizenOwned, Work):
    """Content that the source had withheld is fetched, by an act of hers."""

    class Part(models.TextChoices):
        """What is fetched; what is here is shown meanwhile, but for the first."""

        CONTENT = "content"
        MORE = "more"
        """Of a letter that is here, what its source has besides: she has opened it again."""
        THREAD = "thread"
        """What has been written under a letter that she has opened: nothing of this is reading."""

    part = models.CharField(max_length=8, choices=Part, default=Part.CONTENT)

    class Reason(models.TextChoices):
        OPENING = "opening"
        """She opened the letter."""
        COPY = "copy"
        """She asked for a copy of a letter that she has not opened."""
        AUTOMATIC = "automatic"
        """It was about to disappear, and she has agreed to that once (`Mailbox.keeps_since`)."""

    reason = models.CharField(max_length=16, choices=Reason, default=Reason.OPENING)
    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="retrievals")
    delivery_id = models.UUIDField()
    delivery = OwnedForeignKey(Delivery, "delivery_id", related_name="retrievals")
    """The copy that is fetched, where the letter came by several channels."""
    security_level = models.PositiveSmallIntegerField()
    """That of the session in which she asked; of what is automatic, that of background work."""
    asked_by = models.UUIDField(null=True, blank=True)
    """Who asked, for an enterprise: the source is asked as that person."""
    requested_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "delivery_id"],
                name="retrieval_one_waiting",
                condition=Q(state="waiting"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="retrieval_due", condition=Q(state="waiting")),
            models.Index(fields=["citizen", "delivery_id"], name="retrieval_of_delivery"),
        ]

    def __str__(self) -> str:
        return f"retrieval {self.id}"


class OutboundReceipt(CitizenOwned, Work):
    """A receipt owed to a source; its id is the idempotency key of every attempt."""

    delivery_id = models.UUIDField()
    delivery = OwnedForeignKey(Delivery, "delivery_id", related_name="receipts")
    kind = models.CharField(max_length=32)
    occurrence = models.CharField(max_length=32, blank=True)
    """Which of several, where a kind may be owed more than once for a delivery."""
    detail = models.CharField(max_length=255, blank=True)
    at = models.DateTimeField()
    asked_by = models.UUIDField(null=True, blank=True)
    """As in Retrieval."""
    sent_at = models.DateTimeField(null=True, blank=True)
    signed = models.TextField(blank=True)
    """The receipt as it is sent, written before its first attempt: evidence, kept with the letter.

    Its signature covers all of it, so it needs no digest in the archive. Empty where the source
    takes no signed receipts.
    """

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "delivery_id", "kind", "occurrence"], name="receipt_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="receipt_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.delivery_id}"


class Handover(CitizenOwned, Work):
    """A letter that she sends to her own mailbox at a source (`handover.py`).

    Its id is the idempotency key of every attempt. One row for each letter and mailbox: what is
    there already is not sent again.
    """

    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="handovers")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    security_level = models.PositiveSmallIntegerField()
    """The level of the session in which she asked."""
    asked_at = models.DateTimeField()
    """By the shared clock."""
    received_at = models.DateTimeField(null=True, blank=True)
    """When the source took it, as its receipt says."""
    reference = models.CharField(max_length=255, blank=True)
    """That of the source's receipt."""
    refusal = models.CharField(max_length=255, blank=True)
    """Why the source will not take it, in the source's words."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "letter_id", "source"], name="handover_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["citizen", "-asked_at", "-id"], name="handover_list"),
            models.Index(fields=["due_at"], name="handover_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"handover {self.id}"


class Quarantined(models.Model):
    """A letter that could not be read or placed: kept whole, with its reason.

    It may have no citizen, so it is not hers; its bytes are the archive object of the same id.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    external_id = models.CharField(max_length=255)
    citizen = models.ForeignKey(Citizen, null=True, blank=True, on_delete=models.SET_NULL)
    recipient_index = models.BinaryField(max_length=32, null=True, blank=True)
    """Blind index (`citizens/identity.py`) of the recipient as the source names her, where that
    could be read; by it the letter finds its owner when we learn whose it is."""
    reason = models.CharField(max_length=255)
    content_sha256 = models.CharField(max_length=64)
    files = models.JSONField(default=list)
    """[{"path", "size", "sha256"}] of the archive object."""
    arrived_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    replays = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["source", "external_id", "content_sha256"], name="quarantined_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["source", "-arrived_at", "-id"],
                name="quarantined_waiting",
                condition=Q(resolved_at=None),
            ),
            models.Index(
                fields=["recipient_index"],
                name="quarantined_recipient",
                condition=Q(resolved_at=None, recipient_index__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.id}"


class Rejection(Work):
    """The error receipt owed for a quarantined message; its id is the idempotency key.

    It has no citizen where the message has none, and goes with its quarantined message.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    quarantined = models.OneToOneField(
        Quarantined, on_delete=models.CASCADE, related_name="rejection"
    )
    fault = models.CharField(max_length=16)
    """Either "client" or "server": the contract's Fault."""
    at = models.DateTimeField()
    """By the shared clock: when the message was refused."""
    sent_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: the operator sees it."""
    signed = models.TextField(blank=True)
    """As in OutboundReceipt."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="rejection_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"rejection of {self.quarantined_id}"
