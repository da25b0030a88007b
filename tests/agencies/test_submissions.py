"""What an agency's system sends with an Idempotency-Key is sent once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from inbox.agencies import drafts, outgoing, sending, submissions
from inbox.agencies.letters import Refused, Terms
from inbox.agencies.models import Agency, Dispatch, Submission
from inbox.archive import store
from inbox.letters.models import Letter
from tests.agencies.sending import KARI, pdf, wanted

pytestmark = pytest.mark.django_db

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.fixture(scope="module")
def content() -> bytes:
    return pdf()


def submit(agency, content, key=KEY, **more):
    return submissions.submit(agency, key, Terms(), wanted(**more), content)


def test_the_same_again_is_sent_once(agency, kari, content):
    first = submit(agency, content)
    assert submit(agency, content) == first
    sending.send_due()
    again = submit(agency, content)
    assert (again.id, again.state) == (first.id, "delivered")
    assert Letter.objects.filter(citizen=kari).count() == 1
    other = submit(agency, content, key=KEY[::-1])
    assert other.id != first.id


@pytest.mark.parametrize("change", [{"title": "Et annet brev"}, {"reference": "2"}])
def test_the_same_key_with_something_else_is_refused(agency, kari, content, change):
    submit(agency, content)
    with pytest.raises(submissions.Reused):
        submit(agency, content, **change)
    with pytest.raises(submissions.Reused):
        submit(agency, content + b"\n")
    assert Dispatch.objects.count() == 1


def test_a_key_that_becomes_free_in_this_moment_is_asked_with_again(
    agency, kari, content, monkeypatch
):
    def taken(**_said):
        raise IntegrityError

    with monkeypatch.context() as patched:
        patched.setattr(Submission.objects, "create", taken)
        with pytest.raises(submissions.InProgress):
            submit(agency, content)
    assert submit(agency, content)


def test_two_agencies_may_have_the_same_key(agency, kari, content):
    another = Agency.objects.create(org_number="958935420", name="Oslo kommune")
    assert submit(agency, content).id != submit(another, content).id


def test_what_is_refused_leaves_the_key_free(agency, kari, content):
    with pytest.raises(Refused):
        submit(agency, b"no pdf")
    assert not Submission.objects.exists()
    assert submit(agency, content).state == "waiting"


def test_while_another_worker_has_it_in_hand_it_is_not_begun(agency, kari, content, monkeypatch):
    def prepare(*said, **more):
        with pytest.raises(submissions.InProgress):
            submit(agency, content)
        return real(*said, **more)

    real = outgoing.prepare
    monkeypatch.setattr(outgoing, "prepare", prepare)
    submit(agency, content)
    assert Dispatch.objects.count() == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_that_died_holds_up_nothing_for_long(agency, kari, content, monkeypatch, moment):
    class Killed(BaseException):
        pass

    def die(*said, **more):
        if moment == "after":
            real(*said, **more)
        raise Killed

    real = outgoing.prepare
    monkeypatch.setattr(outgoing, "prepare", die)
    with pytest.raises(Killed):
        submit(agency, content)
    monkeypatch.setattr(outgoing, "prepare", real)
    with pytest.raises(submissions.InProgress):
        submit(agency, content)
    later = timezone.now() + submissions.CLAIM + timedelta(seconds=1)
    monkeypatch.setattr(submissions.timezone, "now", lambda: later)
    submit(agency, content)
    sending.send_due()
    assert Letter.objects.filter(citizen=kari).count() == 1


def test_who_was_taken_for_dead_sends_nothing_more(agency, kari, content, monkeypatch):
    def prepare(*said, **more):
        draft = real(*said, **more)
        if not kept:  # meanwhile the claim runs out, and another takes it and sends
            kept.append(draft.id)
            Submission.objects.update(claimed_at=timezone.now() - submissions.CLAIM * 2)
            submit(agency, content)
        return draft

    kept: list[object] = []
    real = outgoing.prepare
    monkeypatch.setattr(outgoing, "prepare", prepare)
    with pytest.raises(submissions.InProgress):
        submit(agency, content)
    assert not Dispatch.objects.filter(id=kept[0]).exists()
    assert not store.exists(kept[0])
    sending.send_due()
    assert Letter.objects.filter(citizen=kari).count() == 1


def test_nothing_of_whom_it_is_to_is_kept_with_the_key(agency, kari, content):
    submit(agency, content)
    (row,) = Submission.objects.values()
    assert KARI not in str(row)
    assert len(bytes(row["fingerprint"])) == 32


def test_keys_are_forgotten_in_time(agency, kari, content):
    submit(agency, content)
    assert drafts.forget_submissions() == 0
    Submission.objects.update(claimed_at=timezone.now() - drafts.KEYS_KEPT * 2)
    assert drafts.forget_submissions() == 1


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_at_once_send_one(agency, kari, content):
    def ask(_number: int) -> str:
        try:
            return str(submit(agency, content).id)
        except submissions.InProgress:
            return "in progress"
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(ask, range(4)))
    assert len(answers - {"in progress"}) == 1
    assert Dispatch.objects.count() == 1
    sending.send_due()
    assert Letter.objects.filter(citizen=kari).count() == 1
