"""The portal's pages of webhooks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inbox.agencies import webhooks
from inbox.agencies.models import Agency, Employee, Webhook, WebhookMessage
from inbox.agencies.webhook_sending import SCHEDULE, send_due
from tests.agencies.webhooks.test_queued import record
from tests.make import log_in, make_citizen

pytestmark = pytest.mark.django_db

ORG = "889640782"
EVENTS = ["letter.delivered", "letter.opened"]


@pytest.fixture
def portal(client: Client, nav) -> Client:
    berit = make_citizen("Berit")
    Employee.objects.create(agency=nav, citizen=berit)
    log_in(client, berit, 4)
    return client


def at(route: str, *ids: object) -> str:
    return reverse(f"agency_webhooks{route}", args=[ORG, *ids])


def shown(client: Client, route: str, *ids: object) -> str:
    answer = client.get(at(route, *ids))
    assert answer.status_code == 200
    return answer.content.decode()


def secret_in(page: str) -> str:
    return page.split('class="secret">')[1].split("<")[0]


def test_a_webhook_is_added_and_its_secret_shown_once(portal, receiver):
    answer = portal.post(at("_create"), {"url": receiver.url, "events": EVENTS})
    secret = secret_in(answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    (webhook,) = Webhook.objects.all()
    assert (webhook.url, webhook.events) == (receiver.url, EVENTS)
    assert secret == webhooks.secrets_of(webhook)[0]
    for page in (shown(portal, ""), shown(portal, "_one", webhook.id)):
        assert secret not in page and receiver.url in page
    webhooks.queue([record()])
    send_due()
    assert receiver.taken[0].verified(secret)["type"] == "letter.delivered"


@pytest.mark.parametrize(
    ("url", "events", "wrong"),
    [
        ("http://agency.example.no", EVENTS, "url-error"),
        ("https://10.0.0.1/", EVENTS, "url-error"),
        ("", EVENTS, "url-error"),
        ("https://agency.example.no/", [], "events-error"),
        ("https://agency.example.no/", ["letter.burned"], "events-error"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_what_was_written_stays(
    portal, made, url, events, wrong
):
    said = {"url": url, "events": events}
    for address in (at("_create"), at("_change", made.webhook.id)):
        page = portal.post(address, said).content.decode()
        assert f'id="{wrong}"' in page and f'aria-describedby="{wrong}"' in page
        assert f'value="{url}"' in page
    assert [each.url for each in Webhook.objects.all()] == [made.webhook.url]


def test_it_is_changed(portal, made):
    said = {"url": "https://agency.example.no/new", "events": ["letter.replied"]}
    assert portal.post(at("_change", made.webhook.id), said).status_code == 302
    webhook = Webhook.objects.get()
    assert (webhook.url, webhook.events) == (said["url"], said["events"])


def test_a_test_message_is_sent_and_its_answer_shown(portal, made, receiver):
    receiver.says(418)
    assert portal.post(at("_test", made.webhook.id)).status_code == 302
    send_due()
    page = shown(portal, "_one", made.webhook.id)
    assert "HTTP 418" in page and "<code>ping</code>" in page
    assert receiver.taken[0].verified(made.secret)["type"] == "ping"


def test_a_new_secret_is_shown_once(portal, made):
    page = portal.post(at("_rotate", made.webhook.id)).content.decode()
    secret = secret_in(page)
    assert webhooks.secrets_of(Webhook.objects.get()) == [secret, made.secret]
    after = shown(portal, "_one", made.webhook.id)
    assert secret not in after and made.secret not in after


def test_it_is_switched_off_and_on_and_removed(portal, made):
    hook = made.webhook.id
    assert at("_test", hook) in shown(portal, "_one", hook)
    portal.post(at("_disable", hook))
    assert Webhook.objects.get().off == "by_agency"
    page = shown(portal, "_one", hook)
    assert at("_enable", hook) in page and at("_test", hook) not in page
    portal.post(at("_enable", hook))
    assert Webhook.objects.get().off == ""
    assert portal.post(at("_remove", hook))["Location"] == at("")
    assert not Webhook.objects.exists()


def test_what_was_given_up_is_sent_again_alone_or_with_all(portal, made):
    webhooks.queue([record() for _ in range(3)])
    assert at("_resend_failed", made.webhook.id) not in shown(portal, "_one", made.webhook.id)
    WebhookMessage.objects.update(state="failed", attempts=10, status=500)
    one = WebhookMessage.objects.first()
    assert at("_resend", one.id) in shown(portal, "_one", made.webhook.id)
    portal.post(at("_resend", one.id))
    assert WebhookMessage.objects.filter(state="failed").count() == 2
    portal.post(at("_resend_failed", made.webhook.id))
    assert WebhookMessage.objects.filter(state="waiting", attempts=0).count() == 3


@pytest.mark.parametrize("off", ["by_agency", "gone", "failing"])
def test_why_it_is_off_is_said(portal, made, off):
    Webhook.objects.update(off=off)
    assert 'data-color="danger"><p>' in shown(portal, "_one", made.webhook.id)
    assert 'class="ds-tag" data-color="danger"' in shown(portal, "")


def test_that_nothing_gets_through_is_said_with_the_next_attempt(portal, made):
    now = timezone.now()
    Webhook.objects.update(failing_since=now, paused_until=now + timedelta(minutes=5))
    webhooks.queue([record()])
    WebhookMessage.objects.update(attempts=1, last_error="no_connection")
    assert 'data-color="warning"' in shown(portal, "_one", made.webhook.id)
    assert 'class="ds-tag" data-color="warning"' in shown(portal, "")


def test_older_messages_are_on_pages_of_their_own(portal, made):
    webhooks.queue([record() for _ in range(60)])
    page = shown(portal, "_one", made.webhook.id)
    assert page.count("<code>letter.delivered</code></th>") == 50
    address = page.split('href="?after=')[1].split('"')[0]
    older = portal.get(f"{at('_one', made.webhook.id)}?after={address}").content.decode()
    assert older.count("<code>letter.delivered</code></th>") == 10
    assert portal.get(f"{at('_one', made.webhook.id)}?after=x").status_code == 200


def test_the_schedule_on_the_page_is_the_one_that_is_kept(portal):
    page = shown(portal, "")
    schedule = page.split("<ol")[1].split("</ol>")[0]
    assert schedule.count("<li>") == len(SCHEDULE) - 1
    assert "<li>30 minutter</li>" in schedule and "<li>24 timer</li>" in schedule


def test_another_agencys_webhooks_are_not_there(portal, receiver):
    oslo = Agency.objects.create(org_number="958935420", name="Oslo kommune")
    theirs = webhooks.create(oslo, receiver.url, EVENTS).webhook
    webhooks.queue([record("958935420")])
    message = WebhookMessage.objects.get()
    before = [list(model.objects.values()) for model in (Webhook, WebhookMessage)]
    for number in (ORG, "958935420"):
        assert portal.get(f"/virksomhet/{number}/webhooks/{theirs.id}/").status_code == 404
        for name in ("change", "rotate", "test", "disable", "enable", "remove", "resend_failed"):
            address = reverse(f"agency_webhooks_{name}", args=[number, theirs.id])
            said = {"url": "https://x.example.no/", "events": EVENTS}
            assert portal.post(address, said).status_code == 404, name
        address = reverse("agency_webhooks_resend", args=[number, message.id])
        assert portal.post(address).status_code == 404
    assert receiver.url not in shown(portal, "")
    assert [list(model.objects.values()) for model in (Webhook, WebhookMessage)] == before


@pytest.mark.parametrize(
    ("state", "is_said"),
    [
        ({"off": "by_agency"}, False),
        ({"off": "gone"}, True),
        ({"off": "failing"}, True),
        ({"failing_since": timedelta(minutes=5)}, False),
        ({"failing_since": timedelta(hours=2)}, True),
    ],
)
def test_the_front_page_says_that_a_webhook_does_not_work(portal, made, state, is_said):
    if "failing_since" in state:
        state = {"failing_since": timezone.now() - state["failing_since"]}
    Webhook.objects.update(**state)
    page = portal.get(reverse("agency_home", args=[ORG])).content.decode()
    assert ('data-color="warning"' in page) is is_said
