"""The labelled queries of the bench that two of the made-up persons ask."""

from __future__ import annotations

import pytest

from bench.search_queries import QUERIES
from connectors.contract import IncomingDocument
from connectors.world.letters import letters
from connectors.world.persons import by_slug
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import search, texts
from inbox.letters.models import Letter
from tests.make import make_citizen, make_letter

PERSONS = ("kari", "eirik")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.mark.files
@pytest.mark.parametrize("person", PERSONS)
def test_what_answers_a_labelled_query_is_among_the_first_ten_hits(person, settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    citizen = make_citizen()
    keys = {}
    for said in letters(by_slug(person)):
        if "-kopi" in said.key:
            continue
        letter = make_letter(
            citizen,
            title=said.title,
            public_title=said.public_title,
            summary=said.summary,
            body=said.body,
            sender=said.agency.name,
            org_number=said.agency.org_number,
            sent_at=said.sent_at,
            case_reference=said.case_reference,
            documents=[
                IncomingDocument(each.name, each.media_type, each.title, content=each.content)
                for each in said.documents
            ],
        )
        keys[letter.id] = said.key.removeprefix(f"{person}-")
    while texts.read_due():
        pass
    viewer = Viewer(citizen.id, SecurityLevel.HIGH)
    recalls = []
    for query in (each for each in QUERIES if each.person == person):
        hits = search.search(Letter.objects.visible_to(viewer), query.text, viewer)
        found = {keys[id_] for id_ in hits.ids[:10]}
        recalls.append(len(query.answers & found) / len(query.answers))
    assert sum(recalls) / len(recalls) >= 0.9
