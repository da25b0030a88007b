"""The portal's page about the API, and our documents for developers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from lxml import html

from inbox.agencies.models import Employee
from inbox.web import guides
from inbox.web.agency_api import reading
from inbox.web.agency_api.api import document
from tests.make import log_in, make_citizen
from tests.pages import asking, crawl

pytestmark = pytest.mark.django_db

PAGE = "/virksomhet/889640782/dokumentasjon/"


@pytest.fixture
def portal(nav, client: Client) -> Client:
    berit = make_citizen("Berit")
    Employee.objects.create(agency=nav, citizen=berit)
    log_in(client, berit, 4)
    return client


def test_the_page_shows_every_call_with_all_that_it_takes_and_answers(portal):
    tree = html.document_fromstring(portal.get(PAGE).content)
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    for path, methods in document()["paths"].items():
        for method, said in methods.items():
            (heading,) = tree.xpath(f"//h3[@id='{said['operationId']}']")
            assert heading.text_content() == f"{method.upper()} {path}"
            section = heading.getparent().text_content()
            for parameter in said["parameters"]:
                assert parameter["name"] in section
    letters = tree.xpath("//h4[@id='listLetters-answer']/following-sibling::div[1]")[0]
    assert "items[].opened_at" in letters.text_content()


def test_examples_are_for_the_agency_itself(portal):
    shown = html.document_fromstring(portal.get(PAGE).content).text_content()
    assert '"org_number": "889640782"' in shown
    assert "--org-number 889640782" in shown
    assert "http://127.0.0.1:8000/api/agency/v1" in shown


def test_another_agencys_employee_does_not_find_it(client, nav, oslo):
    anne = make_citizen("Anne")
    Employee.objects.create(agency=oslo, citizen=anne)
    log_in(client, anne, 4)
    assert client.get(PAGE).status_code == 404
    assert client.get(f"{PAGE}minside-feed/").status_code == 404


def test_documents_lead_to_each_other_and_nowhere_else_in_the_portal(portal):
    found = crawl(asking(portal), [PAGE], more={"agency_documentation_guide": 20})
    pages = {each.address: each for each in found if each.route == "agency_documentation_guide"}
    assert f"{PAGE}minside-feed/" in pages
    assert len(pages) == len(guides.guides())
    for each in pages.values():
        assert each.status == 200, each.address
        for href in each.tree.xpath("//article//a/@href"):
            assert href.startswith(("https://", "#", PAGE)), href
            if href.startswith("#"):
                assert each.tree.xpath(f"//*[@id='{href[1:]}']"), href
    assert portal.get(f"{PAGE}architecture/").status_code == 404


def test_of_a_document_nothing_is_lost(portal):
    text = (Path(settings.DOCS_DIR) / "minside-feed.md").read_text("utf-8")
    shown = html.document_fromstring(portal.get(f"{PAGE}minside-feed/").content)
    article = shown.xpath("//article")[0]
    assert len(article.xpath(".//pre")) == len(re.findall(r"^```", text, re.MULTILINE)) // 2
    assert len(article.xpath(".//h2")) == len(re.findall(r"^## ", text, re.MULTILINE))
    assert "F-19" in article.text_content()


def test_without_the_documents_the_page_does_without(portal, settings):
    settings.DOCS_DIR = None
    guides.guide.cache_clear()
    try:
        assert f"{PAGE}minside-feed/" not in portal.get(PAGE).text
        assert portal.get(f"{PAGE}minside-feed/").status_code == 404
    finally:
        guides.guide.cache_clear()


def test_fields_are_named_with_their_place():
    described = {
        "components": {"schemas": {"Thing": {"type": "object", "properties": {"a": {}}}}},
        "paths": {
            "/things": {
                "get": {
                    "operationId": "x",
                    "summary": "Things",
                    "tags": ["Things"],
                    "parameters": [],
                    "responses": {
                        "200": {
                            "description": "OK",
                            "content": {
                                "application/json": {
                                    "schema": {
                                        "type": "array",
                                        "items": {"$ref": "#/components/schemas/Thing"},
                                    }
                                }
                            },
                        }
                    },
                }
            }
        },
    }
    ((operation,),) = [each.operations for each in reading.sections(described)]
    assert [field.name for field in operation.answered] == ["[].a"]
