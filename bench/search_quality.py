"""How much of what answers a query is among the first ten hits, on the database in use.

The made-up world's letters are fetched from its simulators as in the demo, by the same engine,
opened (some sources keep what a letter says until then) and their documents read; each citizen
then asks, in a session of the highest level.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

import httpx  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from bench.search_queries import FRESH, QUERIES, UNSEEN, Query  # noqa: E402
from connectors import clock, http  # noqa: E402
from connectors.control.world import create_world  # noqa: E402
from connectors.world.drafts import sent_at  # noqa: E402
from connectors.world.letters import drafts, letters  # noqa: E402
from connectors.world.model import STUDY_DATE  # noqa: E402
from connectors.world.persons import by_slug  # noqa: E402
from inbox.citizens.identity import find_citizen  # noqa: E402
from inbox.citizens.models import Citizen, Identifier, SecurityLevel  # noqa: E402
from inbox.citizens.viewer import Viewer  # noqa: E402
from inbox.letters import search, texts  # noqa: E402
from inbox.letters.models import Delivery, Letter  # noqa: E402
from inbox.sync import demo, engine, opening, retrieve, schedule  # noqa: E402
from inbox.sync.models import Mailbox  # noqa: E402

FIRST = 10


def main() -> None:
    """Print the recall, and each query that misses something."""
    call_command("migrate", verbosity=0)
    clock.freeze(STUDY_DATE)
    fetch_all()
    citizens = {slug: _citizen(slug) for slug in {query.person for query in QUERIES}}
    keys = {slug: keys_of(slug, citizen) for slug, citizen in citizens.items()}
    report("the set that it was tuned on", QUERIES, citizens, keys)
    report("queries whose misses were mended", UNSEEN, citizens, keys)
    report("queries that it was not tuned on", FRESH, citizens, keys)


def report(
    name: str,
    queries: Sequence[Query],
    citizens: Mapping[str, Citizen],
    keys: Mapping[str, Mapping[object, str]],
) -> None:
    """Print the mean recall of some queries."""
    recalls = []
    for query in queries:
        found = first_hits(query, citizens[query.person], keys[query.person])
        recalls.append(recall(query, found))
        missed = sorted(query.answers - set(found))
        if missed:
            print(f"  {query.person}: “{query.text}” ({query.why}) misses {', '.join(missed)}")
    mean = sum(recalls) / len(recalls)
    print(
        f"search on {connection.vendor}, {name}: "
        f"recall at {FIRST} is {mean:.3f} over {len(queries)} queries (goal 0.9)"
    )


def fetch_all() -> None:
    """Fill the simulators with the letters of those who ask, fetch them and read them."""
    world = create_world(settings.DATA_DIR / "simulators", settings.DATA_DIR / "keys")
    slugs = sorted({query.person for query in QUERIES})
    world.control.seed.fill(letter for slug in slugs for letter in letters(by_slug(slug)))

    def transport(_base_url: str) -> httpx.BaseTransport:
        return httpx.WSGITransport(app=world.wsgi)

    http.transport_for = transport
    control = f"{settings.SIMULATORS_URL}/control/api/"
    demo.configure(control, transport(control))
    for source in list(schedule.due_sources()):
        engine.sync_source(source)
    mailboxes = Mailbox.objects.filter(source__shared_queue=False)
    for citizen_id, mailbox_id in mailboxes.values_list("citizen_id", "id"):
        engine.sync_mailbox(citizen_id, mailbox_id)
    for citizen in Citizen.objects.filter(is_staff=False):
        viewer = Viewer(citizen.id, SecurityLevel.HIGH)
        for letter in Letter.objects.visible_to(viewer):
            opening.open_letter(viewer, letter.id, agreed=True)
    while retrieve.run_due():
        pass
    while texts.read_due():
        pass


def keys_of(slug: str, citizen: Citizen) -> Mapping[object, str]:
    """Return the keys of her letters by their ids."""
    said = Delivery.objects.filter(citizen=citizen).values_list("sent_at", "letter_id")
    by_time = defaultdict(set)
    for time, letter_id in said:
        by_time[time].add(letter_id)
    titles = dict(Letter.objects.filter(citizen=citizen).values_list("id", "title"))
    found: dict[object, str] = {}
    for draft in drafts(by_slug(slug)):
        for letter_id in by_time[sent_at(draft)]:
            if titles[letter_id] == draft.title and "-kopi" not in draft.key:
                found[letter_id] = draft.key
    return found


def first_hits(query: Query, citizen: Citizen, keys: Mapping[object, str]) -> list[str]:
    """Return the keys of the first hits."""
    viewer = Viewer(citizen.id, SecurityLevel.HIGH)
    hits = search.search(Letter.objects.visible_to(viewer).outside_bin(), query.text, viewer)
    return [keys.get(id_, "") for id_ in hits.ids[:FIRST]]


def recall(query: Query, found: list[str]) -> float:
    """Return how much of what answers the query was found."""
    return len(query.answers & set(found)) / min(len(query.answers), FIRST)


def _citizen(slug: str) -> Citizen:
    citizen = find_citizen(Identifier.Kind.NATIONAL_ID, by_slug(slug).national_id)
    if citizen is None:
        raise LookupError(slug)
    return citizen


if __name__ == "__main__":
    main()
