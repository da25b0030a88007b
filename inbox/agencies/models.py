"""Agencies in their portal: who works there, their keys, and which sources are theirs."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from inbox.citizens.models import Citizen
from inbox.citizens.owned import new_id
from inbox.sync.models import Source


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
        Source, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    agency = models.ForeignKey(Agency, on_delete=models.CASCADE, related_name="sources")

    def __str__(self) -> str:
        return f"{self.source_id} of {self.agency_id}"


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
