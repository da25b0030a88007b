"""Archive and bin as she sees them: moving, undoing, deleting for good."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from connectors import clock
from inbox.archive import store
from inbox.citizens.models import InboxState
from inbox.letters.models import Delivery, Filing, Letter
from inbox.sync.models import OutboundReceipt
from tests.incoming import WRITE
from tests.make import log_in, make_citizen, make_letter
from tests.web.test_inbox import more, titles, write_many

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]
LISTS = ["/", "/archive/", "/bin/"]


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def kari():
    return make_citizen()


@pytest.fixture
def screen(client, kari):
    """Kari's browser at level 3, with English pages."""
    log_in(client, kari)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def html(screen, address="/"):
    response = screen.get(address)
    assert response.status_code == 200
    return response.content.decode()


def move(screen, letter, to, back="/"):
    return screen.post(reverse("letter_move", args=[letter.id]), {"to": to, "back": back})


def undo_form(page):
    return re.search(r'<form method="post" action="(/undo/[^"]*)"', page)[1]


@pytest.mark.parametrize(("to", "at"), [("filed", "/archive/"), ("bin", "/bin/")])
def test_a_letter_is_in_one_place_and_comes_back_by_undo(screen, kari, to, at):
    letter = make_letter(kari, title="Vedtak")
    assert move(screen, letter, to)["Location"] == "/"
    page = html(screen)
    assert "1 letter moved to the" in page
    assert titles(page) == []
    assert [titles(html(screen, address)) for address in LISTS if address != at] == [[], []]
    assert titles(html(screen, at)) == ["Vedtak"]
    answer = screen.post(undo_form(page), {"next": "/?show=unread"})
    assert answer["Location"] == "/?show=unread"
    page = html(screen)
    assert "1 letter is as it was before." in page
    assert titles(page) == ["Vedtak"]
    screen.post(undo_form_of(kari))
    assert "This has been undone already." in html(screen)


def undo_form_of(citizen):
    return reverse("undo", args=[Filing.objects.get(citizen=citizen).id])


def test_a_link_moves_nothing_and_nonsense_is_said_so(screen, kari):
    letter = make_letter(kari)
    assert screen.get(reverse("letter_move", args=[letter.id])).status_code == 405
    move(screen, letter, "heaven")
    assert "Choose where the letter is to be moved." in html(screen)
    assert Letter.objects.get(id=letter.id).place == "inbox"


def test_the_way_back_leads_to_the_place_she_came_from(screen, kari):
    letter = make_letter(kari, title="Vedtak")
    move(screen, letter, "filed")
    page = html(screen, "/archive/?q=vedtak")
    assert "back=%2Farchive%2F%3Fq%3Dvedtak" in page
    shown = html(screen, f"/letters/{letter.id}/?back=%2Farchive%2F%3Fq%3Dvedtak")
    assert 'class="back" href="/archive/?q=vedtak"' in shown
    assert move(screen, letter, "inbox", "/archive/?q=vedtak")["Location"] == "/archive/?q=vedtak"


def test_filters_and_pages_stay_in_the_place(screen, kari):
    write_many(kari, 60)
    Letter.objects.update(place="filed")
    page = html(screen, "/archive/?show=unread")
    assert 'action="/archive/"' in page
    assert '<a href="/archive/">Clear filters</a>' in page
    assert more(page).startswith("/archive/?show=unread&after=")
    assert len(titles(html(screen, more(page)))) == 25
    assert titles(html(screen)) == []


def test_what_needs_action_is_shown_from_the_archive_too_but_not_from_the_bin(screen, kari):
    filed, binned = (make_letter(kari, title=t, needs_action=True) for t in ("Filed", "Binned"))
    move(screen, filed, "filed")
    move(screen, binned, "bin")
    page = html(screen, "/?show=action")
    assert titles(page) == ["Filed"]
    assert "In the archive" in page


def test_a_deadline_of_what_lies_elsewhere_is_not_due_soon_in_the_inbox(screen, kari):
    due = {"due_at": clock.now() + timedelta(days=3)}
    letter = make_letter(kari, **due)
    assert "Deadline soon" in html(screen)
    move(screen, letter, "filed")
    assert "Deadline soon" not in html(screen)


def test_new_content_is_counted_at_the_archive(screen, kari):
    letter = make_letter(kari, title="Vedtak")
    Letter.objects.filter(id=letter.id).update(place="filed", updated=True)
    InboxState.objects.update(updated=1)
    page = html(screen)
    assert ">1 letter<" in page.partition('id="count-filed"')[2][:200]
    assert "Updated by the sender" in html(screen, "/archive/")
    screen.get(reverse("letter", args=[letter.id]))
    assert "Updated by the sender" not in html(screen, "/archive/")


def test_the_bin_says_when_a_letter_goes(screen, kari):
    letter = make_letter(kari)
    move(screen, letter, "bin")
    assert "Deleted for good on 23 December" in html(screen, "/bin/")
    shown = html(screen, f"/letters/{letter.id}/")
    assert "is deleted for good on" in shown
    assert f'href="/letters/{letter.id}/delete/"' in shown


