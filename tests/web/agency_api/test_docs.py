"""The examples of docs/agency-api.md work as they stand."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from inbox.web.agency_api import by_key
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
def test_each_call_gets_an_answer(call, made, letter):
    answer = curl(call, made.secret)
    assert answer.status_code == 200, answer.content
    assert answer.json()


def test_what_is_shown_as_an_answer_has_the_fields_of_one(ask, letter):
    shown = json.loads(next(text for language, text in BLOCKS if language == "json"))
    said = ask("letters").json()
    assert list(shown) == list(said)
    assert list(shown["items"][0]) == list(said["items"][0])


def test_the_rate_that_is_named_is_the_one_that_holds():
    assert f"**{by_key.REQUESTS_A_MINUTE} requests a minute" in PAGE


def curl(call: str, secret: str) -> Any:
    """Ask as curl would, of the client of Django's."""
    words = shlex.split(call)[1:]
    headers = {}
    while words[0] == "-H":
        name, _, value = words[1].partition(": ")
        headers[name] = value.replace("$SAMLEPOST_KEY", secret)
        words = words[2:]
    (address,) = words
    path = address.replace("$SAMLEPOST", "/api/agency/v1")
    return Client().get(path, headers=headers)
