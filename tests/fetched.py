"""The letters of some persons of the made-up world, sent to the simulators and fetched."""

from __future__ import annotations

from itertools import chain

from connectors.simulate import World
from connectors.world.letters import letters
from connectors.world.persons import by_slug
from inbox.sync import engine
from inbox.sync.models import Mailbox, Source


def fetch(world: World, *slugs: str) -> None:
    """Let the persons' letters be sent, and fetch from every source."""
    # Of each by herself: setting the letters of all persons takes seconds.
    world.control.seed.fill(chain.from_iterable(letters(by_slug(slug)) for slug in slugs))
    for source in Source.objects.filter(shared_queue=True):
        engine.sync_source(source.slug)
    for mailbox in Mailbox.objects.filter(source__shared_queue=False):
        engine.sync_mailbox(mailbox.citizen_id, mailbox.id, waits_its_turn=False)
