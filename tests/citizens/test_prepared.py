"""A prepared read gives what its queryset gives, each time for the values of that run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import models

from inbox.citizens.models import Citizen
from inbox.citizens.prepared import Prepared, Slot
from inbox.letters.models import Letter
from tests.make import make_citizen, make_letter

pytestmark = pytest.mark.django_db

FIELDS = ("id", "title", "received_at", "due_at", "unread", "actions")
START = datetime(2026, 11, 1, 8, tzinfo=UTC)


def letters_since():
    return (
        Letter.objects.filter(
            citizen_id=Slot("citizen", models.UUIDField()),
            received_at__gte=Slot("since", models.DateTimeField()),
        )
        .order_by("received_at")
        .values_list(*FIELDS)
    )


@pytest.fixture
def kari() -> Citizen:
    citizen = make_citizen("Kari")
    for days in range(5):
        moment = START + timedelta(days=days)
        make_letter(citizen, title=f"Brev {days}", sent_at=moment, due_at=moment)
    return citizen


def test_it_gives_the_rows_of_its_queryset_with_their_types(kari):
    since = START + timedelta(days=2)
    plain = Letter.objects.filter(citizen=kari, received_at__gte=since).order_by("received_at")
    found = Prepared(letters_since).run(citizen=kari.id, since=since)
    assert [tuple(row) for row in found] == list(plain.values_list(*FIELDS))
    assert len(found) == 3


def test_each_run_has_values_of_its_own_and_one_query(kari, django_assert_num_queries):
    ola = make_citizen("Ola")
    make_letter(ola, title="Til Ola", sent_at=START)
    read = Prepared(letters_since)
    with django_assert_num_queries(3):
        hers = read.run(citizen=kari.id, since=START)
        his = read.run(citizen=ola.id, since=START)
        later = read.run(citizen=kari.id, since=START + timedelta(days=4))
    assert [len(rows) for rows in (hers, his, later)] == [5, 1, 1]
    assert his[0][1] == "Til Ola"


def test_it_is_compiled_once(kari):
    built = []

    def build():
        built.append(1)
        return letters_since()

    read = Prepared(build)
    read.run(citizen=kari.id, since=START)
    read.run(citizen=kari.id, since=START)
    assert len(built) == 1


def test_a_value_that_is_missing_is_an_error(kari):
    with pytest.raises(KeyError, match="since"):
        Prepared(letters_since).run(citizen=kari.id)


def whole():
    hers = Letter.objects.filter(citizen_id=Slot("citizen", models.UUIDField()))
    return hers.select_related("citizen__inbox_state", "case").order_by("id")


def test_it_gives_whole_rows_and_what_they_select_beside_them(kari, django_assert_num_queries):
    def fields(letter: Letter) -> dict[str, object]:
        return {name: value for name, value in vars(letter).items() if name != "_state"}

    with_case = make_letter(kari, title="I en sak", case_reference="2026/1", sent_at=START)
    read = Prepared(whole)
    assert read.objects(citizen=make_citizen("Ola").id) == []
    with django_assert_num_queries(1):
        found = read.objects(citizen=kari.id)
        counted = {letter.citizen.inbox_state.letters for letter in found}
        cases = {letter.case.id for letter in found if letter.case}
    plain = Letter.objects.filter(citizen=kari).order_by("id")
    assert [fields(letter) for letter in found] == [fields(letter) for letter in plain]
    assert counted == {6}
    assert cases == {with_case.case_id}
