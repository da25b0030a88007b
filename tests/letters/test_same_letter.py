from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from connectors import clock
from connectors.contract import Action, IncomingDocument, SenderRef
from inbox.citizens.models import Citizen, InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, join, matching, search
from inbox.letters.change import add_content, change
from inbox.letters.models import Delivery, DeliveryKey, Document, Event, FormerLetter, Letter
from inbox.letters.presentation import page_of, shown_documents
from inbox.letters.receive import receive
from inbox.letters.reveal import reveal_due
from inbox.notifications.rules import queue_for
from tests.incoming import NAV, NOW, PDF, arrival, incoming

pytestmark = pytest.mark.django_db

OTHER_PDF = b"%PDF-1.7 another\n%%EOF\n"


@pytest.fixture
def kari() -> Citizen:
    return Citizen.objects.create(name="Kari Nordmann", email="kari@example.org")


@pytest.fixture(autouse=True)
def _study_date():
    clock.freeze(NOW)
    yield
    clock.reset()


def document(content: bytes = PDF) -> IncomingDocument:
    return IncomingDocument("brev.pdf", "application/pdf", is_main=True, content=content)


def dpi(**changes):
    return incoming("dpi-1", **({"same_as": ["dpi:c1"]} | changes)), "dpi"


def minside(**changes):
    return incoming("nav-1", **({"same_as": ["dpi:c1", "nav:j1"]} | changes)), "minside-nav"


def altinn(**changes):
    fields = {
        "sender": SenderRef("NAV", verified="source"),
        "same_as": ["nav:j1"],
        "content_on_open": True,
        "documents": [],
    }
    return incoming("alt-1", **(fields | changes)), "altinn"


def take(kari, *sent):
    with transaction.atomic():
        return receive([arrival(kari.id, letter, source) for letter, source in sent], NOW)


def the_letter(kari) -> Letter:
    return Letter.objects.select_related("sender").get(citizen=kari)


def letters_of(kari) -> int:
    return Letter.objects.filter(citizen=kari).count()


def viewer(kari, level=4) -> Viewer:
    return Viewer(kari.id, SecurityLevel(level))


def counts(kari) -> tuple[object, ...]:
    state = InboxState.objects.get(citizen=kari)
    return state.letters, state.unread, state.needs_action, state.senders


def assert_counts_agree(kari):
    kept = counts(kari)
    counters.recount(kari.id)
    assert kept == counts(kari)


def test_the_same_letter_by_two_channels_is_one_row_and_news_once(kari):
    first = take(kari, dpi())
    assert len(first) == 1
    assert take(kari, minside()) == []
    letter = the_letter(kari)
    assert {letter.source, *letter.other_sources.split()} == {"dpi", "minside-nav"}
    assert counts(kari)[:3] == (1, 1, 0)
    assert_counts_agree(kari)
    assert Delivery.objects.filter(citizen=kari, letter_id=letter.id).count() == 2
    assert Event.objects.filter(citizen=kari, kind=Event.Kind.RECEIVED).count() == 2


def test_a_copy_of_a_letter_she_has_read_is_not_unread_again(kari):
    take(kari, dpi())
    Letter.objects.update(unread=False, opened_at=NOW)
    take(kari, minside())
    assert not the_letter(kari).unread


def test_keys_are_looked_up_alone_and_deliveries_only_where_one_is_known(kari):
    # A join would begin with all her letters where PostgreSQL has not counted them yet.
    take(kari, dpi())
    keys = [(kari.id, key) for key in DeliveryKey.objects.values_list("key", flat=True)]
    with CaptureQueriesContext(connection) as asked:
        assert not matching.known_copies([(kari.id, "reference:of-nothing")])
    assert len(asked) == 1
    with CaptureQueriesContext(connection) as asked:
        found = matching.known_copies(keys)
    assert {copy.letter_id for copies in found.values() for copy in copies} == {the_letter(kari).id}
    assert set(found) == set(keys)
    assert ["JOIN" in query["sql"] for query in asked] == [False, True]
    assert "letters_deliverykey" not in asked[1]["sql"]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("together", [True, False])
