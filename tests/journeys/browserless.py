"""Using the site as a browser without JavaScript would: follow links, post forms."""

from __future__ import annotations

import re
from html import unescape
from typing import Self
from urllib.parse import urljoin

import httpx

from tests.pages import Answer, route_of

HIGH = "idporten-loa-high"
SUBSTANTIAL = "idporten-loa-substantial"


class Visitor:
    """Somebody with a cookie jar."""

    def __init__(self, web: str) -> None:
        self.web = web
        self._client = httpx.Client(follow_redirects=True, timeout=120, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End her browser."""
        self._client.close()

    def get(self, path: str) -> httpx.Response:
        """Open a page of the site."""
        return self._client.get(urljoin(self.web, path))

    def ask(self, path: str) -> Answer:
        """Ask for one address of the site and follow nothing."""
        got = self._client.get(urljoin(self.web, path), follow_redirects=False)
        media_type = got.headers.get("content-type", "").partition(";")[0]
        location = got.headers.get("location", "").removeprefix(self.web)
        said = "\n".join(got.headers.values())
        return Answer(path, got.status_code, media_type, location, got.content, said)

    def press(
        self,
        page: str,
        route: str,
        files: dict[str, tuple[str, bytes]] | None = None,
        **values: str,
    ) -> httpx.Response:
        """Submit the first form of a page that leads to this route, filled with `values`.

        `files` are (name, content) by field.
        """
        shown = self.ask(page)
        forms = [each for each in shown.tree.forms if route_of(each.action or page) == route]
        assert forms, f"{page} has no form that leads to {route}"
        said = dict(forms[0].form_values()) | values
        return self._client.post(urljoin(self.web, forms[0].action or page), data=said, files=files)

    def cookies(self) -> list[dict[str, str]]:
        """Her cookies at the site, for a browser that goes on from here."""
        return [
            {"name": each.name, "value": each.value or "", "url": self.web}
            for each in self._client.cookies.jar
            if each.name.startswith("samlepost")
        ]

    def log_in(self, slug: str, level: str = HIGH) -> httpx.Response:
        """Log in through the simulated ID-porten; returns the page she lands on."""
        wanted = 4 if level == HIGH else 3
        page = self.get(f"/login/start/?level={wanted}&next=/")
        form = re.search(r'<form method="post" action="([^"]+)"', page.text)
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert form, page.text[:500]
        assert ticket
        landed = self._client.post(
            urljoin(str(page.url), unescape(form[1])),
            data={"ticket": unescape(ticket[1]), "level": level, "person": slug},
        )
        assert landed.status_code == 200, landed.text[:500]
        return landed
