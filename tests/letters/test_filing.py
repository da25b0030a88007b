"""Letters are put away and fetched back; the counts follow, whatever comes between."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import clock
from inbox.citizens.models import InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, filing
from inbox.letters.models import Filing, Letter
from inbox.letters.open import mark_opened, set_unread
from tests.make import make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture
def kari():
    return make_citizen()


@pytest.fixture
def viewer(kari):
    return Viewer(kari.id)


def counted(citizen):
    state = InboxState.objects.get(citizen=citizen)
    return {name: getattr(state, name) for name in COUNTS}


COUNTS = ("letters", "unread", "updated", "needs_action", "senders")


def counts(citizen):
    state = InboxState.objects.get(citizen=citizen)
    return (state.letters, state.unread, state.needs_action)


def test_what_is_filed_leaves_the_inbox_and_still_asks_what_it_asks(kari, viewer):
    letter = make_letter(kari, needs_action=True, document=None)
    filing.move(viewer, [letter.id], "filed")
    assert counts(kari) == (0, 0, 1)
    assert InboxState.objects.get(citizen=kari).senders == {str(letter.sender_id): ["NAV", 0, 1]}


def test_what_is_in_the_bin_asks_nothing_and_says_when_it_goes(kari, viewer):
    letter = make_letter(kari, needs_action=True, document=None)
    filing.move(viewer, [letter.id], "bin")
    assert counts(kari) == (0, 0, 0)
    assert Letter.objects.get(id=letter.id).delete_at == clock.now() + timedelta(days=30)
    filing.move(viewer, [letter.id], "inbox")
    assert Letter.objects.get(id=letter.id).delete_at is None
    assert counts(kari) == (1, 1, 1)


def test_moving_where_it_lies_already_is_nothing(kari, viewer):
    letter = make_letter(kari, document=None)
    assert filing.move(viewer, [letter.id], "inbox") is None
    assert not Filing.objects.exists()


def test_anothers_letter_and_one_above_the_session_stay(kari, viewer):
    others = make_letter(make_citizen("Ola"), document=None)
    high = make_letter(kari, security_level=4, document=None)
    assert filing.move(viewer, [others.id, high.id], "bin") is None
    done = filing.move(Viewer(kari.id, SecurityLevel.HIGH), [others.id, high.id], "bin")
    assert list(done.changes) == [str(high.id)]


def test_undoing_puts_all_back_and_twice_is_once(kari, viewer):
    letters = [make_letter(kari, document=None) for _ in range(3)]
    filing.move(viewer, [letters[0].id], "filed")
    before = counted(kari)
    done = filing.move(viewer, [letter.id for letter in letters], "bin")
    assert filing.undo(viewer, done.id) == filing.Undone(3, 0)
    assert counted(kari) == before
    assert filing.undo(viewer, done.id) == filing.Undone(0, 0)
    assert counted(kari) == before
    assert not Letter.objects.filter(delete_at__isnull=False).exists()


def test_undoing_leaves_what_has_changed_since(kari, viewer):
    one, two = (make_letter(kari, document=None) for _ in range(2))
    done = filing.move(viewer, [one.id, two.id], "filed")
    filing.move(viewer, [two.id], "bin")
    assert filing.undo(viewer, done.id) == filing.Undone(1, 1)
    assert Letter.objects.get(id=one.id).place == "inbox"
    assert Letter.objects.get(id=two.id).place == "bin"


def test_only_she_can_undo_it_and_only_for_a_day(kari, viewer):
    done = filing.move(viewer, [make_letter(kari, document=None).id], "filed")
    with pytest.raises(Filing.DoesNotExist):
        filing.undo(Viewer(make_citizen("Ola").id), done.id)
    Filing.objects.update(done_at=timezone.now() - filing.UNDO_LASTS)
    with pytest.raises(Filing.DoesNotExist):
        filing.undo(viewer, done.id)
    assert filing.forget_old() == 1


def test_a_tab_that_knows_not_of_the_move_counts_where_the_letter_lies(kari, viewer):
    letter = make_letter(kari, document=None)
    stale = Letter.objects.get(id=letter.id)
    filing.move(viewer, [letter.id], "filed")
    mark_opened(stale, viewer, clock.now())
    assert counts(kari) == (0, 0, 0)
    assert Letter.objects.get(id=letter.id).place == "filed"
    stale = Letter.objects.get(id=letter.id)
    filing.move(viewer, [letter.id], "inbox")
    set_unread(stale, True)
    assert counts(kari) == (1, 1, 0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["inbox", "filed", "bin", "read", "unread", "undo"]), st.integers(0, 3)
    ),
    max_size=12,
)


@pytest.mark.files
@given(steps=STEPS)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_counts_agree_with_the_rows_after_whatever_she_does(steps):
    citizen = make_citizen()
    viewer = Viewer(citizen.id)
    letters = [
        make_letter(citizen, document=None, needs_action=number % 2 == 0, sender=f"S{number % 3}")
        for number in range(4)
    ]
    done: list[Filing] = []
    for what, number in steps:
        letter = Letter.objects.get(citizen=citizen, id=letters[number].id)
        if what == "undo":
            if done:
                filing.undo(viewer, done[number % len(done)].id)
        elif what in Letter.Place.values:
            moved = filing.move(viewer, [letter.id, letters[0].id], what)
            done += [moved] if moved else []
        else:
            set_unread(letter, what == "unread")
    kept = counted(citizen)
    counters.recount(citizen.id)
    assert counted(citizen) == kept
