"""Webhooks: what is queued for them, and who may have one."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from connectors import clock
from connectors.contract import RawPart, Unreadable
from inbox.agencies import webhooks
from inbox.agencies.models import Agency, AgencySource, Webhook, WebhookMessage
from inbox.agencies.webhooks import NotTaken, Problem
from inbox.letters.models import DeliveryRecord
from inbox.sync import quarantine
from inbox.sync.models import Quarantined
from tests.make import make_source

pytestmark = pytest.mark.django_db


def record(org_number: str = "889640782", **fields: object) -> DeliveryRecord:
    """What the log says of a letter that was delivered just now."""
    now = clock.now()
    said = {"source": "altinn", "external_id": "sak-17", "verified": "source"}
    said |= {"security_level": 3, "arrived_at": now, "delivered_at": now}
    return DeliveryRecord(org_number=org_number, **said | fields)


def queued() -> list[str]:
    return sorted(WebhookMessage.objects.values_list("event", flat=True))


def test_each_step_is_told_once_as_it_comes(made):
    letter = record()
    assert webhooks.queue([letter]) == 1
    (message,) = WebhookMessage.objects.all()
    said = json.loads(message.payload)
    assert (said["type"], message.record_id) == ("letter.delivered", letter.id)
    assert said["data"] == {
        "letter": str(letter.id),
        "reference": "sak-17",
        "source": "altinn",
    }
    assert set(said) == {"type", "timestamp", "data"} and said["timestamp"].endswith("Z")
    letter.notified_at = letter.replied_at = letter.withdrawn_at = clock.now()
    assert webhooks.queue([letter]) == 3
    assert webhooks.queue([letter]) == webhooks.queue([letter, letter]) == 0
    wanted = ["letter.delivered", "letter.notified", "letter.replied", "letter.withdrawn"]
    assert queued() == wanted


def test_an_identity_number_is_no_reference(made):
    webhooks.queue([record(external_id="sak-17849200399")])
    assert "17849200399" not in WebhookMessage.objects.get().payload


def test_pressed_twice_what_the_receiver_knows_still_holds(nav, made):
    given = [webhooks.rotate(nav, made.webhook.id).secret for _ in range(2)]
    assert webhooks.secrets_of(Webhook.objects.get()) == [*reversed(given), made.secret]
    for _ in range(9):
        webhooks.rotate(nav, made.webhook.id)
    assert len(webhooks.secrets_of(Webhook.objects.get())) == 1 + webhooks.PREVIOUS_MAX


def test_the_payload_is_fixed_when_it_is_queued(made):
    letter = record()
    webhooks.queue([letter])
    before = WebhookMessage.objects.get().payload
    letter.delivered_at, letter.external_id = clock.now() + timedelta(hours=1), "another"
    webhooks.queue([letter])
    assert WebhookMessage.objects.get().payload == before


def test_the_opening_is_told_only_where_she_has_agreed(made):
    letter = record(delivered_at=None, opened_at=clock.now())
    assert webhooks.queue([letter]) == 0
    letter.tells_opening = True
    assert webhooks.queue([letter]) == 1
    assert queued() == ["letter.opened"]


def test_only_the_senders_own_webhooks_that_are_on_and_want_it_are_told(nav, made, receiver):
    other = Agency.objects.create(org_number="958935420", name="Oslo kommune")
    webhooks.create(other, receiver.url, ["letter.replied"])
    off = webhooks.create(nav, receiver.url, ["letter.delivered"]).webhook
    webhooks.disable(nav, off.id)
    assert webhooks.queue([record(), record("958935420"), record("974760673")]) == 1
    assert WebhookMessage.objects.get().webhook == made.webhook


def test_what_happened_before_the_webhook_was_made_or_long_ago_is_no_news(made):
    before = made.webhook.created_at - timedelta(seconds=1)
    assert webhooks.queue([record(delivered_at=before)]) == 0
    long_ago = clock.now() - webhooks.KEPT - timedelta(days=1)
    Webhook.objects.update(created_at=long_ago - timedelta(days=1))
    assert webhooks.queue([record(delivered_at=long_ago)]) == 0
    assert webhooks.queue([record(delivered_at=before)]) == 1


def test_queueing_for_nobody_costs_one_query_and_for_many_three(
    nav, made, django_assert_num_queries
):
    with django_assert_num_queries(1):
        webhooks.queue([record("974760673") for _ in range(50)])
    with django_assert_num_queries(3):
        webhooks.queue([record() for _ in range(50)])


def in_quarantine(source: str, external_id: str = "1") -> Quarantined:
    """What came from a source just now and could not be read."""
    broken = Unreadable(external_id, "no title", [RawPart("x.json", b"{}", "application/json")])
    kept = quarantine.keep(make_source(source), broken, None)
    assert kept
    quarantine.record([kept])
    return kept.row


def test_what_lies_in_quarantine_of_its_own_sources_is_told_once(nav, made, settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path
    AgencySource.objects.create(source=make_source("minside-nav"), agency=nav)
    before = in_quarantine("minside-nav", "before")
    long_ago = made.webhook.created_at - timedelta(seconds=1)
    Quarantined.objects.filter(id=before.id).update(arrived_at=long_ago)
    own = in_quarantine("minside-nav", "sak-17")
    in_quarantine("altinn")
    assert webhooks.queue_quarantined() == 1
    said = json.loads(WebhookMessage.objects.get().payload)
    assert said["type"] == "letter.quarantined"
    assert said["data"] == {
        "letter": str(own.id),
        "reference": "sak-17",
        "source": "minside-nav",
    }
    assert webhooks.queue_quarantined() == 0
    Webhook.objects.update(events=["letter.opened"])
    in_quarantine("minside-nav", "sak-18")
    assert webhooks.queue_quarantined() == 0


def test_old_messages_are_forgotten_and_not_queued_anew(made):
    old, new = record(), record()
    webhooks.queue([old, new])
    ago = timezone.now() - webhooks.KEPT - timedelta(days=1)
    WebhookMessage.objects.filter(record_id=old.id).update(queued_at=ago)
    assert webhooks.forget_old() == 1
    assert WebhookMessage.objects.get().record_id == new.id
    old.delivered_at = ago
    assert webhooks.queue([old]) == 0


def test_a_secret_is_random_long_enough_and_lies_nowhere_in_the_clear(nav, made, receiver):
    other = webhooks.create(nav, receiver.url, ["letter.opened"])
    assert other.secret != made.secret
    assert made.secret.startswith("whsec_") and len(made.secret) == len("whsec_") + 44
    assert webhooks.secrets_of(made.webhook) == [made.secret]
    for row in Webhook.objects.values():
        assert made.secret not in str(row) and made.secret[6:] not in str(row)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", Problem.NO_ADDRESS),
        ("agency.example.no/hook", Problem.NO_ADDRESS),
        ("https://", Problem.NO_ADDRESS),
        ("https://agency.example.no:x/", Problem.NO_ADDRESS),
        ("https://user:pw@agency.example.no/", Problem.NO_ADDRESS),
        ("https://agency.example.no/#part", Problem.NO_ADDRESS),
        ("https://agency.example.no/\x00", Problem.NO_ADDRESS),
        ("https://agency.example.no/" + "a" * 500, Problem.NO_ADDRESS),
        ("http://agency.example.no/hook", Problem.NOT_HTTPS),
        ("ftp://agency.example.no/hook", Problem.NOT_HTTPS),
        ("http://127.0.0.1/", Problem.NOT_HTTPS),
        ("https://127.0.0.1/", Problem.NOT_PUBLIC),
        ("https://localhost/", Problem.NOT_PUBLIC),
        ("https://a.localhost/", Problem.NOT_PUBLIC),
        ("https://10.0.0.1/", Problem.NOT_PUBLIC),
        ("https://[::1]/", Problem.NOT_PUBLIC),
        ("https://[::ffff:10.0.0.1]/", Problem.NOT_PUBLIC),
        ("https://169.254.169.254/latest/meta-data/", Problem.NOT_PUBLIC),
        ("https://2130706433/", Problem.NOT_PUBLIC),
        ("https://intranet/", Problem.NOT_PUBLIC),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(nav, settings, url, problem):
    settings.FEEDS_ON_LOOPBACK = False
    with pytest.raises(NotTaken) as raised:
        webhooks.create(nav, url, ["letter.opened"])
    assert raised.value.reason is problem
    assert not Webhook.objects.exists()


def test_this_machine_is_taken_only_by_the_named_setting(nav, settings):
    for url in ("http://localhost:8090/hook", "http://127.0.0.1:1/", "https://[::1]:8443/"):
        settings.FEEDS_ON_LOOPBACK = True
        assert webhooks.read_address(url) == url
        settings.FEEDS_ON_LOOPBACK = False
        with pytest.raises(NotTaken):
            webhooks.read_address(url)
    settings.FEEDS_ON_LOOPBACK = True
    with pytest.raises(NotTaken):
        webhooks.read_address("https://10.0.0.1/")


def test_a_public_address_is_taken_as_it_is(nav):
    for url in ("https://agency.example.no/a?b=c", "https://93.184.215.14:8443/hook"):
        assert webhooks.read_address(f" {url}\n") == url


def test_a_webhook_is_told_something_and_an_agency_has_at_most_so_many(nav, receiver):
    with pytest.raises(NotTaken) as raised:
        webhooks.create(nav, receiver.url, ["letter.burned"])
    assert raised.value.reason is Problem.NO_EVENTS
    for _ in range(webhooks.WEBHOOKS_MAX):
        webhooks.create(nav, receiver.url, ["letter.opened"])
    with pytest.raises(NotTaken) as raised:
        webhooks.create(nav, receiver.url, ["letter.opened"])
    assert raised.value.reason is Problem.TOO_MANY


def test_nothing_of_another_agencys_can_be_done(made, receiver):
    oslo = Agency.objects.create(org_number="958935420", name="Oslo kommune")
    hook = made.webhook.id
    webhooks.queue([record()])
    message = WebhookMessage.objects.get().id
    before = list(Webhook.objects.values())
    for call in (
        lambda: webhooks.change(oslo, hook, receiver.url, ["letter.opened"]),
        lambda: webhooks.rotate(oslo, hook),
        lambda: webhooks.disable(oslo, hook),
        lambda: webhooks.enable(oslo, hook),
        lambda: webhooks.send_test(oslo, hook),
        lambda: webhooks.remove(oslo, hook),
        lambda: webhooks.resend(oslo, message),
    ):
        with pytest.raises((Webhook.DoesNotExist, WebhookMessage.DoesNotExist)):
            call()
    assert list(Webhook.objects.values()) == before
    assert not webhooks.of(oslo)
