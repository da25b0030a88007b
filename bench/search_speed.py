"""Search among 1,000 and 10,000 letters of one citizen, other citizens' beside them.

The yardstick is the bare read of her newest 25 letters in the same round. With EXPLAIN in the
environment the plans of the two words are printed too.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402

from bench.nation import START  # noqa: E402
from bench.rounds import interleaved, milliseconds, ratio  # noqa: E402
from inbox.citizens.models import Citizen, InboxState, SecurityLevel  # noqa: E402
from inbox.citizens.viewer import Viewer  # noqa: E402
from inbox.letters import counters, indexing, search  # noqa: E402
from inbox.letters.models import Letter, Sender  # noqa: E402

SIZES = (1_000, 10_000)
OTHERS, OTHERS_LETTERS = 50, 200
CHUNK = 500
ROUNDS = 15
WORDS = {"rare": "garasje", "common": "vedtak", "two": "vedtak skatt", "typing error": "garsaje"}
SUBJECTS = ("skatt", "barnehageplass", "bostøtte", "pensjon", "sykepenger", "foreldrepenger")


def main() -> None:
    """Print times and ratios."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    chance = random.Random("search")
    sender = Sender.objects.create(name="Etaten", org_number="889640782")
    for _ in range(OTHERS):
        _citizen(sender, OTHERS_LETTERS, chance)
    citizens = {size: _citizen(sender, size, chance) for size in SIZES}
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    subjects: dict[str, Callable[[], object]] = {}
    for size, citizen in citizens.items():
        subjects[f"bare {size}"] = _bare(citizen)
        for name, word in WORDS.items():
            subjects[f"{name} {size}"] = _search(citizen, word)
            subjects[f"page, {name} {size}"] = _page(citizen, word)
            if "EXPLAIN" in os.environ:
                _explain(citizen, word)
    times = interleaved(subjects, ROUNDS)
    small, large = SIZES
    for prefix in [each for name in WORDS for each in (name, f"page, {name}")]:
        few, many = times[f"{prefix} {small}"], times[f"{prefix} {large}"]
        print(
            f"search on {connection.vendor}, {prefix:18} at {large:,}: {milliseconds(many)}, "
            f"{ratio(many, few):.2f} × its time at {small:,}, "
            f"{ratio(many, times[f'bare {large}']):.1f} × the bare read of 25 letters"
        )


def _citizen(sender: Sender, number: int, chance: random.Random) -> Citizen:
    citizen = Citizen.objects.create(name="Innbygger")
    InboxState.objects.create(citizen=citizen)
    letters = [_letter(citizen, sender, each, chance) for each in range(number)]
    for at in range(0, number, CHUNK):
        with transaction.atomic():
            Letter.objects.bulk_create(letters[at : at + CHUNK])
            indexing.write(letters[at : at + CHUNK], new=True)
    counters.recount(citizen.id)
    return citizen


def _letter(citizen: Citizen, sender: Sender, number: int, chance: random.Random) -> Letter:
    about = chance.choice(SUBJECTS)
    rare = " Det gjelder garasjen." if number % 200 == 7 else ""
    return Letter(
        citizen=citizen,
        sender=sender,
        sender_name=sender.name,
        source="altinn",
        title=f"Vedtak om {about} nummer {number}",
        public_title=f"Brev fra {sender.name}",
        snippet=f"Vi har behandlet søknaden din om {about}.{rare}",
        security_level=3,
        received_at=START + timedelta(hours=chance.randrange(6 * 365 * 24)),
        language="nb",
    )


def _bare(citizen: Citizen) -> Callable[[], object]:
    newest = Letter.objects.filter(citizen_id=citizen.id).order_by("-received_at", "-id")
    return lambda: list(newest.all()[:25])


def _search(citizen: Citizen, word: str) -> Callable[[], object]:
    viewer = Viewer(citizen.id, SecurityLevel.HIGH)

    def run() -> object:
        letters = Letter.objects.visible_to(viewer).in_place("inbox")
        hits = search.search(letters, word, viewer)
        if not hits.ids:
            raise LookupError(word)
        return hits

    return run


def _page(citizen: Citizen, word: str) -> Callable[[], object]:
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(citizen)
    session = client.session
    session.update({"level": 3, "started_at": time.time(), "seen_at": time.time()})
    session.save()

    def run() -> object:
        answer = client.get("/search/", {"q": word})
        if answer.status_code != 200:
            raise RuntimeError(f"{word}: {answer.status_code}")
        return answer

    return run


def _explain(citizen: Citizen, word: str) -> None:
    viewer = Viewer(citizen.id, SecurityLevel.HIGH)
    letters = Letter.objects.visible_to(viewer).in_place("inbox")
    found = search.matching(letters, word, viewer).newest_first()[: search.CANDIDATES]
    options = {"analyze": True} if connection.vendor == "postgresql" else {}
    print(f"{word}: {found.explain(**options)}")


if __name__ == "__main__":
    main()
