"""Letters: what the citizen sees, the deliveries they came by, their documents and events."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q

from inbox.archive.models import Blob, Package
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.owned import CitizenOwned, OwnedForeignKey, new_id
from inbox.letters.queries import LetterQuerySet


class Sender(models.Model):
    """A public body that writes letters. Shared by all citizens; found by organisation number."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    org_number = models.CharField(max_length=9, blank=True)
    name = models.CharField(max_length=255)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["org_number", "name"], name="sender_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class Case(CitizenOwned):
    """The letters of one case of a sender's as a thread: what the list of cases reads (`cases.py`).

    Told twice: by all its letters, and in `open_…` by those that a session of level 3 may read. A
    letter above the level of the session belongs to no case there, as its case is one of its
    secrets. Letters in the bin count in neither.
    """

    class Status(models.TextChoices):
        WAITING_FOR_HER = "waiting_for_her"
        WAITING_FOR_SENDER = "waiting_for_sender"
        """The last word is an answer of hers."""
        DONE = "done"
        """All that was asked is done."""
        NOTHING_ASKED = "nothing_asked"

    sender_key = models.CharField(max_length=255)
    """The sender's organisation number, or its name where the source gave none."""
    reference = models.CharField(max_length=255)
    reference_level = models.PositiveSmallIntegerField(null=True, blank=True)
    """The level from which the reference may be shown; None: at none (yet)."""
    sender_name = models.CharField(max_length=255)
    title = models.CharField(max_length=255, blank=True)
    """That of its first letter."""
    letters = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(null=True, blank=True)
    """When the sender or she wrote last; None as long as no letter can be seen."""
    status = models.CharField(max_length=24, choices=Status, blank=True)
    open_title = models.CharField(max_length=255, blank=True)
    """Where `open_letters` is 0, the public title of its first letter."""
    open_letters = models.PositiveIntegerField(default=0)
    open_last_at = models.DateTimeField(null=True, blank=True)
    open_status = models.CharField(max_length=24, choices=Status, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "sender_key", "reference"], name="case_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["citizen", "-last_at", "-id"],
                name="case_list",
                condition=Q(last_at__isnull=False),
            ),
            models.Index(
                fields=["citizen", "-open_last_at", "-id"],
                name="case_list_open",
                condition=Q(open_last_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Letter(CitizenOwned):
    """One letter as the citizen sees it: the row that the list reads, with nothing to join.

    `title`, `summary` and `body` may be shown only in a session of `security_level`; below it
    `public_title` alone. Reads go through `Letter.objects.visible_to(viewer)`.
    """

    class Kind(models.TextChoices):
        LETTER = "letter"
        DECISION = "decision"
        TASK = "task"
        NOTICE = "notice"
        INVOICE = "invoice"

    class Content(models.TextChoices):
        """Whether body and documents are here."""

        KEPT = "kept"
        ON_OPEN = "on_open"
        """Fetching would count as reading: waits until she opens the letter or asks."""
        REQUESTED = "requested"
        GONE = "gone"

    class Place(models.TextChoices):
        """Where it lies: in one place, and it leaves that only by her hand."""

        INBOX = "inbox"
        FILED = "filed"
        BIN = "bin"

    class HandledBy(models.TextChoices):
        """How we know that what the letter asks is done."""

        SOURCE = "source"
        REPLY = "reply"
        CONFIRMATION = "confirmation"
        HERSELF = "herself"
        """She says so; she may take it back."""

    OWN: ClassVar = "own"
    """The `source` of what she has put in herself (`own.py`): no row of `sync.Source`."""
    BROUGHT: ClassVar = "brought"
    """The `source` of what she has brought in from a copy (`bring_in.py`): no row either."""

    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="+", db_index=False)
    sender_name = models.CharField(max_length=255)
    source = models.CharField(max_length=64)
    """The slug of the source that the letter as it is shown was delivered by."""
    other_sources = models.CharField(max_length=255, blank=True)
    """Slugs, between spaces, of the further sources that brought the same letter."""
    title = models.CharField(max_length=255)
    public_title = models.CharField(max_length=255, blank=True)
    snippet = models.CharField(max_length=160, blank=True)
    """The summary's start, cut for the list; as sensitive as the title."""
    body = models.TextField(blank=True)
    body_media_type = models.CharField(max_length=32, default="text/plain")
    language = models.CharField(max_length=8, blank=True)
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.LETTER)
    security_level = models.PositiveSmallIntegerField(
        choices=SecurityLevel, default=SecurityLevel.HIGH
    )
    received_at = models.DateTimeField()
    """The letter's own day in the inbox: when it was sent, or from when it may be seen."""
    visible_from = models.DateTimeField(null=True, blank=True)
    revealed = models.BooleanField(default=True)
    """False until `visible_from` has come and the letter has been counted."""
    due_at = models.DateTimeField(null=True, blank=True)
    needs_action = models.BooleanField(default=False)
    handled_at = models.DateTimeField(null=True, blank=True)
    unread = models.BooleanField(default=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    attachments = models.PositiveSmallIntegerField(default=0)
    content = models.CharField(max_length=16, choices=Content, default=Content.KEPT)
    asks_receipt = models.BooleanField(default=False)
    """The sender asks to be told of the opening: she must agree before the letter opens."""
    case_reference = models.CharField(max_length=255, blank=True)
    case_id = models.UUIDField(null=True, blank=True)
    """Follows from sender and `case_reference` (`cases.py`)."""
    case = OwnedForeignKey(
        Case, "case_id", related_name="+", null=True, on_delete=models.DO_NOTHING
    )
    documentary_value = models.BooleanField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    """When `source` stops showing it, or was found to have stopped."""
    incomplete = models.BooleanField(default=False)
    """Its source has, or had, more of it than is kept here (`copies.is_incomplete`)."""
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    on_paper_at = models.DateTimeField(null=True, blank=True)
    """When its sender had it printed and sent by post, as far as we were told."""
    returned_at = models.DateTimeField(null=True, blank=True)
    """When the letter on paper had come back, undelivered."""
    place = models.CharField(max_length=8, choices=Place, default=Place.INBOX)
    updated = models.BooleanField(default=False)
    """The sender sent new content after she had put it away, and she has not read that."""
    folders = models.JSONField(default=list, blank=True)
    """Ids of her own folders that it is in: a copy of `Placement`, for the list."""
    delete_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: when a letter in the bin is deleted for good."""
    actions = models.JSONField(default=list, blank=True)
    """[{"url", "label", "due_at", "takes_return"}]: what she can do outside the letter. What is
    no link has also "method", "id", "prompt" and "agreed" (`sync/acts.py`)."""
    reply_forms = models.JSONField(default=list, blank=True)
    """The contract's ReplyForm, each as a dict: how she can answer inside the letter."""
    messages = models.JSONField(default=list, blank=True)
    """[{"id", "at", "text", "author"}]: what the sender has written since; none is ever dropped.
    Some have more of the contract's ThreadMessage: "title", "kind" (the source's own code),
    "from_her", "body", "links", "documents" (names), "rest", "versions"."""
    versions = models.JSONField(default=list, blank=True)
    """The contract's Version, each as a dict: what it says in other languages than `language`."""
    payment = models.JSONField(null=True, blank=True)
    """{"amount" (øre), "account", "kid", "currency", "due_at"}, as the sender said it."""
    signing = models.JSONField(null=True, blank=True)
    """{"status", "url", "at"} of a document to be signed."""
    appointments = models.JSONField(default=list, blank=True)
    """[{"title", "place", "note", "times": [["from", "until"]]}]: what takes place; "" is open."""
    proofs = models.JSONField(default=list, blank=True)
    """[{"title", "issuer", "valid_from", "valid_until"}] of documents that prove something."""
    handled_by = models.CharField(max_length=16, choices=HandledBy, blank=True)

    objects: ClassVar = LetterQuerySet.as_manager()

    class Meta:
        # `place` stands in the keys, not in conditions: so one index serves each place, and a
        # value that is bound at run time still finds it.
        indexes: ClassVar = [
            models.Index(fields=["citizen", "place", "-received_at", "-id"], name="letter_list"),
            models.Index(
                fields=["citizen", "place", "-received_at", "-id"],
                name="letter_unread",
                condition=Q(unread=True),
            ),
            models.Index(
                fields=["citizen", "-received_at", "-id"],
                name="letter_needs_action",
                condition=Q(needs_action=True, handled_at=None),
            ),
            models.Index(
                fields=["citizen", "place", "sender", "-received_at", "-id"],
                name="letter_by_sender",
            ),
            models.Index(
                fields=["citizen", "place", "source", "-received_at", "-id"],
                name="letter_by_source",
            ),
            models.Index(
                fields=["citizen", "-received_at", "-id"],
                name="letter_by_many",
                condition=~Q(other_sources=""),
            ),
            models.Index(
                fields=["citizen", "due_at", "id"],
                name="letter_due",
                condition=Q(due_at__isnull=False),
            ),
            models.Index(
                fields=["citizen", "-received_at", "-id"],
                name="letter_papers",
                condition=Q(documentary_value=True),
            ),
            models.Index(
                fields=["citizen", "sender_name", "-received_at", "-id"],
                name="letter_papers_by_sender",
                condition=Q(documentary_value=True),
            ),
            models.Index(
                fields=["citizen", "case_id", "received_at", "id"],
                name="letter_by_case",
                condition=Q(case_id__isnull=False),
            ),
            models.Index(
                fields=["visible_from"], name="letter_to_reveal", condition=Q(revealed=False)
            ),
            models.Index(
                fields=["delete_at"],
                name="letter_to_delete",
                condition=Q(delete_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Delivery(CitizenOwned):
    """One arrival of a letter by one channel; its id is also that of its archive object."""

    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="deliveries")
    source = models.CharField(max_length=64)
    external_id = models.CharField(max_length=255)
    package = models.ForeignObject(
        Package,
        on_delete=models.CASCADE,
        from_fields=("citizen_id", "id"),
        to_fields=("citizen_id", "id"),
        related_name="deliveries",
    )
    fingerprint = models.CharField(max_length=64)
    """sha256 of what the source said, so that a repeat is told from a change."""
    content_fingerprint = models.CharField(max_length=64)
    """sha256 over its documents alone: a change of these is new content, not new metadata."""
    sent_at = models.DateTimeField()
    fetched_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    sender_verified = models.CharField(max_length=32, blank=True)
    provenance = models.JSONField(default=dict, blank=True)
    same_as = models.JSONField(default=list, blank=True)
    notification_order = models.JSONField(null=True, blank=True)
    wants_opening_receipt = models.BooleanField(default=False)
    needs_confirmation = models.BooleanField(default=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    main_digest = models.CharField(max_length=64, blank=True)
    """sha256 of its main document, where the source or the bytes gave it."""
    keep_by = models.DateTimeField(null=True, blank=True)
    """When the source is to let go of what is not here yet, as it says or as we assume
    (`keeping.py`); None: all is here, or gone."""
    keep_due_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: when to see to that by ourselves (`sync/keeping.py`); None: no more."""
    kept_unseen_at = models.DateTimeField(null=True, blank=True)
    """When we fetched its content though she had not opened it: seen at its source by our doing."""
    gone_at = models.DateTimeField(null=True, blank=True)
    """When its source said that it no longer has it; our copy stays."""
    said = models.JSONField(null=True, blank=True, encoder=DjangoJSONEncoder)
    """What this source says of the letter (`copies.py`), once it is not the only one."""
    has_more = models.BooleanField(default=False)
    """Its source has more of it than is here, for which she must open it once more."""
    matched_by = models.CharField(max_length=16, blank=True)
    """Why it is taken for the same letter as the others: see `matching.py`."""
    split_from_id = models.UUIDField(null=True, blank=True)
    """The letter that she took it out of: never matched by itself again."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "source", "external_id"], name="delivery_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["citizen", "letter_id"], name="delivery_by_letter"),
            # A message that cannot be read may name nobody, and yet have been delivered before.
            models.Index(fields=["source", "external_id"], name="delivery_of_message"),
            models.Index(
                fields=["keep_due_at"],
                name="delivery_to_keep",
                condition=Q(keep_due_at__isnull=False),
            ),
            models.Index(
                fields=["citizen", "source", "keep_by"],
                name="delivery_not_kept",
                condition=Q(keep_by__isnull=False),
            ),
            models.Index(
                fields=["citizen", "split_from_id"],
                name="delivery_split",
                condition=Q(split_from_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class DeliveryRecord(models.Model):
    """What the sender of a delivery may learn of it (`delivery_log.py`): no citizen, no contents.

    Its id is the delivery's. It is the sender's evidence, not the citizen's letter: it outlives
    the letter and her account. A citizen's rows are found only by way of her deliveries.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    org_number = models.CharField(max_length=9)
    """The sender's, proved as `verified` says."""
    source = models.CharField(max_length=64)
    """The slug of the source that brought it."""
    external_id = models.CharField(max_length=255)
    """The sender's own reference, as the source knows it."""
    verified = models.CharField(max_length=32)
    """The contract's SenderRef.verified; never empty."""
    security_level = models.PositiveSmallIntegerField(choices=SecurityLevel)
    arrived_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)
    """From when it lies before her: later than its arrival where it was hidden until its day."""
    notified_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    """Kept only until it is counted, unless it `tells_opening`. Nobody is shown it as it is: see
    `told_opened_at`."""
    asks_opening = models.BooleanField(default=False)
    """The sender asked for a receipt of the opening."""
    tells_opening = models.BooleanField(default=False)
    """She agreed to that and has opened it: the sender may know when."""
    replied_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    counts = models.BooleanField(default=True)
    """Whether it is in the figures: it is new, and not opened before it came."""
    counted = models.BooleanField(default=False)
    """Its arrival is in the figures, or never will be."""
    opening_counted = models.BooleanField(default=False)
    """Its opening is in the figures, or never will be."""
    untold = models.BooleanField(default=True)
    """Changed since the collector saw it."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["org_number", "-arrived_at", "-id"], name="record_list"),
            models.Index(
                fields=["org_number", "source", "-arrived_at", "-id"], name="record_by_source"
            ),
            models.Index(
                fields=["org_number", "external_id", "-arrived_at", "-id"],
                name="record_by_reference",
            ),
            models.Index(fields=["id"], name="record_untold", condition=Q(untold=True)),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def told_opened_at(self) -> datetime | None:
        """When it was opened, if the sender may know that; None otherwise."""
        return self.opened_at if self.tells_opening else None


class SourceState(CitizenOwned):
    """How a delivery stands in its source's own inbox, and whether the source is to be told.

    One row for each delivery from a source whose inbox she may use as well; it has the delivery's
    id. `waiting` while that inbox is to follow what she did here (`sync/telling.py`).
    """

    class State(models.TextChoices):
        DONE = "done"
        WAITING = "waiting"
        FAILED = "failed"

    delivery = models.ForeignObject(
        Delivery,
        on_delete=models.CASCADE,
        from_fields=("citizen_id", "id"),
        to_fields=("citizen_id", "id"),
        related_name="source_states",
    )
    place = models.CharField(max_length=8)
    """Where it lies there: the contract's Place."""
    unread = models.BooleanField(default=False)
    """She has marked it as unread there."""
    revision = models.CharField(max_length=64, blank=True)
    changed_at = models.DateTimeField()
    """By the source: when the letter itself last changed."""
    as_of = models.DateTimeField()
    """Real time: what the source was asked before then says nothing new."""
    state = models.CharField(max_length=16, choices=State, default=State.DONE)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    """Real time: when to tell it; another one by each change of hers."""
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=255, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="source_state_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return str(self.id)


class DeliveryKey(CitizenOwned):
    """What a delivery can be recognised by as the same letter in another channel."""

    delivery_id = models.UUIDField()
    delivery = OwnedForeignKey(Delivery, "delivery_id", related_name="keys")
    key = models.CharField(max_length=80)
    """ "reference:", "document:" or "case:" and a sha256; made by `matching.py`."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "key", "delivery_id"], name="delivery_key_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["citizen", "delivery_id"], name="delivery_key_of"),
            # Word of a letter on paper names the letter, and nobody whose it is.
            models.Index(fields=["key"], name="delivery_key_alone"),
        ]

    def __str__(self) -> str:
        return self.key


class FormerLetter(CitizenOwned):
    """A letter that turned out to be another one; its id still leads there."""

    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="formers")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["citizen", "letter_id"], name="former_letter_of")]

    def __str__(self) -> str:
        return f"{self.id} is {self.letter_id}"


class Document(CitizenOwned):
    """One file of a delivery. Without a blob it is not kept (yet), and is shown as such."""

    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="documents")
    delivery_id = models.UUIDField()
    delivery = OwnedForeignKey(Delivery, "delivery_id", related_name="documents")
    blob_id = models.UUIDField(null=True, blank=True)
    blob = OwnedForeignKey(Blob, "blob_id", related_name="documents", null=True)
    position = models.PositiveSmallIntegerField(default=0)
    is_main = models.BooleanField(default=False)
    name = models.CharField(max_length=255)
    title = models.CharField(max_length=255, blank=True)
    media_type = models.CharField(max_length=127)
    size = models.PositiveBigIntegerField(null=True, blank=True)
    ref = models.CharField(max_length=512, blank=True)
    """What the connector downloads it by, where we have no bytes yet."""
    on_open = models.BooleanField(default=False)
    """Fetching it counts as reading."""
    expires_at = models.DateTimeField(null=True, blank=True)
    """When the source lets go of it."""
    gone_at = models.DateTimeField(null=True, blank=True)
    """When the source said that it no longer has it; set where we have no bytes."""
    not_given = models.CharField(max_length=255, blank=True, default="")
    """Why the source does not give it to her, in its words; empty where it does."""
    replaced_at = models.DateTimeField(null=True, blank=True)
    """Set when the sender sent new content under the same id: kept, no longer shown first."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["citizen", "letter_id", "position"], name="document_by_letter"),
            models.Index(fields=["citizen", "delivery_id"], name="document_by_delivery"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class DocumentText(CitizenOwned):
    """The text of a kept document, for search and for reading as text; its id is the document's.

    The row is the queue: written with the document, filled in after the letter can be seen.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    class Pdfa(models.TextChoices):
        """How far we know that the file is what it claims to be: fit to be kept for life."""

        CLAIMED = "claimed"
        """The file says so."""
        CHECKED = "checked"
        """What its structure tells agrees (`pdfa.py`)."""
        VALIDATED = "validated"
        """A validator has held it against the whole standard (`verapdf.py`)."""

    document = models.ForeignObject(
        Document,
        on_delete=models.CASCADE,
        from_fields=("citizen_id", "id"),
        to_fields=("citizen_id", "id"),
        related_name="texts",
    )
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    """Real time: when to try next."""
    lease_until = models.DateTimeField(null=True, blank=True)
    """Real time: until when some worker has it in hand."""
    text = models.TextField(blank=True)
    """Pages joined by form feed."""
    pages = models.PositiveIntegerField(default=0)
    """How many pages the document has, also where only the first were read."""
    links = models.JSONField(default=list, blank=True)
    """[{"url", "page"}]: the https addresses that a PDF's annotations lead to."""
    warnings = models.JSONField(default=list, blank=True)
    """Any of: encrypted, locked (nothing can be read without a password), broken, repaired (read
    by mending its table of contents), script, embedded_files, no_text, untagged, cut (only its
    first pages were read), too_large, missing (the archive could not give its bytes)."""
    pdfa_status = models.CharField(max_length=16, choices=Pdfa, blank=True, default="")
    """Empty where it claims nothing, or has not been read."""
    pdfa_level = models.CharField(max_length=4, blank=True, default="")
    """What it claims: part and level of ISO 19005, e.g. "2a"."""
    pdfa_lacks = models.JSONField(default=list, blank=True)
    """Any of: structure, encryption, output_intent, fonts, tags, actions, embedded_files, too_long
    or unclear (not all of it could be looked at), validation (veraPDF says no)."""
    pdfa_checked_by = models.CharField(max_length=64, blank=True, default="")
    """The program that looked, with its version."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="document_text_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"text of {self.id}"


class AccessCopy(CitizenOwned):
    """A PDF that we have made of what came as text, for whoever reads it a long time from now.

    Its id is that of the document that it was made of, or, of a letter's own text, that of the
    delivery that brought it. The row is the queue; the original stays as it is.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    delivery_id = models.UUIDField()
    delivery = OwnedForeignKey(Delivery, "delivery_id", related_name="access_copies")
    """In whose archive object it lies."""
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    """Real time: when to try next."""
    lease_until = models.DateTimeField(null=True, blank=True)
    """Real time: until when some worker has it in hand."""
    reason = models.CharField(max_length=16, blank=True, default="")
    """Why there is none: empty (no text), too_large, characters (no font here has them), typst,
    memory, broken (it cost the process its life), missing (the archive could not give or take)."""
    blob_id = models.UUIDField(null=True, blank=True)
    blob = OwnedForeignKey(Blob, "blob_id", related_name="access_copies", null=True)
    """The latest that was made."""
    source_sha256 = models.CharField(max_length=64, blank=True, default="")
    """Hex digest of the bytes that it was made of: the document's, or of the letter its text as
    UTF-8, or where there is more than its body the parts (`access_copies.parts_of`) as JSON."""
    made_at = models.DateTimeField(null=True, blank=True)
    """Real time."""
    made_by = models.CharField(max_length=64, blank=True, default="")
    """Our programs, with their versions."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["citizen", "delivery_id"], name="access_copy_by_delivery"),
            models.Index(fields=["due_at"], name="access_copy_due", condition=Q(state="waiting")),
            models.Index(fields=["reason"], name="access_copy_failed", condition=Q(state="failed")),
        ]

    def __str__(self) -> str:
        return f"access copy of {self.id}"


class LetterSearch(CitizenOwned):
    """What a letter is found by (`indexing.py`); its id is the letter's.

    The index over `tokens` is GIN on PostgreSQL. On SQLite it is the FTS5 table
    `letters_search_fts`, which triggers on this table keep: a migration that makes this table
    anew there must make them anew.
    """

    letter = models.ForeignObject(
        Letter,
        on_delete=models.CASCADE,
        from_fields=("citizen_id", "id"),
        to_fields=("citizen_id", "id"),
        related_name="search",
    )
    number = models.BigIntegerField()
    """The row's number in FTS5, by which hits come newest day first (`indexing._number`)."""
    open_head = models.TextField(blank=True)
    """Stems of sender and public title."""
    head = models.TextField(blank=True)
    """Stems of sender and title; as sensitive as the title."""
    tokens = models.TextField(blank=True)
    """All stems, each after the citizen's key and the level at which it may be searched."""
    stale = models.BooleanField(default=True)
    """To be written anew by the next sweep."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["citizen"], name="letter_search_stale", condition=Q(stale=True)),
        ]

    def __str__(self) -> str:
        return f"search row of {self.id}"


class Event(CitizenOwned):
    """An append-only fact about a letter, shown in its timeline."""

    class Kind(models.TextChoices):
        RECEIVED = "received"
        OPENED = "opened"
        OPENED_ELSEWHERE = "opened_elsewhere"
        DOCUMENT_OPENED = "document_opened"
        CONTENT_REQUESTED = "content_requested"
        CONTENT_KEPT = "content_kept"
        REPLACED = "replaced"
        WITHDRAWN = "withdrawn"
        HANDLED = "handled"
        REOPENED = "reopened"
        REPLIED = "replied"
        ANSWERED = "answered"
        NOTIFIED = "notified"
        REMINDED = "reminded"
        RECEIPT_SENT = "receipt_sent"
        JOINED = "joined"
        SPLIT = "split"
        FORWARDED = "forwarded"
        ON_PAPER = "on_paper"
        GONE = "gone"
        """Its source no longer has it."""
        BROUGHT = "brought"
        """She has brought it in from a copy (`bring_in.py`)."""
        CORRECTED = "corrected"
        """She has written anew what she says of a paper of her own."""

    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="events")
    kind = models.CharField(max_length=32, choices=Kind)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        Citizen, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    """The citizen who did it; None when Samlepost or the source did."""
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["citizen", "letter_id", "at"], name="event_by_letter")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.letter_id}"


class Folder(CitizenOwned):
    """A folder of her own. A letter may be in several, wherever it lies: no copy, no place."""

    name = models.CharField(max_length=60)
    name_key = models.CharField(max_length=120)
    """The name casefolded: two folders that read alike would be one too many."""
    color = models.CharField(max_length=16)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["citizen", "name_key"], name="folder_unique"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class SavedSearch(CitizenOwned):
    """A search that she has named, to ask it again."""

    name = models.CharField(max_length=60)
    name_key = models.CharField(max_length=120)
    """The name casefolded: two that read alike would be one too many."""
    query = models.TextField()
    """The search page's query string: her words and filters, normalised."""
    saved_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["citizen", "name_key"], name="saved_search_unique"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Placement(CitizenOwned):
    """A letter is in a folder."""

    folder_id = models.UUIDField()
    folder = OwnedForeignKey(Folder, "folder_id", related_name="placements")
    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="placements")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "folder_id", "letter_id"], name="placement_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["citizen", "letter_id"], name="placement_by_letter")
        ]

    def __str__(self) -> str:
        return str(self.id)


class Filing(CitizenOwned):
    """What she did to some of her letters at one go, kept for a while so that it can be undone."""

    class Kind(models.TextChoices):
        TO_INBOX = "inbox"
        TO_ARCHIVE = "filed"
        TO_BIN = "bin"
        READ = "read"
        UNREAD = "unread"
        PUT = "put"
        TAKEN_OUT = "taken_out"

    kind = models.CharField(max_length=16, choices=Kind)
    actor = models.ForeignKey(
        Citizen, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    done_at = models.DateTimeField()
    """Real time: it can be undone for a while from then."""
    undone_at = models.DateTimeField(null=True, blank=True)
    changes = models.JSONField(default=dict)
    """{letter's id: [what its fields were, what they became]}."""

    class Meta:
        indexes: ClassVar = [models.Index(fields=["done_at"], name="filing_by_age")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class LifeEventLetter(CitizenOwned):
    """A letter that is proposed for a life event (`life_events.py`), and what she said to that."""

    class State(models.TextChoices):
        PROPOSED = "proposed"
        ACCEPTED = "accepted"
        REJECTED = "rejected"
        """By her: never proposed again for this event."""

    event = models.CharField(max_length=32)
    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="life_events")
    state = models.CharField(max_length=16, choices=State, default=State.PROPOSED)
    reason = models.CharField(max_length=32, blank=True)
    """The `code` of the rule that proposed it; empty: she put it there herself."""
    safe = models.BooleanField(default=False)
    """Sender and public title alone say that it belongs here: shown below the letter's level."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "letter_id", "event"], name="life_event_letter_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["citizen", "event", "state"], name="life_event_letter_list"),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.id}"


class Tombstone(CitizenOwned):
    """A delivery that she has deleted for good: that it was, and nothing of what it said.

    Whatever the source offers again under the same external id is passed over. The id is that
    of the delivery and its archive object. A copy that she herself has put at the source has
    one, too: what she sent there is no letter to her.
    """

    source = models.CharField(max_length=64)
    external_digest = models.CharField(max_length=64)
    """sha256 (hex) of the external id."""
    deleted_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True)
    """Real time: when its bytes had left the archive; None until then."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "source", "external_digest"], name="tombstone_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["deleted_at"], name="tombstone_to_erase", condition=Q(erased_at=None)
            ),
            models.Index(fields=["source", "external_digest"], name="tombstone_of_message"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Access(CitizenOwned):
    """An append-only line of the access log: who looked at what in a citizen's mail, and when.

    It outlives the letter that it speaks of, so it holds no reference to it and nothing of what
    it says but the sender's name.
    """

    class What(models.TextChoices):
        FETCHED = "fetched"
        LETTER = "letter"
        DOCUMENT = "document"
        DOWNLOAD = "download"
        DOWNLOAD_ALL = "download_all"
        SEARCH = "search"
        EXPORT = "export"
        """She took a copy of her letters with her."""
        IMPORT = "import"
        """She brought letters in from a copy."""
        QUARANTINE = "quarantine"

    at = models.DateTimeField()
    what = models.CharField(max_length=16, choices=What)
    actor = models.ForeignKey(
        Citizen, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    """Who did it; None when Samlepost did."""
    role = models.CharField(max_length=16)
    """A `viewer.Role`, "samlepost" or "operator"."""
    letter_id = models.UUIDField(null=True, blank=True)
    sender_name = models.CharField(max_length=255, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["citizen", "-at", "-id"], name="access_list"),
            models.Index(
                fields=["actor", "-at", "-id"],
                name="access_by_helper",
                condition=~Q(role="herself"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.id}"


class Reply(CitizenOwned):
    """Her answer to a letter: a draft, then a piece of work until the source has taken it.

    Its id follows from letter, form and how many answers went before, so that the same page in
    two tabs makes one answer.
    """

    class State(models.TextChoices):
        DRAFT = "draft"
        WAITING = "waiting"
        DONE = "done"
        FAILED = "failed"

    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    """Real time: when to try next."""
    lease_until = models.DateTimeField(null=True, blank=True)
    """Real time: until when some worker has it in hand."""
    last_error = models.CharField(max_length=255, blank=True)
    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="replies")
    form = models.CharField(max_length=64)
    """The code of the letter's form that it answers."""
    choice = models.CharField(max_length=64, blank=True)
    choice_label = models.CharField(max_length=255, blank=True)
    text = models.TextField(blank=True)
    attachments = models.JSONField(default=list, blank=True)
    """[{"id", "name", "media_type", "size", "sha256", "path"}]; `id` is the archive object's."""
    settles = models.BooleanField(default=True)
    """What the letter asks is done with it."""
    version = models.PositiveIntegerField(default=0)
    """Grows with each save; a save that did not know the latest one from another tab is refused."""
    tab = models.CharField(max_length=32, blank=True)
    """Which open page saved it last."""
    security_level = models.PositiveSmallIntegerField()
    """The level of the session in which it was written."""
    writer = models.ForeignKey(
        Citizen, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    """Who wrote it: she, or somebody who acts for her."""
    updated_at = models.DateTimeField()
    """By the shared clock: when it was last saved, and then sent away by her."""
    sent_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: when the source took it."""
    reference = models.CharField(max_length=255, blank=True)
    """The source's own."""
    refusal = models.CharField(max_length=255, blank=True)
    """Why the source will not take it, in the source's words."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "letter_id", "form"],
                name="reply_one_draft",
                condition=Q(state="draft"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["citizen", "letter_id"], name="reply_by_letter"),
            models.Index(fields=["citizen", "-updated_at", "-id"], name="reply_list"),
            models.Index(fields=["due_at"], name="reply_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"reply {self.id}"


class Forwarding(CitizenOwned):
    """A link by which she has sent a letter on to a person (`forward.py`).

    Of the link nothing is kept but the keyed hash of its token.
    """

    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="forwardings")
    label = models.CharField(max_length=100)
    """What she calls whoever it is for."""
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    """The first moment at which it opens nothing."""
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["citizen", "-created_at"], name="forwarding_list"),
            models.Index(fields=["citizen", "letter_id"], name="forwarding_by_letter"),
            # Who brings a link does not say whose it is.
            models.Index(fields=["digest"], name="forwarding_by_digest"),
        ]

    def __str__(self) -> str:
        return f"forwarding {self.id}"


class Correction(CitizenOwned):
    """A paper of hers that is being corrected: its object in the archive, then its rows (`own.py`).

    Written before the first, gone with the second: one that stays is of a process that died in
    between, and says which paper's rows are to follow what its object says.
    """

    delivery_id = models.UUIDField()
    delivery = OwnedForeignKey(Delivery, "delivery_id", related_name="corrections")
    case_id = models.UUIDField(null=True, blank=True)
    """Into which case the paper is to come: of what she says the archive does not keep that."""
    due_at = models.DateTimeField()
    """Real time: from then on who corrected it is taken for dead."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="correction_due"),
            models.Index(fields=["citizen", "delivery_id"], name="correction_of"),
        ]

    def __str__(self) -> str:
        return f"correction {self.id}"


class Import(CitizenOwned):
    """A copy of letters that she brings in: taken in by a worker (`imports.py`).

    One row a citizen: bringing one anew takes its place. The row is the queue, then what she is
    told came of it. The zip lies encrypted in IMPORT_DIR until then, its key in the row alone.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        TAKING = "taking"
        DONE = "done"
        FAILED = "failed"

    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    """Real time: when to try next."""
    lease_until = models.DateTimeField(null=True, blank=True)
    """Real time: until when some worker has it in hand."""
    lease_token = models.UUIDField(null=True, blank=True)
    """Whose hand that is: a worker taken for dead changes nothing."""
    problem = models.CharField(max_length=16, blank=True)
    """Why it was refused: the code of a BadBag, `not_empty`, or `broken` (we failed)."""
    problem_name = models.CharField(max_length=1024, blank=True)
    """Which file of the copy that is about."""
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    """How many letters are in the archive so far, and are to be; 0: it is being checked."""
    key = models.CharField(max_length=255)
    """What the zip is encrypted with, itself encrypted (`identity.seal`)."""
    expires_at = models.DateTimeField(null=True, blank=True)
    """Real time: until when she is told what came of it."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["citizen"], name="import_one"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                name="import_due",
                condition=Q(state__in=["waiting", "taking"]),
            ),
            models.Index(
                fields=["expires_at"],
                name="import_expires",
                condition=Q(expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"import {self.id}"


class Export(CitizenOwned):
    """A copy of her letters that she has asked for: made by a worker, fetched by her, short-lived.

    One row a citizen: asking anew takes its place. The row is the queue, then that of the notice
    that the copy is ready. The bytes lie encrypted in EXPORT_DIR, their key in the row alone.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        MAKING = "making"
        READY = "ready"
        FAILED = "failed"

    class Told(models.TextChoices):
        """Whether she has been told that it is ready."""

        NOT_YET = ""
        WAITING = "waiting"
        SENDING = "sending"
        DONE = "done"

    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    """Real time: when to try next; once it is ready, to tell her of it."""
    lease_until = models.DateTimeField(null=True, blank=True)
    """Real time: until when some worker has it in hand."""
    lease_token = models.UUIDField(null=True, blank=True)
    """Whose hand that is, and the name of its file: a worker taken for dead changes nothing."""
    last_error = models.CharField(max_length=255, blank=True)
    case_id = models.UUIDField(null=True, blank=True)
    folder_id = models.UUIDField(null=True, blank=True)
    """Only the letters of that case, or in that folder of hers; neither: all of them."""
    language = models.CharField(max_length=8)
    asked_at = models.DateTimeField()
    """By the shared clock."""
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    """How many letters it has so far, and is to have."""
    size = models.PositiveBigIntegerField(default=0)
    """Bytes of the zip."""
    key = models.CharField(max_length=255, blank=True)
    """What its bytes are encrypted with, itself encrypted (`identity.seal`)."""
    told = models.CharField(max_length=8, choices=Told, default=Told.NOT_YET, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    """Real time: when a ready copy is removed."""
    fetched_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: when she last fetched it."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["citizen"], name="export_one"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                name="export_due",
                condition=Q(state__in=["waiting", "making"]) | Q(told__in=["waiting", "sending"]),
            ),
            models.Index(
                fields=["expires_at"],
                name="export_expires",
                condition=Q(expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"export {self.id}"
