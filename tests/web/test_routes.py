"""Every address there is, walked from the URLconf: what a stranger and a passer-by get there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.test import Client, override_settings
from django.urls import get_resolver, reverse

import inbox.web
from connectors import clock
from connectors.contract import Appointment, RawPart, Unreadable
from inbox.agencies import conformance, keys, made_up, outgoing, webhooks
from inbox.agencies.letters import Terms
from inbox.agencies.models import Agency, AgencySource, Answer, Employee
from inbox.archive import store
from inbox.citizens.models import Citizen
from inbox.citizens.viewer import Viewer
from inbox.letters import filing, folders, forward, own, saved_searches
from inbox.letters.models import AccessCopy, Document, Letter
from inbox.sync import quarantine, replies
from tests.agencies.sending import pdf, wanted
from tests.incoming import WRITE
from tests.make import (
    act_for,
    log_in,
    make_citizen,
    make_letter,
    make_representation,
    make_source,
)
from tests.pages import PARAMETERS, ROUTES, walk
from tests.rows import shared

pytestmark = pytest.mark.django_db

PUBLIC = {
    "healthz",
    "login",
    "login_start",
    "login_callback",
    "logout",
    "logged_out",
    "logout_frontchannel",
    "language",
    "hook",
    "panel",
    "manifest",
    "service_worker",
    "offline",
    "help",
    "session",
    "session_left",
    "accessibility",
    "privacy",
    "demo",
    "outbox",
    "demo_forget",
    "demo_fetch",
}
"""Whoever asks gets an answer. A route that is missing here must ask for a log-in."""
STAFF = {"operator_archive", "quarantine", "quarantine_replay", "quarantine_file"}
"""They do not exist for anybody but those who run Samlepost."""
BY_KEY = {name for name in ROUTES if name.startswith("api_")}
"""The agency API: no session counts there (tests/web/agency_api/)."""
OWNED = {
    "answer_id",
    "dispatch_id",
    "outgoing_id",
    "record_id",
    "org_number",
    "key_id",
    "run_id",
    "webhook_id",
    "message_id",
    "person_id",
    "case_id",
    "attachment_id",
    "letter_id",
    "document_id",
    "item_id",
    "filing_id",
    "folder_id",
    "search_id",
    "forwarding_id",
    "representation_id",
    "paper_id",
    "delivery_id",
}
OTHER_PARAMETERS = {
    "event": "having-a-child",
    "number": 0,
    "source": "altinn",
    "token": "nothing",
    "form": "html",
    "name": "minside-feed",
}
METHODS = ["get", "head", "post"]
HTMX = [{}, {"HX-Request": "true"}]


PRIVATE = sorted(set(ROUTES) - PUBLIC - STAFF - BY_KEY)
OWNED_ROUTES = sorted(
    name for name, parameters in PARAMETERS.items() if parameters & OWNED and name not in BY_KEY
)


@pytest.fixture(scope="module")
def real(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[dict[str, Any]]:
    """The ids of a letter of Kari's, its document, one in quarantine, and of what she filed."""
    folder = tmp_path_factory.mktemp("archive")
    with override_settings(ARCHIVE_DIR=folder), shared(django_db_blocker):
        yield made(make_citizen())


@pytest.fixture
def kari(db, real) -> Citizen:
    return Citizen.objects.get(id=real["citizen_id"])


def a_paper(viewer: Viewer) -> UUID:
    said = own.Said("Vedtak", "Trygdekontoret", date(1998, 3, 4), 3)
    return own.add(viewer, said, [own.look_at("a.pdf", lambda: [pdf()])], own.new_key()).id