def test_deleting_now_asks_first_and_then_leaves_nothing(screen, kari):
    letter = make_letter(kari, title="Vedtak")
    delivery = Delivery.objects.get(letter_id=letter.id)
    address = reverse("letter_delete", args=[letter.id])
    assert screen.get(address)["Location"] == f"/letters/{letter.id}/"
    move(screen, letter, "bin")
    assert "Vedtak" in html(screen, address)
    assert Letter.objects.filter(id=letter.id).exists()
    assert screen.post(address)["Location"] == "/bin/"
    page = html(screen, "/bin/")
    assert "The letter is deleted for good." in page
    assert not Letter.objects.filter(id=letter.id).exists()
    assert screen.get(f"/letters/{letter.id}/").status_code == 404
    assert not store.exists(delivery.id)


def test_deleting_now_waits_for_a_receipt_that_is_owed(screen, kari):
    letter = make_letter(kari)
    delivery = Delivery.objects.get(letter_id=letter.id)
    OutboundReceipt.objects.create(
        citizen=kari, delivery_id=delivery.id, kind="delivered", at=clock.now(), due_at=clock.now()
    )
    move(screen, letter, "bin")
    screen.post(reverse("letter_delete", args=[letter.id]))
    assert "The letter is deleted as soon as" in html(screen, "/bin/")
    assert Letter.objects.filter(id=letter.id).exists()


def test_emptying_the_bin_asks_first_and_says_what_goes(screen, kari):
    address = reverse("bin_empty")
    assert address not in html(screen, "/bin/")
    assert screen.get(address)["Location"] == "/bin/"
    begun = make_letter(kari, title="Vedtak", reply_forms=[WRITE])
    for letter in (begun, make_letter(kari)):
        move(screen, letter, "bin")
    said = {"form": WRITE.code, "text": "Svar", "version": "0", "tab": "t"}
    screen.post(reverse("letter_reply", args=[begun.id]), said)
    Letter.objects.filter(id=make_letter(kari).id).update(place="bin", security_level=4)
    assert f'href="{address}"' in html(screen, "/bin/")
    page = html(screen, address)
    assert "2 letters are deleted, with their documents" in page
    assert "To 1 of them you have begun an answer. It is deleted and not sent." in page
    assert "1 letter requires a higher security level, and stays in the bin." in page
    assert "The draft is deleted too" in html(screen, reverse("letter_delete", args=[begun.id]))
    assert Letter.objects.count() == 3
    assert screen.post(address)["Location"] == "/bin/"
    assert "2 letters are deleted for good." in html(screen, "/bin/")
    assert Letter.objects.count() == 1


def test_a_letter_in_the_bin_says_what_it_waits_for_when_its_days_are_over(screen, kari):
    letter = make_letter(kari, reply_forms=[WRITE])
    move(screen, letter, "bin")
    clock.freeze(clock.now() + timedelta(days=31))
    assert "Waits to be deleted" in html(screen, "/bin/")
    assert "as soon as its sender has got" in html(screen, f"/letters/{letter.id}/")
    said = {"form": WRITE.code, "text": "Svar", "version": "0", "tab": "t"}
    screen.post(reverse("letter_reply", args=[letter.id]), said)
    assert "as long as your draft" in html(screen, f"/letters/{letter.id}/")


def test_above_the_level_of_the_session_nothing_is_moved(screen, kari):
    letter = make_letter(kari, title="Diagnose", security_level=4)
    move(screen, letter, "bin")
    assert "Log in with a higher security level to move the letter." in html(screen)
    assert Letter.objects.get(id=letter.id).place == "inbox"
    Letter.objects.update(place="filed")
    assert "Diagnose" not in html(screen, "/archive/")


def test_another_sees_none_of_it_in_any_place(screen, client, kari):
    letter = make_letter(kari, title="Kun for Kari")
    for to in ("filed", "bin"):
        move(screen, letter, to)
        log_in(client, make_citizen("Per"))
        assert all("Kun for Kari" not in html(client, address) for address in LISTS)
        assert move(client, letter, "inbox").status_code == 404
        log_in(screen, kari)


def test_a_page_of_any_place_costs_three_queries(screen, kari, django_assert_num_queries):
    for count in (10, 300):
        for place in ("filed", "bin"):
            write_many(kari, count, place=place)
        for address in ("/archive/", "/bin/", "/archive/?show=unread"):
            html(screen, address)
            with django_assert_num_queries(3):
                html(screen, address)


def test_a_moved_letter_is_not_announced_as_new(screen, kari):
    letter = make_letter(kari)
    move(screen, letter, "filed")
    poll = re.search(r'id="poll" hx-get="([^"]*)"', html(screen))[1].replace("&amp;", "&")
    move(screen, letter, "inbox")
    news = screen.get(poll, headers={"HX-Request": "true"}).content.decode()
    assert "new letter" not in news
    make_letter(kari)
    assert "You have 1 new letter" in screen.get(poll).content.decode()
