from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inbox.agencies import keys
from inbox.agencies.models import Agency, Employee, Key
from inbox.citizens.models import Citizen
from tests.make import log_in, make_citizen

pytestmark = pytest.mark.django_db


@pytest.fixture
def nav() -> Agency:
    return Agency.objects.create(org_number="889640782", name="NAV")


@pytest.fixture
def berit(nav) -> Citizen:
    berit = make_citizen("Berit")
    Employee.objects.create(agency=nav, citizen=berit)
    return berit


@pytest.fixture
def portal(client: Client, berit) -> Client:
    log_in(client, berit, 4)
    return client


def test_a_key_opens_until_it_is_revoked_and_is_kept_nowhere(nav, berit):
    made = keys.create(nav, "Arkivsystemet", berit.id)
    found = keys.find(made.secret)
    assert found and found.agency == nav
    assert keys.find(made.secret + "x") is None and keys.find("") is None
    for row in Key.objects.values():
        assert made.secret not in str(row)
        assert made.secret.encode() not in bytes(row["digest"])
    assert made.secret.startswith(made.key.prefix) and len(made.key.prefix) * 2 < len(made.secret)
    keys.revoke(nav, made.key.id)
    assert keys.find(made.secret) is None
    assert not keys.working(nav)


def test_a_replaced_key_works_on_for_a_day(nav, berit, monkeypatch):
    old = keys.create(nav, "Arkivsystemet", berit.id)
    new = keys.rotate(nav, old.key.id, berit.id)
    assert keys.find(old.secret) and keys.find(new.secret)
    with pytest.raises(Key.DoesNotExist):
        keys.rotate(nav, old.key.id, berit.id)
    tomorrow = timezone.now() + keys.OVERLAP
    monkeypatch.setattr(keys.timezone, "now", lambda: tomorrow)
    assert keys.find(old.secret) is None
    assert keys.find(new.secret)


def test_use_is_noted_at_most_once_a_minute(nav, berit, django_assert_num_queries):
    made = keys.create(nav, "Arkivsystemet", berit.id)
    with django_assert_num_queries(2):
        keys.find(made.secret)
    with django_assert_num_queries(1):
        keys.find(made.secret)
    Key.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    with django_assert_num_queries(2):
        keys.find(made.secret)


def test_an_agency_has_at_most_so_many_keys(nav, berit):
    for number in range(keys.KEYS_MAX):
        keys.create(nav, str(number), berit.id)
    with pytest.raises(keys.TooMany):
        keys.create(nav, "one more", berit.id)


def test_a_key_is_shown_once(portal, nav):
    answer = portal.post(reverse("agency_keys_create", args=["889640782"]), {"name": "Fagsystem"})
    page = answer.content.decode()
    (key,) = keys.working(nav)
    secret = page.split('class="secret">')[1].split("<")[0]
    found = keys.find(secret)
    assert found == key
    assert "no-store" in answer["Cache-Control"]
    again = portal.get(reverse("agency_keys", args=["889640782"])).content.decode()
    assert secret not in again and key.prefix in again and "Fagsystem" in again


def test_a_key_without_a_name_is_asked_for_again(portal, nav):
    answer = portal.post(reverse("agency_keys_create", args=["889640782"]), {"name": "  "})
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not keys.working(nav)


def test_the_keys_of_another_agency_are_not_there(portal, nav):
    other = Agency.objects.create(org_number="974761076", name="Skatteetaten")
    theirs = keys.create(other, "Deres", make_citizen().id)
    for name in ("agency_keys_rotate", "agency_keys_revoke"):
        for number in ("889640782", "974761076"):
            assert portal.post(reverse(name, args=[number, theirs.key.id])).status_code == 404
    assert portal.get(reverse("agency_keys", args=["974761076"])).status_code == 404
    assert keys.find(theirs.secret)


def test_the_portal_asks_for_the_high_level(client, berit):
    log_in(client, berit, 3)
    address = reverse("agency_keys", args=["889640782"])
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("step_up"))
    assert client.post(reverse("agency_keys_create", args=["889640782"])).status_code == 302
    assert not Key.objects.exists()


def test_who_works_for_one_agency_comes_straight_to_it(portal, nav, berit):
    assert portal.get(reverse("agencies"))["Location"] == "/virksomhet/889640782/"
    other = Agency.objects.create(org_number="974761076", name="Skatteetaten")
    Employee.objects.create(agency=other, citizen=berit)
    page = portal.get(reverse("agencies")).content.decode()
    assert "Skatteetaten" in page and "NAV" in page


def test_who_works_for_none_is_told_how_one_gets_in(client, nav):
    log_in(client, make_citizen(), 4)
    assert "NAV" not in client.get(reverse("agencies")).content.decode()
    assert client.get(reverse("agency_home", args=["889640782"])).status_code == 404
