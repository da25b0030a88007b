"""Using the site as a browser without JavaScript would: follow links, post forms."""

from __future__ import annotations

import re
from html import unescape
from typing import Self
from urllib.parse import urljoin

import httpx

HIGH = "idporten-loa-high"
SUBSTANTIAL = "idporten-loa-substantial"


class Visitor:
    """Somebody with a cookie jar."""

    def __init__(self, web: str) -> None:
        self.web = web
        self._client = httpx.Client(follow_redirects=True, timeout=20, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def get(self, path: str) -> httpx.Response:
        """Open a page of the site."""
        return self._client.get(urljoin(self.web, path))

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
