"""The first page of the list shows what `visible_to` gives, and nothing that it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters.front import front
from inbox.letters.models import Letter
from tests.make import make_citizen, make_letter

pytestmark = pytest.mark.django_db

LIMIT = 4
DAYS = st.integers(-20, 20)
LETTERS = st.lists(
    st.fixed_dictionaries(
        {
            "hers": st.booleans(),
            "received": DAYS,
            "visible": st.none() | DAYS,
            "due": st.none() | DAYS,
            "handled": st.booleans(),
            "place": st.sampled_from(["inbox", "inbox", "filed", "bin"]),
        }
    ),
    max_size=12,
)


@pytest.mark.files
@given(drawn=LETTERS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_it_is_the_newest_and_those_due_of_what_she_may_see(frozen_clock, drawn):
    Letter.objects.all().delete()
    kari, ola = make_citizen("Kari"), make_citizen("Ola")
    now = clock.now()

    def moment(days):
        return None if days is None else now + timedelta(days=days)

    for one in drawn:
        letter = make_letter(
            kari if one["hers"] else ola,
            sent_at=moment(one["received"]),
            visible_from=moment(one["visible"]),
            due_at=moment(one["due"]),
            handled_at=now if one["handled"] else None,
        )
        Letter.objects.filter(id=letter.id).update(place=one["place"])
    viewer, due = Viewer(kari.id), (now - timedelta(days=14), now + timedelta(days=14))
    visible = Letter.objects.visible_to(viewer).in_place("inbox")
    newest = visible.newest_first().values_list("id", flat=True)[:LIMIT]
    expected = {*newest, *visible.due_between(*due).values_list("id", flat=True)}
    found = [row.id for row in front(viewer, LIMIT, due)]
    assert len(found) == len(set(found))
    assert set(found) == expected