def test_whatever_comes_first_the_letter_is_the_same(kari, order, together):
    sent = [
        dpi(sent_at=NOW - timedelta(hours=2)),
        minside(security_level=4, due_at=NOW + timedelta(days=9), sent_at=NOW - timedelta(hours=3)),
        altinn(needs_action=True, due_at=NOW + timedelta(days=5)),
    ]
    chosen = [sent[place] for place in order]
    if together:
        take(kari, *chosen)
    else:
        for each in chosen:
            take(kari, each)
    letter = the_letter(kari)
    assert letter.received_at == NOW - timedelta(hours=3)
    assert letter.due_at == NOW + timedelta(days=5)
    assert (letter.security_level, letter.needs_action, letter.content) == (4, True, "kept")
    assert (letter.source, letter.other_sources) == ("minside-nav", " altinn dpi ")
    assert letter.sender.org_number == "889640782"
    assert letter.unread
    assert counts(kari)[:3] == (1, 1, 1)
    assert_counts_agree(kari)
    reasons = Delivery.objects.filter(citizen=kari).values_list("matched_by", flat=True)
    assert sorted(reasons) == ["", "reference", "reference"]


def test_receiving_both_copies_again_changes_nothing(kari):
    take(kari, dpi(), minside())
    version = InboxState.objects.get(citizen=kari).version
    assert take(kari, minside(), dpi()) == []
    assert letters_of(kari) == 1
    assert InboxState.objects.get(citizen=kari).version == version


def test_without_a_reference_the_same_document_in_the_same_week_is_the_same_letter(kari):
    take(kari, dpi(same_as=[]))
    take(kari, minside(same_as=[], sent_at=NOW - timedelta(days=5)))
    assert letters_of(kari) == 1
    assert Delivery.objects.get(citizen=kari, source="minside-nav").matched_by == "document"


def test_the_same_title_and_case_are_enough_where_no_document_says_otherwise(kari):
    take(kari, dpi(same_as=[], case_reference="S-1", documents=[]))
    take(kari, minside(same_as=[], case_reference="S-1", title="Du må sende dokumentasjon!"))
    assert letters_of(kari) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"documents": [document(OTHER_PDF)]},
        {"documents": [document(OTHER_PDF)], "case_reference": "S-1"},
        {"documents": []},
        {"sent_at": NOW - timedelta(days=20)},
        {"title": "Noe annet"},
        {"sender": SenderRef("Skatteetaten", "974761076", "source"), "same_as": ["dpi:c1"]},
        {"same_as": ["dpi:c1"], "sent_at": NOW - timedelta(days=90)},
    ],
    ids=["content", "case", "title alone", "long ago", "title", "sender", "reference of old"],
)
def test_what_only_looks_alike_stays_two(kari, other):
    take(kari, dpi(case_reference="S-1", public_title=""))
    take(kari, minside(**({"same_as": [], "public_title": ""} | other)))
    assert letters_of(kari) == 2
    assert counts(kari)[:2] == (2, 2)


def test_one_source_never_sends_a_letter_twice(kari):
    take(kari, altinn(), (replace(altinn()[0], external_id="alt-2"), "altinn"))
    assert letters_of(kari) == 2
    take(kari, minside())
    assert letters_of(kari) == 2


def test_of_two_that_name_the_same_letter_at_once_only_one_is_it(kari):
    take(kari, minside())
    take(kari, altinn(), (replace(altinn()[0], external_id="alt-2"), "altinn"))
    assert letters_of(kari) == 2


def test_anothers_letter_is_never_the_same(kari):
    ola = Citizen.objects.create(name="Ola", email="ola@example.org")
    take(kari, dpi())
    take(ola, minside())
    assert letters_of(kari) == letters_of(ola) == 1


