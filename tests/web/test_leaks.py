"""Nobody finds anything of another's, nor of her own above the level of her session.

Every text field of what belongs to a citizen is filled with a word that says whose and what it
is; every page, part of a page, download, search, count and notice is then looked through.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit
from zipfile import BadZipFile, ZipFile

import pytest
from django.apps import apps
from django.core import mail
from django.core.cache import cache
from django.db import models
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import translation
from pytest_django import DjangoDbBlocker

from connectors import clock
from connectors.contract import IncomingDocument
from connectors.world.model import STUDY_DATE
from inbox.citizens.models import Citizen, Representation, SecurityLevel
from inbox.citizens.owned import CitizenOwned
from inbox.citizens.viewer import Viewer
from inbox.letters import forward
from inbox.letters.life_events import DEATH
from inbox.letters.models import Letter, LifeEventLetter
from inbox.notifications.deliver import send_due
from inbox.notifications.rules import queue_for
from inbox.sync.models import Handover
from tests.make import act_for, log_in, make_citizen, make_letter, make_mailbox, make_representation
from tests.pages import Answer, asking, crawl
from tests.rows import shared

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

MARK = re.compile(r"zq([a-z]+)0([a-z]+)qz")
LOW, HIGH = 3, 4
MACHINES_READ = {
    *["source", "media_type", "body_media_type", "language", "ref", "path", "sha256", "url"],
    *["fingerprint", "content_fingerprint", "external_id", "sender_verified", "key", "token"],
    *["inventory_sha512", "other_sources"],
}
"""Fields that hold no words of anybody's; a made-up word there would be no possible value."""
SAFE_BELOW_THE_LEVEL = {"publictitle", "sender"}
PARTS = [{}, {"HX-Request": "true"}, {"HX-Request": "true", "HX-Target": "results"}]


def word(whose: str, what: str) -> str:
    """A word that stands nowhere else; found again by MARK."""
    return f"zq{whose}0{what}qz"


def write(citizen: Citizen, whose: str, level: int, **fields: Any) -> Letter:
    """A letter of which every text is such a word."""
    documents = [
        IncomingDocument(
            f"{word(whose, 'name')}{number}.txt",
            "text/plain",
            word(whose, "documenttitle"),
            is_main=number == 0,
            content=f"{word(whose, 'documenttext')} {number}".encode(),
        )
        for number in range(2)
    ]
    return make_letter(
        citizen,
        title=word(whose, "title"),
        public_title=word(whose, "publictitle"),
        summary=word(whose, "summary"),
        body=word(whose, "body"),
        body_media_type="text/plain",
        case_reference=word(whose, "case"),
        sender=word(whose, "sender"),
        org_number={3: "889640782", 4: "974761076"}[level],
        documents=documents,
        security_level=level,
        **fields,
    )


def fill(citizen: Citizen, names: dict[Any, str], otherwise: str) -> None:
    """Write such a word into every text of hers that has none yet.

    `names` says whose the words are of what hangs on which letter.
    """
    for model in owned():
        for row in model._base_manager.filter(citizen=citizen):
            letter = row.id if isinstance(row, Letter) else getattr(row, "letter_id", None)
            whose = names.get(letter, otherwise)
            changed = {
                field.name: word(whose, field.name.replace("_", ""))
                for field in texts(model)
                if not MARK.search(str(getattr(row, field.attname)))
            }
            if changed:
                model._base_manager.filter(citizen=citizen, id=row.id).update(**changed)


def owned() -> list[type[CitizenOwned]]:
    return [model for model in apps.get_models() if issubclass(model, CitizenOwned)]


def texts(model: type[models.Model]) -> Iterator[models.Field[Any, Any]]:
    for field in model._meta.concrete_fields:
        is_text = isinstance(field, models.CharField | models.TextField) and not field.choices
        long_enough = (field.max_length or 255) >= 60
        if is_text and long_enough and field.name not in MACHINES_READ:
            yield field


