"""What a developer is told whose made-up letter is none."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from connectors.contract import IncomingDocument
from inbox.letters.models import Letter
from inbox.testing.build import make_citizen, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

LIE = IncomingDocument("a.txt", "text/plain", content=b"a", sha256="0" * 64)


@pytest.fixture(autouse=True)
def _place(settings: Any, tmp_path: Any) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"title": " "}, "it has no title"),
        ({"sender": "", "org_number": ""}, "it names no sender"),
        ({"sent_at": datetime(2026, 11, 20)}, "its date has no time zone"),
        ({"due_at": datetime(2026, 11, 20)}, "due_at has no time zone"),
        ({"security_level": 5}, "unknown security level 5"),
        ({"documents": [LIE]}, "digest"),
    ],
    ids=str,
)
def test_why_a_letter_did_not_arrive_is_said(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        send(make_citizen(), **wrong)
    assert not Letter.objects.exists()


def test_sent_once_more_under_its_own_id_it_is_the_letter_changed() -> None:
    citizen = make_citizen()
    first = send(citizen, title="Vedtak", external_id="2026-1")
    again = send(citizen, title="Vedtak, rettet", external_id="2026-1")
    assert (again.id, again.title) == (first.id, "Vedtak, rettet")