def test_a_public_copy_does_not_lower_the_level_nor_lend_its_title(kari):
    secret = {"security_level": 4, "title": "Timen din hos psykiater", "public_title": ""}
    for first, second in (
        (dpi(**secret), minside(public_title="", summary="Psykiater")),
        (minside(public_title="", summary="Psykiater"), dpi(**secret)),
    ):
        citizen = Citizen.objects.create(name="Ola", email=f"{uuid4()}@example.org")
        take(citizen, first)
        take(citizen, second)
        page = page_of(the_letter(citizen), viewer(citizen, 3))
        assert page.row.locked
        assert (page.row.title, page.row.snippet, page.body) == ("", "", "")
        assert list(page.documents) == []
        low = Letter.objects.visible_to(viewer(citizen, 3))
        assert not search.matching(low, "psykiater", viewer(citizen, 3)).exists()


def test_identical_documents_are_shown_once_and_others_beside_them(kari):
    take(kari, dpi())
    more = IncomingDocument("vedlegg.pdf", "application/pdf", content=OTHER_PDF)
    take(kari, minside(documents=[document(), more]))
    letter = the_letter(kari)
    lines = shown_documents(letter)
    assert [(line.name, line.is_main) for line in lines] == [
        ("brev.pdf", True),
        ("vedlegg.pdf", False),
    ]
    assert letter.attachments == 1
    assert Document.objects.filter(citizen=kari).count() == 3


def test_what_is_asked_in_each_channel_is_asked_once(kari):
    link = Action("https://www.nav.no/a", "Svar")
    take(kari, dpi(actions=[link]))
    take(kari, minside(actions=[link, Action("https://www.nav.no/b", "Klag")]))
    assert [each["url"] for each in the_letter(kari).actions] == [
        "https://www.nav.no/a",
        "https://www.nav.no/b",
    ]


def test_done_at_one_source_is_done(kari):
    take(kari, dpi(needs_action=True))
    take(kari, minside(needs_action=True))
    done = replace(minside()[0], needs_action=True, handled_at=NOW)
    change(Delivery.objects.get(source="minside-nav"), arrival_of(kari, done))
    assert the_letter(kari).handled_at == NOW
    assert_counts_agree(kari)


def arrival_of(kari, letter, source="minside-nav", **kw):
    delivery = Delivery.objects.get(citizen=kari, source=source)
    kept = arrival(kari.id, letter, source, **kw)
    kept.delivery_id, kept.letter_id = delivery.id, delivery.letter_id
    kept.blobs = []
    return kept


def test_withdrawn_in_one_channel_is_told_of_that_copy_and_in_both_of_the_letter(kari):
    take(kari, dpi(), minside())
    for source, (letter, _), whole in (("dpi", dpi(), False), ("minside-nav", minside(), True)):
        gone = replace(letter, withdrawn=True)
        change(Delivery.objects.get(source=source), arrival_of(kari, gone, source))
        page = page_of(the_letter(kari), viewer(kari))
        withdrawn = {line.source for line in page.deliveries if line.withdrawn_at}
        assert source in withdrawn
        assert page.row.withdrawn is whole


def test_a_letter_that_is_hidden_until_its_day_is_joined_on_that_day(kari):
    take(kari, dpi())
    tomorrow = NOW + timedelta(days=1)
    take(kari, minside(visible_from=tomorrow))
    assert letters_of(kari) == 2
    clock.freeze(tomorrow)
    assert reveal_due() == 1
    assert letters_of(kari) == 1
    assert counts(kari)[:2] == (1, 1)
    assert_counts_agree(kari)


