"""Reading the letter page as a browser gets it."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from connectors.contract import IncomingDocument
from inbox.letters.models import Letter
from tests.incoming import PDF

HTMX = {"HTTP_HX_REQUEST": "true"}
SECRET = "Du har fått avslag på søknaden"


def page_of(screen: Client, letter: Letter, **extra) -> str:
    response = screen.get(reverse("letter", args=[letter.id]), **extra)
    assert response.status_code == 200
    return response.content.decode()


def content_of(screen: Client, letter: Letter, query: str = "") -> str:
    response = screen.get(reverse("letter_content", args=[letter.id]) + query, **HTMX)
    assert response.status_code == 200
    return response.content.decode()


def document(name: str = "brev.pdf", title: str = "Brev", **fields) -> IncomingDocument:
    fields.setdefault("content", PDF)
    return IncomingDocument(name, "application/pdf", title, **fields)