def made(kari: Citizen) -> dict[str, Any]:
    letter = make_letter(
        kari,
        title="Kun for Kari",
        case_reference="Kun 2026/7",
        reply_forms=[WRITE],
        appointments=[Appointment("Møte", "Rådhuset", [(clock.now(), None)])],
    )
    viewer = Viewer(kari.id)
    draft = replies.attach(viewer, letter.id, WRITE.code, "a.pdf", [b"%PDF-1.7 mine"])
    document = Document.objects.get(citizen=kari, letter_id=letter.id, is_main=True)
    broken = Unreadable("1", "no title", [RawPart("x.json", b"{}", "application/json")])
    kept = quarantine.keep(make_source(), broken, kari.id)
    assert kept is not None
    quarantine.record([kept])
    AccessCopy.objects.bulk_create(
        AccessCopy(
            citizen=kari,
            id=each,
            delivery_id=document.delivery_id,
            state="done",
            due_at=clock.now(),
            blob_id=document.blob_id,
            made_at=clock.now(),
        )
        for each in (document.id, document.delivery_id)
    )
    moved = filing.move(Viewer(kari.id), [make_letter(kari).id], Letter.Place.FILED)
    assert moved is not None
    agency = Agency.objects.create(org_number="889640782", name="NAV")
    Employee.objects.create(agency=agency, citizen=kari)
    sent = outgoing.submit(agency, Terms(), [wanted()], pdf())
    answer_id, said = uuid4(), {"name": "a.pdf", "media_type": "application/pdf", "size": 8}
    store.put(agency.id, answer_id, {"files/0001.pdf": b"%PDF-1.7"})
    said["path"] = "files/0001.pdf"
    answer = Answer.objects.create(
        id=answer_id, outgoing=sent.letters.get(), at=clock.now(), files=[said]
    )
    AgencySource.objects.create(source=kept.row.source, agency=agency)
    run = conformance.ask(agency, kept.row.source_id, kari.id)
    agency.runs.update(state="done")
    webhook = webhooks.create(agency, "https://nav.example/hook", list(webhooks.EVENTS)).webhook
    webhooks.send_test(agency, webhook.id)
    return {
        "org_number": agency.org_number,
        "dispatch_id": sent.id,
        "outgoing_id": answer.outgoing_id,
        "answer_id": answer.id,
        "run_id": run.id,
        "record_id": document.delivery_id,
        "delivery_id": document.delivery_id,
        "person_id": made_up.make_persons(agency)[0].id,
        "key_id": keys.create(agency, "Arkivsystemet", kari.id).key.id,
        "webhook_id": webhook.id,
        "message_id": webhook.messages.get().id,
        "citizen_id": kari.id,
        "case_id": letter.case_id,
        "letter_id": letter.id,
        "document_id": document.id,
        "paper_id": a_paper(viewer),
        "item_id": kept.row.id,
        "filing_id": moved.id,
        "representation_id": make_representation(kari, make_citizen("Solveig")).id,
        "forwarding_id": forward.send_on(viewer, letter.id, "Ola", 7)[0].id,
        "folder_id": folders.create(Viewer(kari.id), "Bolig").id,
        "search_id": saved_searches.save(Viewer(kari.id), "Skatt", "q=skatt").id,
        "attachment_id": draft.attachments[0]["id"],
    }


def browser(citizen: Citizen | None = None, level: int = 4) -> Client:
    client = Client()
    if citizen:
        log_in(client, citizen, level)
    return client


def address(name: str, ids: dict[str, Any] | None = None) -> str:
    values = {key: uuid4() for key in OWNED} | OTHER_PARAMETERS | {"org_number": "999999999"}
    values |= ids or {}
    return reverse(name, kwargs={key: values[key] for key in PARAMETERS[name]})


def ask(client: Client, method: str, url: str, headers: dict[str, str]) -> tuple[int, int]:
    """Return status and length of the body."""
    answer = getattr(client, method)(url, headers=headers)
    return answer.status_code, len(b"".join(answer) if answer.streaming else answer.content)


def test_the_routes_named_public_or_for_staff_are_there():
    assert set(ROUTES) >= PUBLIC | STAFF
    assert len(ROUTES) == len(list(walk(get_resolver().url_patterns)))
    assert {"letter", "document", "document_download", "letter_content"} <= set(OWNED_ROUTES)


def test_only_ids_numbers_tokens_and_source_names_stand_in_addresses():
    assert set().union(*PARAMETERS.values()) == OWNED | set(OTHER_PARAMETERS)


