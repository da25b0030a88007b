"""Her own folders: made, named, filled, shown, emptied; letters stay whatever becomes of them."""

from __future__ import annotations

import re

import pytest

from inbox.citizens.models import InboxState
from inbox.citizens.viewer import Viewer
from inbox.letters import filing, folders
from inbox.letters.models import Folder, Letter, Placement
from tests.make import log_in, make_citizen, make_letter
from tests.web.test_inbox import html, titles, write_many

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture(autouse=True)
def in_english(settings, tmp_path):
    settings.LANGUAGE_CODE = "en"
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari(client):
    citizen = make_citizen()
    log_in(client, citizen)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return citizen


@pytest.fixture
def home(kari):
    return folders.create(Viewer(kari.id), "Home", "brand1")


def put(client, letters, folder, what="put", **fields):
    ids = [str(letter.id) for letter in letters]
    return client.post("/bulk/", {"do": what, "letter": ids, "folder": folder.id, **fields})


def agree(citizen):
    """The copies that the list reads say what the tables say."""
    state = InboxState.objects.get(citizen=citizen)
    stored = Folder.objects.filter(citizen=citizen)
    assert state.folders == {str(folder.id): [folder.name, folder.color] for folder in stored}
    for letter in Letter.objects.filter(citizen=citizen):
        rows = Placement.objects.filter(citizen=citizen, letter_id=letter.id)
        assert {str(row.folder_id) for row in rows} == set(letter.folders)


def test_a_folder_is_made_renamed_and_stands_in_the_navigation_by_name(client, kari):
    for name in ("Skatt", "  Bolig   og lån "):
        client.post("/folders/", {"name": name, "color": "success"})
    nav = re.search(r'aria-labelledby="nav-folders">.*?</nav>', html(client), re.DOTALL)[0]
    assert re.findall(r"<bdi>(.*?)</bdi>", nav) == ["Bolig og lån", "Skatt"]
    folder = Folder.objects.get(name="Skatt")
    client.post(f"/folders/{folder.id}/", {"name": "Avgift", "color": "nonsense"})
    folder.refresh_from_db()
    assert (folder.name, folder.color) == ("Avgift", "success")
    agree(kari)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "Give the folder a name."),
        (" \x00 ", "Give the folder a name."),
        ("x" * 61, "The name can have no more than 60 characters."),
        ("HOME", "You have a folder of that name already."),
    ],
)
def test_a_name_that_will_not_do_is_said_so_and_not_lost(client, kari, home, name, told):
    page = client.post("/folders/", {"name": name}).content.decode()
    assert told in page
    assert 'aria-invalid="true"' in page
    assert "\x00" in name or f'value="{name}"' in page
    other = folders.create(Viewer(kari.id), "Other")
    assert told in client.post(f"/folders/{other.id}/", {"name": name}).content.decode()
    agree(kari)


def test_there_is_a_limit_to_how_many(client, kari, monkeypatch):
    monkeypatch.setattr(folders, "FOLDERS_MAX", 1)
    client.post("/folders/", {"name": "a"})
    page = client.post("/folders/", {"name": "b"}).content.decode()
    assert "You can have no more than" in page
    assert Folder.objects.count() == 1


def test_markup_in_a_name_is_text(client, kari):
    client.post("/folders/", {"name": "<script>alert(1)</script>"})
    put(client, [make_letter(kari, document=None)], Folder.objects.get())
    assert "<script>alert" not in html(client) + html(client, "/folders/")


def test_a_letter_in_a_folder_says_so_and_is_found_there_from_archive_too(client, kari, home):
    inbox, filed, binned = (make_letter(kari, title=t, document=None) for t in ("a", "b", "c"))
    make_letter(kari, title="other", document=None)
    put(client, [inbox, filed, binned], home)
    assert "3 letters put into the folder." in html(client)
    for letter, place in ((filed, "filed"), (binned, "bin")):
        filing.move(Viewer(kari.id), [letter.id], place)
    page = html(client, f"/?folder={home.id}")
    assert sorted(titles(page)) == ["a", "b"]
    assert re.search(r"<h1[^>]*>Home</h1>", page)
    assert re.search(r'data-color="brand1"><svg.*?</svg>Home</span>', html(client), re.DOTALL)
    assert "Home" in html(client, f"/letters/{inbox.id}/")
    agree(kari)


def test_putting_in_and_taking_out_are_undone(client, kari, home):
    letters = [make_letter(kari, document=None) for _ in range(2)]
    viewer = Viewer(kari.id)
    done = filing.put(viewer, [letter.id for letter in letters], home.id, into=True)
    filing.undo(viewer, done.id)
    assert not Placement.objects.exists()
    filing.put(viewer, [letters[0].id], home.id, into=True)
    out = filing.put(viewer, [letters[0].id], home.id, into=False)
    agree(kari)
    filing.undo(viewer, out.id)
    assert Placement.objects.count() == 1
    agree(kari)


def test_undoing_does_not_bring_back_a_folder_that_is_gone(client, kari, home):
    letter, viewer = make_letter(kari, document=None), Viewer(kari.id)
    filing.put(viewer, [letter.id], home.id, into=True)
    out = filing.put(viewer, [letter.id], home.id, into=False)
    folders.delete(viewer, home.id)
    filing.undo(viewer, out.id)
    assert not Placement.objects.exists()
    agree(kari)


def test_deleting_a_folder_asks_first_and_leaves_its_letters(client, kari, home):
    letter = make_letter(kari, title="kept", document=None)
    put(client, [letter], home)
    assert "Delete the folder?" in html(client, f"/folders/{home.id}/delete/")
    client.post(f"/folders/{home.id}/delete/")
    assert titles(html(client)) == ["kept"]
    assert not Folder.objects.exists()
    agree(kari)


def test_anothers_folder_is_as_if_not_there(client, kari):
    ola = make_citizen("Ola")
    theirs = folders.create(Viewer(ola.id), "Secret")
    letter = make_letter(kari, document=None)
    put(client, [letter], theirs)
    assert "Choose a folder first." in html(client)
    assert not Placement.objects.exists()
    assert client.post(f"/folders/{theirs.id}/", {"name": "x"}).status_code == 404
    assert client.get(f"/folders/{theirs.id}/delete/").status_code == 404
    assert "Secret" not in html(client, f"/?folder={theirs.id}")


def test_a_form_on_the_letters_page_leads_back_to_it(client, kari, home):
    letter = make_letter(kari, document=None)
    answer = put(client, [letter], home, next=f"/letters/{letter.id}/")
    assert answer["Location"] == f"/letters/{letter.id}/"


def test_a_folders_page_costs_three_queries(client, kari, home, django_assert_num_queries):
    for count in (10, 300):
        write_many(kari, count)
        filing.put(Viewer(kari.id), Letter.objects.values_list("id", flat=True), home.id, into=True)
        html(client, f"/?folder={home.id}")
        with django_assert_num_queries(3):
            html(client, f"/?folder={home.id}")
