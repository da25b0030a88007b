"""A browser that walks between Samlepost and the simulated ID-porten, both in this process."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client

from connectors.idporten.provider import HIGH, SUBSTANTIAL
from connectors.idporten.simulator import IdportenSimulator
from connectors.simulation import mounted
from connectors.world.model import Person
from connectors.world.persons import PERSONS
from inbox.citizens.identity import identify
from inbox.citizens.models import Citizen, Identifier, InboxState

SITE = "http://127.0.0.1:8000"
PROVIDER = "http://127.0.0.1:8010"
ISSUER = f"{PROVIDER}/idporten"
KARI, OLA, STRANGER = PERSONS[0], PERSONS[1], PERSONS[2]
ACR = {3: SUBSTANTIAL, 4: HIGH}


def next_of(page: HttpResponse) -> str:
    """Return where a page's link to the log-in leads to afterwards."""
    link = re.search(r'href="([^"]*level=4[^"]*)"', page.content.decode())
    assert link
    return parse_qs(urlsplit(unescape(link[1])).query)["next"][0]


class Browser:
    """Cookies for both sites; every step is a request that a real browser would make."""

    def __init__(self, simulator: IdportenSimulator) -> None:
        self.site = Client(HTTP_HOST=urlsplit(SITE).netloc)
        self.provider = httpx.Client(
            transport=httpx.WSGITransport(mounted({"idporten": simulator})), base_url=PROVIDER
        )

    def start(self, level: int = 3, next_page: str = "") -> str:
        """Press the log-in button; returns the address at the provider."""
        answer = self.site.get("/login/start/", {"level": str(level), "next": next_page})
        assert answer.status_code == 302
        return str(answer["Location"])

    def identify(self, address: str, person: Person = KARI, level: int = 3) -> str:
        """Choose a person at the provider, if it asks; returns where it sends the browser."""
        answer = self.provider.get(address)
        if answer.status_code == 200:
            ticket = re.search(r'name="ticket" value="([^"]+)"', answer.text)
            assert ticket, answer.text
            form = {"ticket": ticket[1], "level": ACR[level], "person": person.slug}
            answer = self.provider.post("/idporten/login", data=form)
        assert answer.status_code == 303, answer.text
        location = str(answer.headers["location"])
        assert location.startswith(f"{SITE}/login/callback/?")
        return location

    def come_back(self, address: str) -> Any:
        """Follow an address of Samlepost's; returns its answer."""
        return self.site.get(address.removeprefix(SITE))

    def log_in(self, person: Person = KARI, level: int = 3, next_page: str = "/probe/") -> Any:
        """Do a whole log-in; returns Samlepost's last answer."""
        return self.come_back(self.identify(self.start(level, next_page), person, level))

    @property
    def session_key(self) -> str:
        """The key in the session cookie, or ""."""
        cookie = self.site.cookies.get("samlepost_session")
        return cookie.value if cookie else ""


def query_of(address: str) -> dict[str, str]:
    """Return the address's query, first values only."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def known(person: Person, **others: Any) -> Citizen:
    """Give the person an inbox."""
    citizen = Citizen.objects.create(name=person.name, **others)
    InboxState.objects.create(citizen=citizen)
    identify(citizen, Identifier.Kind.NATIONAL_ID, person.national_id)
    return citizen


def who(browser: Browser) -> tuple[str, int] | None:
    """Whom the browser's session belongs to and its level; None when it is asked to log in."""
    answer = browser.site.get("/probe/")
    if answer.status_code == 302:
        assert answer["Location"].startswith("/login/?next=")
        return None
    return answer.json()["citizen"], answer.json()["level"]


def assert_refused(answer: Any, page: str = "/login/") -> str:
    """The browser is led back to `page` with a message, which is returned."""
    assert answer.status_code == 302
    assert urlsplit(answer["Location"]).path == page
    (message,) = get_messages(answer.wsgi_request)
    assert message.level_tag == "error"
    return str(message)