@pytest.mark.files
@pytest.mark.parametrize("name", OWNED_ROUTES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("headers", HTMX, ids=["page", "htmx"])
def test_a_stranger_cannot_tell_anothers_from_what_is_not_there(name, method, headers, kari, real):
    stranger = browser(make_citizen("Ola"))
    others = ask(stranger, method, address(name, real), headers)
    nobodys = ask(stranger, method, address(name), headers)
    assert others == nobodys
    if others[0] == 405:  # nor may she herself, or staff, ask so
        kari.is_staff = True
        kari.save()
        assert ask(browser(kari), method, address(name, real), headers)[0] == 405
    else:
        assert others[0] == 404


@pytest.mark.parametrize("name", OWNED_ROUTES)
def test_whose_it_is_gets_an_answer_where_a_stranger_gets_none(name, kari, real):
    if name in STAFF:
        kari.is_staff = True
        kari.save()
    owner = browser(kari)
    owner.get(address("letter", real))
    answers = {ask(owner, method, address(name, real), {})[0] for method in METHODS}
    assert answers & {200, 302}
    assert 404 not in answers


@pytest.mark.parametrize("name", ["document", "document_download"])
def test_a_strangers_own_letter_does_not_lead_to_anothers_document(name, real):
    ola = make_citizen("Ola")
    own = make_letter(ola)
    client = browser(ola)
    mixed = real | {"letter_id": own.id}
    assert ask(client, "get", address(name, mixed), {})[0] == 404
    document = Document.objects.get(citizen=ola, letter_id=own.id, is_main=True)
    mine = {"letter_id": own.id, "document_id": document.id}
    client.get(address("letter", mine))
    assert ask(client, "get", address(name, mine), {})[0] == 200


@pytest.mark.files
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("headers", HTMX, ids=["page", "htmx"])
def test_who_is_not_logged_in_is_sent_to_the_log_in_page(name, headers, real):
    sent = 0
    for method in METHODS:
        answer = getattr(browser(), method)(address(name, real), headers=headers)
        if answer.status_code == 405:
            continue
        sent += 1
        to = answer["HX-Redirect"] if headers else answer["Location"]
        assert answer.status_code == (200 if headers else 302)
        assert to.startswith(reverse("login"))
        assert not answer.content
        assert "no-store" in answer["Cache-Control"]
    assert sent


@pytest.mark.files
@pytest.mark.parametrize("name", sorted(STAFF))
@pytest.mark.parametrize("method", METHODS)
def test_the_operators_pages_do_not_exist_for_others(name, method, kari, real):
    for client in (browser(), browser(kari)):
        assert ask(client, method, address(name, real), {})[0] == 404


@pytest.mark.files
@pytest.mark.parametrize("name", sorted(PUBLIC))
@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_a_public_address_never_fails(name, method):
    assert ask(browser(), method, address(name), {})[0] < 500


@pytest.mark.files
@pytest.mark.parametrize("name", sorted(BY_KEY - {"api_document"}))
@pytest.mark.parametrize("method", [*METHODS, "put", "patch", "delete"])
def test_without_a_key_a_session_gets_nothing_from_the_api(name, method, kari, real):
    for client in (browser(), browser(kari)):
        status, _ = ask(client, method, address(name, real), {})
        assert status in (401, 404, 405), name


OF_THE_HELPER = {"acting_start", "acting_stop", "acting_accept", "acting_decline", "acting_code"}
"""They change what the helper looks at, not the mail."""
ANSWERING = {"letter_reply", "letter_confirm", "letter_done", "letter_unread"}
"""What somebody who may answer for her can do in her place."""
FOR_THE_RECIPIENT = {"letter_agree", "letter_fetch", "letter_act"}
"""They lead a helper to the letter, and do nothing unless the helper stands in by law."""
CHANGING = sorted(set(PRIVATE) - OF_THE_HELPER)
BESIDE = {"letters.Access", "citizens.Representation"}


def rows_of(citizen: Citizen) -> dict[str, list[str]]:
    """All that is hers in every table but the access log and what the helper holds."""
    return {
        f"{model._meta.label}.{field.name}": sorted(
            str([bytes(each) if isinstance(each, memoryview) else each for each in row])
            for row in model._base_manager.filter(**{field.name: citizen.pk}).values_list()
        )
        for model in apps.get_models()
        if model._meta.label not in BESIDE
        for field in model._meta.concrete_fields
        if field.related_model is Citizen
    } | {"herself": [str(Citizen.objects.filter(pk=citizen.pk).values_list()[0])]}


def filled_in(real: dict[str, Any]) -> dict[str, Any]:
    """What makes a form of any of the pages do something."""
    return {
        **{"letter": real["letter_id"], "folder": real["folder_id"], "do": "filed", "to": "bin"},
        **{"form": WRITE.code, "text": "Et svar", "label": "Per", "days": "7", "name": "Ny mappe"},
        **{"who": "code", "reach": "all", "sure": "yes", "color": "info", "action": "filed"},
    }


def helper_of(kari: Citizen, **fields: Any) -> Client:
    helper = make_citizen("Solveig")
    make_representation(kari, helper, **fields)
    client = browser(helper)
    act_for(client, kari)
    return client


@pytest.mark.parametrize("headers", HTMX, ids=["page", "htmx"])
def test_who_reads_on_her_behalf_changes_nothing_by_any_address(headers, kari, real):
    client = helper_of(kari)
    before = rows_of(kari)
    for name in CHANGING:
        answer = client.post(address(name, real), filled_in(real), headers=headers)
        assert answer.status_code in (404, 405), name
    assert rows_of(kari) == before


def test_who_answers_on_her_behalf_changes_nothing_else(kari, real):
    client = helper_of(kari, may_answer=True)
    client.get(address("letter", real))  # to open it is to read it, and is noted
    before = rows_of(kari)
    for name in sorted(set(CHANGING) - ANSWERING):
        answer = client.post(address(name, real), filled_in(real))
        wanted = (302,) if name in FOR_THE_RECIPIENT else (404, 405)
        assert answer.status_code in wanted, name
    assert rows_of(kari) == before


@pytest.mark.parametrize("name", sorted(ANSWERING - {"letter_confirm"}))
def test_who_answers_on_her_behalf_gets_through_where_it_is_meant(name, kari, real):
    client = helper_of(kari, may_answer=True)
    before = rows_of(kari)
    assert client.post(address(name, real), filled_in(real) | {"do": "save"}).status_code == 302
    assert (rows_of(kari) == before) is (name == "letter_unread")  # it was unread


@pytest.mark.parametrize(
    "name", ["letter_move", "letter_forward", "bulk", "folders", "folder_delete"]
)
def test_she_herself_changes_something_with_the_very_same_forms(name, kari, real):
    before = rows_of(kari)
    assert browser(kari).post(address(name, real), filled_in(real)).status_code == 302
    assert rows_of(kari) != before


@pytest.mark.files
@pytest.mark.parametrize("name", sorted(set(CHANGING) & set(OWNED_ROUTES)))
@pytest.mark.parametrize("may_answer", [False, True], ids=["reads", "answers"])
def test_a_helper_gets_nothing_of_a_letter_outside_the_scope(name, may_answer, kari, real):
    shared = make_letter(kari)
    limits = {"letter": str(shared.id)}
    client = helper_of(kari, may_answer=may_answer, reach="letter", limits=limits)
    for method in METHODS:
        outside = ask(client, method, address(name, real), {})
        assert outside == ask(client, method, address(name), {})
        assert outside[0] in (404, 405)


PROTECTED = {
    "Case",
    "Letter",
    "LetterSearch",
    "Document",
    "Delivery",
    "Event",
    "Package",
    "Blob",
    "Mailbox",
    "Retrieval",
    "LifeEventLetter",
}


def reads_past_visible_to(source: str) -> list[str]:
    """Name each use of a manager of a citizen's rows but `Letter.objects.visible_to`."""
    tree = ast.parse(source)
    permitted = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "visible_to"
    }
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("objects", "_default_manager", "_base_manager")
        and ast.unparse(node.value).rpartition(".")[2] in PROTECTED
        and not (ast.unparse(node) == "Letter.objects" and id(node) in permitted)
    ]


@pytest.mark.parametrize(
    "path",
    sorted(Path(inbox.web.__file__).parent.rglob("*.py")),
    ids=lambda path: path.relative_to(Path(inbox.web.__file__).parent).as_posix(),
)
def test_pages_come_to_letters_by_visible_to_alone(path):
    assert reads_past_visible_to(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "Letter.objects.filter(id=1)",
        "Letter.objects.all().visible_to(viewer)",
        "models.Letter.objects.get(id=1)",
        "Document.objects.visible_to(viewer)",
        "Delivery._default_manager.get(id=1)",
    ],
)
def test_a_way_past_visible_to_is_noticed(source):
    assert reads_past_visible_to(source)


def test_the_way_by_visible_to_is_not_complained_of():
    assert not reads_past_visible_to("Letter.objects.visible_to(viewer).unread()")
