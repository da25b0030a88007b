"""Log-out, begun here or at the provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client

from connectors.idporten.simulator import IdportenSimulator
from tests.web.login.walk import (
    ISSUER,
    KARI,
    PROVIDER,
    SITE,
    Browser,
    query_of,
    who,
)


def test_log_out_ends_the_session_here_and_at_the_provider(visitor: Browser) -> None:
    visitor.log_in()
    old_key = visitor.session_key
    answer = visitor.site.post("/logout/")
    query = query_of(answer["Location"])
    assert answer["Location"].startswith(f"{PROVIDER}/idporten/endsession?")
    assert query["post_logout_redirect_uri"] == f"{SITE}/logged-out/"
    assert query["state"]
    assert who(visitor) is None
    old = Client(HTTP_HOST="127.0.0.1:8000")
    old.cookies["samlepost_session"] = old_key
    assert old.get("/probe/").status_code == 302

    page = visitor.provider.get(answer["Location"])
    assert page.status_code == 200, page.text
    assert f"{SITE}/logged-out/?state={query['state']}" in page.text
    assert visitor.site.get("/logged-out/", {"state": query["state"]}).status_code == 200
    again = visitor.provider.get(visitor.start())
    assert again.status_code == 200, "the provider asks who she is again"


def test_log_out_takes_a_post_with_a_token_alone(visitor: Browser) -> None:
    visitor.log_in()
    assert visitor.site.get("/logout/").status_code == 405
    strict = Client(enforce_csrf_checks=True, HTTP_HOST="127.0.0.1:8000")
    strict.cookies["samlepost_session"] = visitor.session_key
    assert strict.post("/logout/").status_code == 403
    assert who(visitor)


def test_log_out_without_a_session_does_no_harm(visitor: Browser) -> None:
    assert visitor.site.post("/logout/")["Location"] == "/logged-out/"


def test_log_out_elsewhere_ends_the_session_without_its_cookie(visitor: Browser) -> None:
    visitor.log_in()
    sid = visitor.site.session["sid"]
    frame = Client(HTTP_HOST="127.0.0.1:8000")
    answer = frame.get("/logout/frontchannel/", {"iss": ISSUER, "sid": sid})
    assert answer.status_code == 200
    assert "X-Frame-Options" not in answer
    assert f"frame-ancestors {PROVIDER}" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies
    assert who(visitor) is None


def test_log_out_elsewhere_works_with_the_cookie_too(visitor: Browser) -> None:
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        visitor.log_in()
        traveller.shift(timedelta(minutes=5))
        query = {"iss": ISSUER, "sid": visitor.site.session["sid"]}
        assert visitor.site.get("/logout/frontchannel/", query).status_code == 200
        assert who(visitor) is None


def test_log_out_elsewhere_ends_the_session_after_a_step_up(visitor: Browser) -> None:
    visitor.log_in()
    visitor.come_back(visitor.identify(visitor.start(4), KARI, 4))
    sid = visitor.site.session["sid"]
    Client().get("/logout/frontchannel/", {"iss": ISSUER, "sid": sid})
    assert who(visitor) is None


def test_log_out_elsewhere_ends_every_session_of_that_log_in(
    simulator: IdportenSimulator,
) -> None:
    one, other = Browser(simulator), Browser(simulator)
    one.log_in()
    other.provider.cookies = one.provider.cookies
    other.log_in()
    sid = one.site.session["sid"]
    assert other.site.session["sid"] == sid
    Client().get("/logout/frontchannel/", {"iss": ISSUER, "sid": sid})
    assert who(one) is None
    assert who(other) is None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"iss": "https://idporten.example"}, 400),
        ({"iss": ""}, 400),
        ({"sid": ""}, 400),
        ({"sid": "another"}, 200),
    ],
)
def test_log_out_elsewhere_touches_no_other_session(
    visitor: Browser, change: dict[str, str], status: int
) -> None:
    visitor.log_in()
    query = {"iss": ISSUER, "sid": visitor.site.session["sid"], **change}
    assert Client().get("/logout/frontchannel/", query).status_code == status
    assert who(visitor)
