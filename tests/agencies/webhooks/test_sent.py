"""Webhooks over real HTTP: signed, tried by the published schedule, and never further than that."""

from __future__ import annotations

import json
import socket
import time
from datetime import timedelta
from threading import Barrier, Event, Thread
from uuid import UUID

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from flask import Response, redirect
from standardwebhooks import WebhookVerificationError

from inbox.agencies import webhook_sending, webhooks
from inbox.agencies.models import Webhook, WebhookMessage
from inbox.agencies.webhook_sending import LASTS, OFF_AFTER, SCHEDULE, send_due
from tests.agencies.webhooks.test_queued import record

pytestmark = pytest.mark.django_db


def only() -> WebhookMessage:
    return WebhookMessage.objects.get()


def pass_time() -> None:
    """Let what waits be due, and the webhooks be left alone no longer."""
    WebhookMessage.objects.filter(state="waiting").update(due_at=timezone.now())
    Webhook.objects.update(paused_until=None)


def seconds_left(moment) -> float:
    return (moment - timezone.now()).total_seconds()


def test_a_message_arrives_signed_as_the_standard_says(made, receiver):
    letter = record()
    webhooks.queue([letter])
    assert send_due() == 1
    (taken,) = receiver.taken
    said = taken.verified(made.secret)
    assert said == json.loads(only().payload)
    assert said["data"]["letter"] == str(letter.id)
    assert taken.id == str(only().id)
    assert abs(int(taken.headers["webhook-timestamp"]) - time.time()) < 60
    assert taken.headers["content-type"] == "application/json"
    assert (only().state, only().status, only().attempts) == ("done", 204, 1)
    assert send_due() == 0


def test_a_changed_message_or_another_secret_does_not_verify(made, nav, receiver):
    webhooks.queue([record()])
    send_due()
    (taken,) = receiver.taken
    other = webhooks.create(nav, receiver.url, ["letter.opened"])
    with pytest.raises(WebhookVerificationError):
        taken.verified(other.secret)
    for name in ("webhook-id", "webhook-timestamp"):
        value = taken.headers[name]
        taken.headers[name] = value[:-1] + ("0" if value[-1] != "0" else "1")
        with pytest.raises(WebhookVerificationError):
            taken.verified(made.secret)
        taken.headers[name] = value
    taken.body = taken.body.replace("delivered", "opened")
    with pytest.raises(WebhookVerificationError):
        taken.verified(made.secret)


def test_a_failed_message_is_tried_by_the_published_schedule_and_then_given_up(made, receiver):
    receiver.says(500)
    webhooks.queue([record()])
    for number, wait in enumerate(SCHEDULE[1:], start=1):
        assert send_due() == 1
        assert (only().state, only().attempts, only().status) == ("waiting", number, 500)
        left = seconds_left(only().due_at)
        assert wait.total_seconds() - 10 < left <= wait.total_seconds()
        assert left <= 0 or send_due() == 0
        pass_time()
    assert send_due() == 1
    assert (only().state, only().attempts) == ("failed", 10)
    pass_time()
    assert send_due() == 0
    assert len(receiver.taken) == len(SCHEDULE) == 10
    assert timedelta(hours=75, minutes=35, seconds=5) == LASTS


def test_every_attempt_is_the_same_message_signed_anew(made, receiver):
    receiver.says(500)
    webhooks.queue([record()])
    send_due()
    with time_machine.travel(timezone.now() + timedelta(minutes=1)):
        pass_time()
        assert send_due() == 1
    first, second = receiver.taken
    assert (first.id, first.body) == (second.id, second.body)
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 59
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert first.verified(made.secret) == second.verified(made.secret)


def test_a_message_that_was_given_up_is_sent_again_as_the_same(made, nav, receiver):
    receiver.says(500)
    webhooks.queue([record()])
    send_due()
    webhooks.resend(nav, only().id)
    assert only().attempts == 1  # it was not given up
    WebhookMessage.objects.update(state="failed", attempts=10)
    receiver.says(200)
    webhooks.resend(nav, only().id)
    assert send_due() == 1
    assert (only().state, only().attempts) == ("done", 1)
    assert receiver.taken[0].id == receiver.taken[1].id
    webhooks.resend(nav, only().id)
    assert send_due() == 0  # nor is what has arrived


def test_messages_are_signed_with_both_secrets_for_a_day_after_a_rotation(made, nav, receiver):
    new = webhooks.rotate(nav, made.webhook.id)
    webhooks.queue([record()])
    send_due()
    (taken,) = receiver.taken
    assert len(taken.headers["webhook-signature"].split(" ")) == 2
    assert taken.verified(made.secret) == taken.verified(new.secret)
    Webhook.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    webhooks.queue([record()])
    send_due()
    after = receiver.taken[1]
    assert after.verified(new.secret)
    with pytest.raises(WebhookVerificationError):
        after.verified(made.secret)
    left = seconds_left(webhooks.rotate(nav, made.webhook.id).webhook.previous_until)
    assert 24 * 3600 - 60 < left <= 24 * 3600


