"""Agencies in their portal: who works there, their keys, sources, webhooks and what they send."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from connectors.contract import Kind
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.owned import new_id
from inbox.sync.models import Source, Work


class Agency(models.Model):
    """A public body that sends letters, as it is known in the portal."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    org_number = models.CharField(max_length=9, unique=True)
    name = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.org_number


class Employee(models.Model):
    """Who may act for an agency in the portal. Her own mail is no business of the agency's."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.CASCADE, related_name="employees")
    citizen = models.ForeignKey(Citizen, on_delete=models.CASCADE, related_name="+")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["citizen", "agency"], name="employee_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.citizen_id} at {self.agency_id}"


class AgencySource(models.Model):
    """A source that is an agency's own: a source has one agency, or none (a shared channel)."""

    source = models.OneToOneField(
        Source, primary_key=True, on_delete=models.CASCADE, related_name="of_agency"
    )
    agency = models.ForeignKey(Agency, on_delete=models.CASCADE, related_name="sources")

    def __str__(self) -> str:
        return f"{self.source_id} of {self.agency_id}"


class SandboxPerson(models.Model):
    """A made-up person with an inbox here, to whom an agency alone may send what it tries."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.CASCADE, related_name="made_up")
    citizen = models.OneToOneField(Citizen, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"{self.citizen_id} of {self.agency_id}"


class Key(models.Model):
    """A key of an agency's to the API. Of the key itself nothing is kept but its digest."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.CASCADE, related_name="keys")
    name = models.CharField(max_length=100)
    """What the agency calls it: the system that uses it."""
    prefix = models.CharField(max_length=16)
    """Its first characters, by which she who has it recognises it."""
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    """Real time, as all of a key's moments."""
    created_by = models.ForeignKey(
        Citizen, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    """The first moment at which it opens nothing: another has taken its place."""
    revoked_at = models.DateTimeField(null=True, blank=True)
    replaces = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replacement"
    )

    class Meta:
        indexes: ClassVar = [models.Index(fields=["agency", "-created_at"], name="key_list")]

    def __str__(self) -> str:
        return self.prefix