@pytest.fixture(scope="module")
def people(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[dict[str, Citizen]]:
    """Kari and Ola, made once: what a test changes of theirs is rolled back."""
    settings = override_settings(ARCHIVE_DIR=tmp_path_factory.mktemp("a"), LANGUAGE_CODE="en")
    with settings, translation.override("en"), shared(django_db_blocker):
        clock.freeze(STUDY_DATE)
        yield {"kari": person("Kari", "kari"), "ola": person("Ola", "ola")}


@pytest.fixture(autouse=True)
def _limits_of_no_other_test() -> None:
    """How often somebody has asked in vain is kept in the cache, by who it is."""
    cache.clear()


@pytest.fixture
def kari(db, people) -> Citizen:
    return Citizen.objects.get(id=people["kari"].id)


@pytest.fixture
def ola(db, people) -> Citizen:
    return Citizen.objects.get(id=people["ola"].id)


@dataclass(frozen=True)
class Walk:
    """All that somebody is shown at the high level."""

    addresses: set[str]
    links: set[str]
    words: dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def walks(people, django_db_blocker) -> dict[str, Walk]:
    return {slug: walk(citizen, django_db_blocker) for slug, citizen in people.items()}


def walk(citizen: Citizen, blocker: DjangoDbBlocker) -> Walk:
    with shared(blocker):
        answers = everything(screen(citizen, HIGH))
        addresses = {answer.address for answer in answers}
        links = {link for answer in answers for link in answer.links()}
        return Walk(addresses, links, found(answers))


def person(name: str, whose: str) -> Citizen:
    """Somebody with letters of both levels in every state, and whatever else can be hers."""
    citizen = make_citizen(name)
    make_mailbox(citizen)
    low, high = f"{whose}low", f"{whose}high"
    names = {
        write(citizen, low, LOW).id: low,
        write(citizen, low, LOW, due_at=clock.now(), needs_action=True).id: low,
        write(citizen, high, HIGH).id: high,
        write(citizen, high, HIGH, due_at=clock.now(), needs_action=True).id: high,
    }
    for letter_id, whose in names.items():
        Handover.objects.create(
            citizen=citizen,
            letter_id=letter_id,
            source_id="altinn",
            state="failed" if whose == high else "done",
            security_level=HIGH,
            asked_at=clock.now(),
            due_at=clock.now(),
        )
    fill(citizen, names, low)
    return citizen


def screen(citizen: Citizen, level: int) -> Client:
    client = Client(headers={"accept-language": "en"})
    log_in(client, citizen, level)
    return client


def words(answer: Answer) -> set[tuple[str, str]]:
    """(whose, what) of each such word in an answer, zips' contents and headers among them."""
    said = [answer.body.decode("utf-8", "replace"), answer.headers]
    if answer.body.startswith(b"PK"):
        try:
            with ZipFile(io.BytesIO(answer.body)) as packed:
                for name in packed.namelist():
                    said += [name, packed.read(name).decode("utf-8", "replace")]
        except BadZipFile:
            pass
    asked = set(MARK.findall(answer.address))
    return set(MARK.findall(" ".join(said))) - asked


def everything(client: Client, starts: Iterable[str] = ("/",)) -> list[Answer]:
    """Every answer that a walk through the site gives, as pages and as parts of them."""
    walked = crawl(asking(client), starts, each=4, more={"letter": 50, "document": 50})
    parts = [
        asking(client, **headers)(answer.address)
        for answer in walked
        for headers in PARTS[1:]
        if has_parts(answer)
    ]
    return walked + parts


def has_parts(answer: Answer) -> bool:
    return answer.status == 200 and answer.media_type == "text/html"


def elsewhere(addresses: set[str], walked: Iterable[Answer]) -> set[str]:
    """Those of the addresses of which `everything` has not asked for page and parts."""
    return addresses - {answer.address for answer in walked if has_parts(answer)}


def found(answers: Iterable[Answer]) -> dict[tuple[str, str], str]:
    """Every word that stands in an answer, and an address where it stands."""
    return {each: answer.address for answer in answers for each in words(answer)}


@pytest.mark.parametrize("level", [LOW, HIGH])
def test_on_no_page_is_a_word_of_anothers_or_above_the_level(kari, ola, walks, level):
    seen = walks["kari"].words if level == HIGH else found(everything(screen(kari, level)))
    assert {each: at for each, at in seen.items() if each[0].startswith("ola")} == {}
    above = {each: at for each, at in seen.items() if each[0] == "karihigh"}
    if level == LOW:
        assert {each: at for each, at in above.items() if each[1] not in SAFE_BELOW_THE_LEVEL} == {}
    whole = {"karilow"} if level == LOW else {"karilow", "karihigh"}
    told = {"title", "body", "sender", "documenttitle", "documenttext", "case"}
    assert {(whose, what) for whose in whole for what in told} <= set(seen)


@pytest.mark.parametrize("level", [LOW, HIGH])
def test_at_anothers_addresses_is_no_word_of_hers(kari, walks, level):
    client, theirs = screen(kari, level), walks["ola"].addresses
    seen = found(asking(client, **headers)(address) for address in theirs for headers in PARTS)
    assert {each: at for each, at in seen.items() if each[0].startswith("ola")} == {}


@pytest.mark.parametrize("level", [LOW, HIGH])
def test_a_search_for_what_she_may_not_see_answers_as_one_for_nothing(kari, walks, level):
    client = screen(kari, level)
    hidden = {each for each in walks["ola"].words if each[0].startswith("ola")}
    if level == LOW:
        own = walks["kari"].words
        hidden |= {e for e in own if e[0] == "karihigh" and e[1] not in SAFE_BELOW_THE_LEVEL}
    assert len(hidden) > 7
    for headers in PARTS:
        nothing = shown(client, "zqnobody0nothingqz", headers)
        for whose, what in sorted(hidden):
            assert shown(client, word(whose, what), headers) == nothing, (whose, what)


TOKEN = re.compile(r'(csrfmiddlewaretoken" value|"X-CSRFToken": )="?[^"]*"|"X-CSRFToken": "[^"]*"')


def shown(client: Client, asked: str, headers: dict[str, str]) -> str:
    """The inbox searched for `asked`, without what was asked and without what changes by itself."""
    body = asking(client, **headers)(f"/?q={quote(asked)}").body.decode()
    said = TOKEN.sub("", body).replace(asked, "")
    return re.sub(r' data-left="\d+"', "", said)  # counts down


def test_counts_say_nothing_of_anothers_letters(kari, ola):
    client = screen(kari, LOW)
    before = asking(client)("/").body
    write(ola, "olalow", LOW)
    assert TOKEN.sub("", asking(client)("/").body.decode()) == TOKEN.sub("", before.decode())
    assert asking(client, **PARTS[1])("/changes/?v=0").status == 200


def share(kari: Citizen, ola: Citizen, reach: str) -> Representation:
    """Let Ola see one letter of Kari's at the lower level, and what else lies within the reach."""
    letter = write(kari, "shared", LOW)
    limits = {
        "letter": {"letter": str(letter.id)},
        "senders": {"senders": [str(letter.sender_id)]},
        "case": {"case": str(letter.case_id)},
        "life_event": {"life_event": DEATH},
    }
    LifeEventLetter.objects.create(
        citizen=kari, letter_id=letter.id, event=DEATH, state=LifeEventLetter.State.ACCEPTED
    )
    return make_representation(kari, ola, reach=reach, limits=limits[reach])


@pytest.mark.parametrize(
    ("reach", "level"),
    [("letter", LOW), *((each, HIGH) for each in ("letter", "senders", "case", "life_event"))],
)
def test_a_helper_finds_what_was_shared_and_nothing_else(kari, ola, walks, reach, level):
    share(kari, ola, reach)
    client = screen(ola, level)
    act_for(client, kari)
    walked = everything(client)
    seen = found(walked)
    assert ("shared", "title") in seen
    assert ("shared", "documenttext") in seen
    assert {each: at for each, at in seen.items() if each[0] != "shared"} == {}
    hers = elsewhere(walks["kari"].addresses, walked)
    beside = found(asking(client, **headers)(address) for address in hers for headers in PARTS)
    assert {each: at for each, at in beside.items() if each[0] != "shared"} == {}
    for headers in PARTS:
        nothing = shown(client, "zqnobody0nothingqz", headers)
        for what in ("title", "body", "documenttext", "sender", "case"):
            assert shown(client, word("karilow", what), headers) == nothing, what


def test_beside_helping_and_afterwards_a_helper_finds_nothing_of_hers(kari, ola):
    access = share(kari, ola, "letter")
    client = screen(ola, HIGH)
    before = found(everything(client))
    assert {each: at for each, at in before.items() if not each[0].startswith("ola")} == {}
    act_for(client, kari)
    addresses = {answer.address for answer in everything(client)}
    access.withdrawn_at = clock.now()
    access.save()
    after = everything(client)
    rest = elsewhere(addresses, after)
    after += [asking(client, **headers)(address) for address in rest for headers in PARTS]
    seen = found(after)
    # The log of what the helper has opened goes on naming senders, as it does to her.
    assert seen.pop(("shared", "sender")) == reverse("acting_done")
    assert {each: at for each, at in seen.items() if not each[0].startswith("ola")} == {}


@pytest.mark.parametrize("ended", ["withdrawn", "expired", "binned", "never"])
def test_a_link_that_opens_nothing_says_nothing_whosever_it_was(kari, ola, ended):
    letter = write(kari, "shared", LOW)
    hers = Viewer(kari.id, SecurityLevel.HIGH)
    made, token = forward.send_on(hers, letter.id, word("karilow", "label"), 7)
    client = screen(ola, HIGH)
    addresses = {reverse("link", args=[token]), reverse("link_file", args=[token, 0])}
    if ended != "never":
        opened = found(asking(client)(address) for address in addresses)
        assert ("shared", "title") in opened
        assert {each for each in opened if each[0] != "shared"} == set()
    if ended == "withdrawn":
        forward.withdraw(kari.id, made.id)
    elif ended == "expired":
        clock.freeze(made.expires_at)
    elif ended == "binned":
        Letter.objects.filter(id=letter.id).update(place=Letter.Place.BIN)
    else:
        addresses = {address.replace(token, token[::-1]) for address in addresses}
    for client in (screen(ola, HIGH), screen(ola, LOW), screen(kari, HIGH), Client()):
        for address in addresses:
            for headers in PARTS:
                answer = asking(client, **headers)(address)
                assert MARK.search(answer.body.decode() + answer.location) is None


@pytest.mark.parametrize("level", [LOW, HIGH])
def test_a_notice_says_no_word_of_the_letter(kari, ola, level):
    letters = list(Letter.objects.filter(citizen__in=[kari, ola], security_level=level))
    queue_for(letters, clock.now())
    assert send_due() == 4
    for message in mail.outbox:
        said = set(MARK.findall(message.subject + message.body))
        owner = "kari" if message.to == [kari.email] else "ola"
        assert {whose for whose, _ in said} <= {f"{owner}low"}
        assert {what for _, what in said} <= {"sender"}


def test_an_address_holds_no_word_of_a_letter(walks):
    for link in walks["kari"].links:
        assert not MARK.search(urlsplit(link).path), link