def test_410_disables_at_once_and_queues_nothing_more(made, nav, receiver):
    receiver.says(410)
    webhooks.queue([record(), record()])
    assert send_due() == 1
    assert Webhook.objects.get().off == "gone"
    assert webhooks.queue([record()]) == 0
    pass_time()
    assert send_due() == 0
    receiver.says(204)
    webhooks.enable(nav, made.webhook.id)
    assert send_due() == 2
    assert Webhook.objects.get().failing_since is None


@pytest.mark.parametrize(
    ("status", "wait", "low", "high"),
    [(429, "120", 110, 120), (503, "90", 80, 90), (429, "86400", 3590, 3600), (503, "", 0, 5)],
)
def test_a_wish_to_wait_is_kept_for_all_that_waits(made, receiver, status, wait, low, high):
    receiver.says(status, **({"Retry_After": wait} if wait else {}))
    webhooks.queue([record(), record()])
    assert send_due() == 1
    assert send_due() == 0
    assert low < seconds_left(Webhook.objects.get().paused_until) <= high
    tried = WebhookMessage.objects.get(attempts=1)
    assert low < seconds_left(tried.due_at) <= high
    assert WebhookMessage.objects.filter(attempts=0).count() == 1


def test_an_error_of_one_message_does_not_hold_up_the_next(made, receiver):
    webhooks.queue([record(), record(), record()])
    answers = [500, 200, 404]
    receiver.answer = lambda: Response(status=answers[len(receiver.taken) - 1])
    assert send_due() == 3
    assert sorted(WebhookMessage.objects.values_list("status", flat=True)) == [200, 404, 500]


def test_a_redirect_is_a_failure_and_is_not_followed(made, receiver):
    receiver.answer = lambda: redirect(receiver.url, 307)
    webhooks.queue([record()])
    send_due()
    assert len(receiver.taken) == 1
    assert (only().state, only().status) == ("waiting", 307)


def test_the_body_of_an_answer_is_not_waited_for(made, receiver):
    let_go = Event()

    def endless():
        yield b"a"
        let_go.wait(20)
        yield b"b" * 1_000_000

    receiver.answer = lambda: Response(endless(), 200)
    webhooks.queue([record()])
    started = time.monotonic()
    send_due()
    assert time.monotonic() - started < 10
    assert (only().state, only().status) == ("done", 200)
    let_go.set()


def test_who_does_not_answer_in_time_is_left_alone_with_all_that_waits(made, receiver, monkeypatch):
    monkeypatch.setattr(webhook_sending, "TIMEOUT_SECONDS", 0.3)
    let_go = Event()
    receiver.answer = lambda: Response(status=200 if let_go.wait(5) else 204)
    webhooks.queue([record(), record()])
    started = time.monotonic()
    assert send_due() == 1
    assert time.monotonic() - started < 3
    let_go.set()
    tried = WebhookMessage.objects.get(attempts=1)
    assert (tried.state, tried.status, tried.last_error) == ("waiting", None, "no_answer")
    assert send_due() == 0
    monkeypatch.setattr(webhook_sending, "TIMEOUT_SECONDS", 0.01)
    let_go.clear()
    Webhook.objects.update(paused_until=None)
    assert send_due() == 1
    assert WebhookMessage.objects.filter(attempts=1).count() == 2  # it was the other's turn
    rests = []
    for _ in range(7):
        pass_time()
        send_due()
        rests.append(seconds_left(Webhook.objects.get().paused_until))
    let_go.set()
    assert [round(each, -1) for each in rests] == [20, 40, 80, 160, 300, 300, 300]


def test_nobody_at_home_is_a_connection_that_failed(made, nav):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    webhooks.change(nav, made.webhook.id, f"http://127.0.0.1:{port}/", ["letter.delivered"])
    webhooks.queue([record()])
    send_due()
    assert (only().status, only().last_error) == (None, "no_connection")