class Dispatch(Work):
    """One press of "send" in the portal: a letter to one, or to each of a list. First a draft.

    Its PDF, or the zip with one for each letter, lies in the archive under its id until the last
    letter is with its recipient: each then has her own copy.
    """

    class State(models.TextChoices):
        DRAFT = "draft"
        WAITING = "waiting"
        DONE = "done"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey(
        Citizen, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    """Who made it; None for what the agency's own system sends."""
    made_at = models.DateTimeField()
    """By the shared clock, as `sent_at`."""
    sent_at = models.DateTimeField(null=True, blank=True)
    """When it was confirmed; None for a draft."""
    is_list = models.BooleanField(default=False)
    public_title = models.CharField(max_length=255, blank=True)
    security_level = models.PositiveSmallIntegerField(choices=SecurityLevel)
    kind = models.CharField(max_length=16, choices=[(each.value, each.value) for each in Kind])
    documentary_value = models.BooleanField(null=True, blank=True)
    wants_receipt = models.BooleanField(default=False)
    form = models.JSONField(null=True, blank=True)
    """The contract's ReplyForm as JSON; None where the letter cannot be answered, unsaid."""
    file_name = models.CharField(max_length=255, blank=True)
    """What recipients see the one PDF called; empty where each letter has its own, in a zip."""
    content_sha256 = models.CharField(max_length=64)
    """Of what goes to whom (by blind index): the same again is told before it is sent."""
    cautions = models.JSONField(default=list, blank=True)
    """[[code, detail]]: what would trip a reader, found as it was made."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="dispatch_due", condition=Q(state="waiting")),
            models.Index(fields=["made_at"], name="dispatch_drafts", condition=Q(state="draft")),
            models.Index(fields=["agency", "content_sha256"], name="dispatch_content"),
            models.Index(
                fields=["agency", "-made_at"],
                name="dispatch_own_drafts",
                condition=Q(state="draft"),
            ),
        ]

    def __str__(self) -> str:
        return f"dispatch {self.id}"


class Outgoing(models.Model):
    """A letter of a dispatch. Its id is the letter's external id, by which it arrives once.

    Whom it is for is encrypted, and erased once it is with her or cannot come to her: the agency
    knows the letter again by its own reference or its line in the list.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        DELIVERED = "delivered"
        REFUSED = "refused"
        """Nobody who gets letters from the agency here has that number: it must go another way."""
        FAILED = "failed"
        """It lies in quarantine: our fault."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    dispatch = models.ForeignKey(Dispatch, on_delete=models.CASCADE, related_name="letters")
    agency = models.ForeignKey(Agency, on_delete=models.PROTECT, related_name="+", db_index=False)
    line = models.PositiveIntegerField(default=0)
    """Of the list; 0 for a letter to one."""
    recipient = models.TextField(blank=True)
    """Kind and number, sealed."""
    title = models.CharField(max_length=255)
    due_at = models.DateTimeField(null=True, blank=True)
    case_reference = models.CharField(max_length=64, blank=True)
    """The recipient sees it."""
    reference = models.CharField(max_length=64, blank=True)
    """The agency's own, which nobody else sees."""
    file = models.CharField(max_length=255, blank=True)
    """Its PDF's name in the zip; empty where all have the same."""
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    settled_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: since when it waits no longer."""
    delivery_id = models.UUIDField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: when the latest answer came."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dispatch", "line"], name="outgoing_line"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["agency", "-id"], name="outgoing_list"),
            models.Index(
                fields=["agency", "-id"],
                name="outgoing_answered",
                condition=Q(answered_at__isnull=False),
            ),
            models.Index(
                fields=["agency", "reference", "-id"],
                name="outgoing_reference",
                condition=~Q(reference=""),
            ),
            models.Index(
                fields=["dispatch", "line"],
                name="outgoing_waiting",
                condition=Q(state="waiting"),
            ),
            models.Index(
                fields=["dispatch", "line"],
                name="outgoing_undelivered",
                condition=Q(state__in=("refused", "failed")),
            ),
        ]

    def __str__(self) -> str:
        return f"outgoing {self.id}"


class Submission(models.Model):
    """What a system of an agency's sent with an Idempotency-Key, so that it is sent once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=64)
    """The system's own."""
    fingerprint = models.BinaryField(max_length=32)
    """HMAC of the request: the same key with another request is refused."""
    claim = models.UUIDField()
    """Of the worker that has it in hand."""
    claimed_at = models.DateTimeField()
    """Real time."""
    dispatch = models.ForeignKey(
        Dispatch, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    """What has been sent; None while a worker has it in hand."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agency", "key"], name="submission_key"),
        ]
        indexes: ClassVar = [models.Index(fields=["claimed_at"], name="submission_age")]

    def __str__(self) -> str:
        return str(self.id)


class Answer(models.Model):
    """A citizen's answer to a letter that an agency sent from the portal: the agency's mail.

    Its id is the answer's idempotency key, and the archive object's of its files. It outlives the
    letter: what she has sent is with the agency.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    outgoing = models.ForeignKey(Outgoing, on_delete=models.PROTECT, related_name="answers")
    at = models.DateTimeField()
    """By the shared clock: when she sent it."""
    choice = models.CharField(max_length=255, blank=True)
    """The words of what she chose."""
    text = models.TextField(blank=True)
    files = models.JSONField(default=list, blank=True)
    """[{"name", "media_type", "size", "path"}]"""
    read_at = models.DateTimeField(null=True, blank=True)
    """When somebody at the agency first saw it."""

    def __str__(self) -> str:
        return f"answer {self.id}"


class Webhook(models.Model):
    """An address of an agency's that is told what becomes of its letters (`webhooks.py`)."""

    class Off(models.TextChoices):
        """Why nothing is sent to it."""

        BY_AGENCY = "by_agency"
        GONE = "gone"
        """It answered 410."""
        FAILING = "failing"
        """Nothing has got through for days (`webhook_sending.py`)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    events = models.JSONField(default=list)
    """Which kinds of news it is told, as `webhooks.EVENTS` names them."""
    secret = models.TextField()
    """Sealed, as are those before it."""
    previous_secret = models.TextField(blank=True)
    """Those before it, the newest first, with a space between."""
    previous_until = models.DateTimeField(null=True, blank=True)
    """Real time: until when messages are signed with the previous secret as well."""
    created_at = models.DateTimeField()
    """By the shared clock: what happened before is no news to it."""
    off = models.CharField(max_length=16, choices=Off, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    """Real time: of the first attempt that failed since one got through."""
    failures = models.PositiveSmallIntegerField(default=0)
    """Attempts in a row that it left without an answer, or answered with that it is overloaded."""
    paused_until = models.DateTimeField(null=True, blank=True)
    """Real time: it is sent nothing before then."""
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    """Real time: when a worker last had it in hand."""
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["lease_until"],
                name="webhook_in_hand",
                condition=Q(lease_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class WebhookMessage(Work):
    """One piece of news for one webhook. Its id is the same in every attempt and is never reused.

    Nothing of the letter's citizen or contents is in it.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    record_id = models.UUIDField(null=True, blank=True)
    """The `DeliveryRecord` that it is about; None of a test message."""
    event = models.CharField(max_length=32)
    payload = models.TextField()
    """The body, as it is signed and sent each time."""
    queued_at = models.DateTimeField()
    """Real time."""
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    """Of the latest answer; None where none came."""
    delivered_at = models.DateTimeField(null=True, blank=True)
    """Real time: when it was answered with 2xx."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["webhook", "record_id", "event"], name="webhook_message_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["webhook", "-id"], name="webhook_message_list"),
            models.Index(
                fields=["webhook", "due_at"],
                name="webhook_message_due",
                condition=Q(state="waiting"),
            ),
            models.Index(fields=["queued_at"], name="webhook_message_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.id}"


class Figures(models.Model):
    """An agency's letters of one month by one channel, counted by the collector (`collect.py`).

    What of them may be shown says `figures.py`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    org_number = models.CharField(max_length=9)
    source = models.CharField(max_length=64)
    month = models.DateField()
    """The first day of the month, in Norway, in which they were with the citizens."""
    letters = models.PositiveIntegerField(default=0)
    asked = models.PositiveIntegerField(default=0)
    """Those that asked for a receipt of the opening: of them the agency knows one by one."""
    opened = models.PositiveIntegerField(default=0)
    asked_opened = models.PositiveIntegerField(default=0)
    times = models.JSONField(default=dict)
    """{number of a bucket: how many were opened after a time in it}."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["org_number", "month", "source"], name="figures_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.org_number} {self.month} {self.source}"


class ConformanceRun(Work):
    """A run of the conformance kit that an agency has asked for, and what came of it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agency = models.ForeignKey(Agency, on_delete=models.CASCADE, related_name="runs")
    source = models.ForeignKey(
        Source, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    """The source that is tried."""
    address = models.CharField(max_length=500, blank=True)
    """Of a feed: where it was when the run was asked for."""
    persons = models.TextField(blank=True)
    """Sealed: the test persons' identity numbers, as long as the run waits."""
    asked_by = models.ForeignKey(
        Citizen, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_at = models.DateTimeField()
    """Real time, as is the next."""
    finished_at = models.DateTimeField(null=True, blank=True)
    passed = models.PositiveSmallIntegerField(default=0)
    failed = models.PositiveSmallIntegerField(default=0)
    left_out = models.PositiveSmallIntegerField(default=0)
    findings = models.JSONField(default=list)
    """The kit's Finding, each as a dict, as far as the run has come."""
    shown = models.JSONField(default=list)
    """The kit's Shown, each as a dict: made-up persons' letters as they are seen."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["agency", "-asked_at", "-id"], name="conformance_list"),
            models.Index(fields=["source", "-asked_at"], name="conformance_of_source"),
            models.Index(fields=["due_at"], name="conformance_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return str(self.id)