def test_what_opening_tells_may_show_that_it_is_a_letter_she_has(kari):
    take(kari, dpi(same_as=[]))
    (fresh,) = take(kari, altinn(same_as=[]))
    assert letters_of(kari) == 2
    opened = replace(
        altinn()[0], sender=NAV, content_on_open=False, documents=[document()], same_as=[]
    )
    delivery = Delivery.objects.get(citizen=kari, source="altinn")
    kept = arrival(kari.id, opened, "altinn")
    for row in (*kept.raw_blobs, *filter(None, kept.blobs)):
        row.package_id = kept.package.id
    kept.delivery_id, kept.letter_id = delivery.id, fresh.id
    with transaction.atomic():
        join.lock([kari.id])
        letter = Letter.objects.get(citizen=kari, id=fresh.id)
        add_content(letter, delivery, kept)
        join.join_same(letter)
    left = the_letter(kari)
    assert FormerLetter.objects.get(citizen=kari).letter_id == left.id
    assert len(shown_documents(left)) == 1
    assert_counts_agree(kari)


def test_notices_are_not_sent_twice_when_letters_are_joined(kari):
    letters = take(kari, dpi(same_as=[])) + take(kari, altinn())
    queue_for(letters, NOW)
    take(kari, minside())
    letter = the_letter(kari)
    assert letter.notifications.count() == 2


class TestSplit:
    @pytest.fixture
    def both(self, kari) -> Letter:
        take(kari, dpi(), minside(title="Tittel hos NAV", needs_action=True, security_level=4))
        return the_letter(kari)

    def split(self, kari, letter, level=4) -> Letter:
        delivery = Delivery.objects.get(citizen=kari, source="dpi")
        with transaction.atomic():
            return join.split(viewer(kari, level), letter.id, delivery.id, NOW)

    def test_each_copy_is_a_letter_again(self, kari, both):
        alone = self.split(kari, both)
        rest = Letter.objects.get(citizen=kari, id=both.id)
        assert (alone.source, alone.title) == ("dpi", "Du må sende dokumentasjon")
        assert (rest.source, rest.title) == ("minside-nav", "Tittel hos NAV")
        assert rest.other_sources == alone.other_sources == ""
        assert (alone.security_level, rest.security_level) == (3, 4)
        assert len(shown_documents(alone)) == len(shown_documents(rest)) == 1
        assert counts(kari)[:3] == (2, 2, 1)
        assert_counts_agree(kari)

    def test_it_is_remembered(self, kari, both):
        self.split(kari, both)
        said = replace(minside()[0], external_id="x", same_as=["dpi:c1"])
        take(kari, (said, "altinn"))
        assert letters_of(kari) == 2
        sources = set(Letter.objects.values_list("source", "other_sources"))
        assert ("dpi", "") in sources
        for letter in Letter.objects.all():
            with transaction.atomic():
                join.join_same(letter)
        assert letters_of(kari) == 2

    def test_it_can_be_undone(self, kari, both):
        alone = self.split(kari, both)
        delivery = Delivery.objects.get(citizen=kari, source="dpi")
        with transaction.atomic():
            whole = join.unsplit(viewer(kari), delivery.id, NOW)
        assert whole.id == both.id
        again = the_letter(kari)
        assert (again.title, again.security_level) == (both.title, both.security_level)
        assert again.other_sources == both.other_sources
        assert join.current_id(viewer(kari), alone.id) == both.id
        assert counts(kari)[:3] == (1, 1, 1)
        assert_counts_agree(kari)

    def test_what_is_read_stays_read(self, kari, both):
        Letter.objects.update(unread=False, opened_at=NOW)
        InboxState.objects.update(unread=0)
        alone = self.split(kari, both)
        assert (alone.unread, alone.opened_at) == (False, NOW)
        assert counts(kari)[1] == 0

    def test_below_the_letters_level_nothing_is_split(self, kari, both):
        with pytest.raises(Delivery.DoesNotExist):
            self.split(kari, both, level=3)
        assert letters_of(kari) == 1

    def test_what_has_come_once_has_nothing_to_split(self, kari):
        (letter,) = take(kari, dpi())
        with pytest.raises(Delivery.DoesNotExist):
            self.split(kari, letter)
