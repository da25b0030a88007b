from __future__ import annotations

import json
import time

from connectors.world.persons import by_slug
from tests.journeys.processes import demo

LOOK = """
import json
from django.db.models import Count
from inbox.archive import store
from inbox.citizens.models import Citizen, InboxState
from inbox.letters import counters
from inbox.letters.models import Delivery, Document, Letter
stress = Citizen.objects.get(name={name!r})
mine = Letter.objects.filter(citizen=stress)
twice = Delivery.objects.filter(citizen=stress).values("source", "external_id").annotate(
    n=Count("id")).filter(n__gt=1).count()
state = InboxState.objects.get(citizen=stress)
kept = (state.letters, state.unread)
fresh = counters.recount(stress.id)
without = mine.filter(content="kept").exclude(
    id__in=Document.objects.filter(citizen=stress, blob_id__isnull=False).values("letter_id"))
damaged = sum(bool(store.verify(d.id)) for d in Delivery.objects.filter(citizen=stress)[:200])
print(json.dumps({{
    "letters": mine.count(),
    "deliveries": Delivery.objects.filter(citizen=stress).count(),
    "twice": twice,
    "kept": mine.filter(content="kept").count(),
    "on_open": mine.filter(content="on_open").count(),
    "without_document": without.count(),
    "damaged": damaged,
    "counts_agree": kept == (fresh.letters, fresh.unread),
}}))
"""


def test_a_worker_killed_in_the_middle_of_2000_letters_leaves_each_once(tmp_path, servers):
    with demo(tmp_path, servers) as running:
        running.start_simulators(light=False)
        running.set_up()
        name = by_slug("stress").name
        running.start_worker()
        running.wait_for(lambda: running.count_letters("stress") > 100)
        running.kill("worker")
        at_death = running.count_letters("stress")
        assert at_death < 2000, "the worker was too fast to be killed in the middle"
        running.start_worker()
        running.wait_for(lambda: running.count_letters("stress") >= 2000)
        time.sleep(3)  # whatever would come twice comes now
        found = json.loads(running.shell(LOOK.format(name=name)))
        assert found["letters"] == found["deliveries"] == 2000
        assert found["twice"] == found["without_document"] == found["damaged"] == 0
        assert found["kept"] + found["on_open"] == 2000
        assert found["counts_agree"]