def test_a_name_that_leads_within_our_walls_is_not_connected_to(made, nav, receiver, monkeypatch):
    """It was a public name when it was given, and has another address by now."""
    port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    webhooks.change(
        nav, made.webhook.id, f"https://agency.example.no:{port}/", ["letter.delivered"]
    )

    def getaddrinfo(host, port, **_kwargs):
        return [(0, 0, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr("connectors.public.socket.getaddrinfo", getaddrinfo)
    webhooks.queue([record()])
    send_due()
    assert (only().state, only().last_error) == ("waiting", "not_public")
    assert receiver.taken == []


def test_this_machine_is_refused_once_the_setting_is_gone(made, receiver, settings):
    settings.FEEDS_ON_LOOPBACK = False
    webhooks.queue([record()])
    send_due()
    assert only().last_error == "not_public"
    assert receiver.taken == []


def test_one_that_is_away_holds_up_no_other(made, nav, receiver, monkeypatch):
    monkeypatch.setattr(webhook_sending, "TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        webhooks.create(nav, f"http://127.0.0.1:{port}/", ["letter.delivered"])
        webhooks.queue([record() for _ in range(30)])
        assert send_due() == 31
    assert len(receiver.taken) == 30
    assert WebhookMessage.objects.filter(state="done").count() == 30


def test_those_with_something_due_take_turns(made, nav, receiver, monkeypatch):
    monkeypatch.setattr(webhook_sending, "TURN_MESSAGES", 2)
    other = webhooks.create(nav, f"{receiver.url}?other", ["letter.delivered"])
    webhooks.queue([record() for _ in range(4)])
    send_due()
    by_id = dict(WebhookMessage.objects.values_list("id", "webhook_id"))
    turns = [by_id[UUID(each.id)] for each in receiver.taken]
    pairs = list(zip(turns[::2], turns[1::2], strict=True))
    assert all(one == two for one, two in pairs)
    assert [one for one, _ in pairs[:2]] != [one for one, _ in pairs[1:3]]
    assert turns.count(other.webhook.id) == 4


def test_no_more_workers_than_there_is_room_for_are_at_webhooks(made, nav, receiver, settings):
    settings.WEBHOOKS_AT_ONCE = 1
    webhooks.queue([record()])
    elsewhere = webhooks.create(nav, receiver.url, ["letter.opened"]).webhook
    soon = timezone.now() + timedelta(seconds=30)
    Webhook.objects.filter(id=elsewhere.id).update(lease_until=soon)
    assert send_due() == 0
    settings.WEBHOOKS_AT_ONCE = 2
    assert send_due() == 1


def test_a_worker_that_died_is_taken_over_from_when_its_lease_has_run_out(made, receiver):
    webhooks.queue([record()])
    soon = timezone.now() + timedelta(seconds=30)
    WebhookMessage.objects.update(lease_until=soon, attempts=1)
    Webhook.objects.update(lease_until=soon)
    assert send_due() == 0
    past = timezone.now() - timedelta(seconds=1)
    WebhookMessage.objects.update(lease_until=past)
    Webhook.objects.update(lease_until=past)
    assert send_due() == 1
    assert (only().state, only().attempts) == ("done", 2)


def test_it_is_disabled_only_when_all_has_failed_for_days(made, receiver):
    receiver.says(500)
    webhooks.queue([record()])
    old = timezone.now() - LASTS - timedelta(minutes=1)

    def fail(**since: object) -> str:
        pass_time()
        Webhook.objects.update(**since)
        send_due()
        return Webhook.objects.get().off

    long_ago = timezone.now() - OFF_AFTER - timedelta(minutes=1)
    assert fail(failing_since=long_ago) == ""  # the message is young
    WebhookMessage.objects.update(queued_at=old)
    assert fail(failing_since=timezone.now() - OFF_AFTER + timedelta(hours=1)) == ""
    receiver.says(200)
    fail()
    assert Webhook.objects.get().failing_since is None
    receiver.says(500)
    WebhookMessage.objects.update(state="waiting", queued_at=old)
    assert fail() == ""
    assert fail(failing_since=long_ago) == "failing"


def test_a_webhook_removed_under_way_stops_nobody(made, nav, receiver, monkeypatch):
    webhooks.queue([record(), record()])
    other = webhooks.create(nav, receiver.url, ["letter.delivered"])
    webhooks.queue([record()])

    def removed_meanwhile(webhook: Webhook) -> list[str]:
        if webhook == made.webhook:
            Webhook.objects.filter(id=webhook.id).delete()
        return [made.secret]

    monkeypatch.setattr(webhook_sending, "secrets_of", removed_meanwhile)
    send_due()
    (message,) = WebhookMessage.objects.all()
    assert (message.webhook_id, message.state) == (other.webhook.id, "done")


def test_a_test_message_is_signed_and_waits_but_once(made, nav, receiver):
    webhooks.send_test(nav, made.webhook.id)
    webhooks.send_test(nav, made.webhook.id)
    assert send_due() == 1
    said = receiver.taken[0].verified(made.secret)
    assert (said["type"], said["data"]) == ("ping", {"webhook": str(made.webhook.id)})
    webhooks.disable(nav, made.webhook.id)
    webhooks.send_test(nav, made.webhook.id)
    assert WebhookMessage.objects.count() == 1


def test_nothing_is_sent_while_it_is_off_and_what_waited_goes_on(made, nav, receiver):
    webhooks.queue([record()])
    webhooks.disable(nav, made.webhook.id)
    assert send_due() == 0
    webhooks.enable(nav, made.webhook.id)
    assert send_due() == 1


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_sweepers_at_once_send_each_message_once(made, receiver):
    webhooks.queue([record() for _ in range(20)])
    together = Barrier(4)
    failed: list[Exception] = []

    def work() -> None:
        try:
            together.wait(timeout=120)
            send_due()
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    workers = [Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert failed == []
    ids = [each.id for each in receiver.taken]
    assert len(ids) == len(set(ids)) == 20


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_collectors_at_once_queue_each_step_once(made):
    letters = [record() for _ in range(50)]
    together = Barrier(3)
    failed: list[Exception] = []

    def work() -> None:
        try:
            together.wait(timeout=120)
            webhooks.queue(letters)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    workers = [Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert failed == []
    assert WebhookMessage.objects.count() == 50
