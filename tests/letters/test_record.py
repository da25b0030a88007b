"""What we understood of a letter, as it is kept in the archive: all of it comes back."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from connectors.simulate import World
from inbox.archive import store
from inbox.letters import record
from inbox.letters.models import Delivery
from inbox.letters.receive import content_fingerprint, fingerprint
from inbox.letters.record import Kept, Owner, Record, What
from tests.fetched import fetch
from tests.incoming import WRITE, incoming

INBOX = Path(__file__).parents[2] / "inbox"
KARI = Owner(UUID(int=1), "Kari", "national_id", "12345678901")


@pytest.mark.files
def test_every_letter_of_the_world_comes_back_as_its_sources_said_it(demo_citizens: World):
    fetch(demo_citizens, "kari", "ingrid")
    deliveries = list(Delivery.objects.all())
    assert len({each.source for each in deliveries}) >= 4
    for each in deliveries:
        said = record.read(store.read_bytes(each.citizen_id, each.id, record.RECORD, 1))
        assert said.letter is not None
        assert (said.what, said.source) == (What.RECEIVED, each.source)
        assert (said.owner.id, said.letter.external_id) == (each.citizen_id, each.external_id)
        assert said.owner.value
        assert said.letter.sent_at == each.sent_at
        assert content_fingerprint(said.letter) == each.content_fingerprint
        assert fingerprint(said.letter) == each.fingerprint
        paths = store.describe(each.citizen_id, each.id, 1).files
        assert {kept.path for kept in said.documents if kept.path} <= set(paths)
        assert {f"original/{part.name}" for part in said.letter.raw} <= set(paths)


def test_what_is_not_known_is_passed_over_and_what_is_wrong_is_refused():
    whole = Record(What.RECEIVED, KARI, "nav", incoming(reply_forms=[WRITE]), [Kept("files/1")])
    bare = replace(whole.letter, raw=[], documents=[])
    whole = replace(whole, letter=bare)
    raw = whole.to_json()
    assert record.read(raw).to_json() == raw
    later = json.loads(raw)
    later["letter"]["mood"] = later["of later"] = "good"
    assert record.read(json.dumps(later).encode()).to_json() == raw
    for wrong in (
        b"\xff",
        b"[]",
        json.dumps(later | {"format": "samlepost-record/9"}).encode(),
        json.dumps(later | {"what": "dreamt"}).encode(),
        json.dumps(later | {"documents": {"path": "x"}}).encode(),
        json.dumps({name: said for name, said in later.items() if name != "owner"}).encode(),
    ):
        with pytest.raises(record.Unreadable, match=record.RECORD.replace(".", r"\.")):
            record.read(wrong)


def test_no_way_to_the_archive_leaves_the_record_out():
    """Only `record.keep` writes a delivery; the rest of the store's callers write no deliveries."""
    others = {
        "sync/quarantine.py",
        "sync/replies.py",
        "agencies/connector.py",
        "letters/bring_in.py",
    }
    others |= {"agencies/outgoing.py", "letters/access_copies.py"}
    calling = set()
    for path in INBOX.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(
                ("store.put", "store.add_version", "group.put")
            ):
                calling.add(path.relative_to(INBOX).as_posix())
    assert calling == others
