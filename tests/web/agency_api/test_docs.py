"""The examples of docs/agency-api.md work as they stand."""

from __future__ import annotations

import json
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from connectors.contract import RawPart, Unreadable
from inbox.agencies import made_up, outgoing, submissions, webhooks
from inbox.agencies.letters import Terms
from inbox.sync import quarantine
from inbox.web.agency_api import by_key
from tests.agencies.sending import KARI, pdf, wanted
from tests.make import make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

PAGE = (Path(__file__).parents[3] / "docs" / "agency-api.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
CALLS = [
    line
    for language, text in BLOCKS
    if language == "sh"
    for line in text.replace("\\\n", " ").splitlines()
    if line.startswith("curl ")
]


@pytest.fixture
def letter(settings, tmp_path) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    make_letter(make_citizen(), external_id="2026-104233")


@pytest.mark.parametrize("call", CALLS)
def test_each_call_gets_an_answer(call, made, nav, letter):
    webhook = webhooks.create(nav, "https://agency.example/hook", ["letter.opened"]).webhook
    sent = submissions.submit(nav, "a" * 16, Terms(), wanted(), pdf())
    broken = Unreadable("1", "no title", [RawPart("x.json", b"{}", "application/json")])
    kept = quarantine.keep(outgoing.source_of(nav), broken, None)
    assert kept
    quarantine.record([kept])
    ids = {"webhook_id": webhook.id, "outgoing_id": sent.id, "item_id": kept.row.id}
    ids["person_id"] = made_up.make_persons(nav)[0].id
    for name, value in ids.items():
        call = call.replace(f"<{name}>", str(value))
    answer = curl(call, made.secret)
    assert answer.status_code in (200, 201, 202, 204), answer.content


def test_what_is_shown_as_an_answer_has_the_fields_of_one(ask, letter):
    shown = json.loads(next(text for language, text in BLOCKS if language == "json"))
    said = ask("letters").json()
    assert list(shown) == list(said)
    assert list(shown["items"][0]) == list(said["items"][0])


def test_the_rate_that_is_named_is_the_one_that_holds():
    assert f"**{by_key.REQUESTS_A_MINUTE} requests a minute" in PAGE


def curl(call: str, secret: str) -> Any:
    """Ask as curl would, of the client of Django's."""
    read = ArgumentParser()
    read.add_argument("-H", action="append")
    read.add_argument("-X")
    read.add_argument("-d")
    read.add_argument("-F", action="append", default=[])
    read.add_argument("address")
    said = read.parse_args(shlex.split(call.replace("$(uuidgen)", str(uuid4())))[1:])
    headers = dict(each.replace("$SAMLEPOST_KEY", secret).split(": ", 1) for each in said.H)
    path = said.address.replace("$SAMLEPOST", "/api/agency/v1")
    fields = dict(map(field, said.F))
    if fields:
        return Client().post(path, fields, headers=headers)
    method = said.X or ("POST" if said.d else "GET")
    kind = headers.get("Content-Type", "application/octet-stream")
    return Client().generic(method, path, said.d or "", kind, headers=headers)


def field(said: str) -> tuple[str, Any]:
    """Return a field of a form as curl reads it: what begins with < or @ is a file's name."""
    name, _, value = said.partition("=")
    if value.startswith("<"):
        return name, KARI
    if value.startswith("@"):
        return name, SimpleUploadedFile(value[1:], pdf(), "application/pdf")
    return name, value
