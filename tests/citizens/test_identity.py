"""Identity numbers and mailbox addresses: found without being readable."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from connectors.world.persons import PERSONS
from inbox.citizens.identity import (
    Taken,
    blind_index,
    citizens_by_value,
    find_citizen,
    identify,
    mailbox_address_of,
    national_id_of,
    national_ids_of,
    seal,
    unseal,
)
from inbox.citizens.models import Citizen, Identifier

NATIONAL_ID = Identifier.Kind.NATIONAL_ID
ADDRESS = Identifier.Kind.MAILBOX_ADDRESS
KARI, OLA = PERSONS[0], PERSONS[1]


def citizen(name: str = "Kari", *, is_active: bool = True) -> Citizen:
    return Citizen.objects.create(name=name, is_active=is_active)


def test_the_same_number_always_has_the_same_index() -> None:
    first = blind_index(NATIONAL_ID, KARI.national_id)
    assert len(first) == 32
    assert blind_index(NATIONAL_ID, f" {KARI.national_id}\n") == first
    assert blind_index(NATIONAL_ID, OLA.national_id) != first


def test_the_index_depends_on_the_key_outside_the_database(settings: Settings) -> None:
    before = blind_index(NATIONAL_ID, KARI.national_id)
    settings.IDENTITY_KEY = "5a" * 32
    assert blind_index(NATIONAL_ID, KARI.national_id) != before


def test_two_kinds_with_the_same_text_do_not_collide() -> None:
    assert blind_index(NATIONAL_ID, KARI.national_id) != blind_index(ADDRESS, KARI.national_id)


@pytest.mark.django_db
def test_one_text_may_name_two_citizens_in_two_kinds() -> None:
    one, other = citizen(), citizen()
    identify(one, NATIONAL_ID, KARI.national_id)
    identify(other, ADDRESS, KARI.national_id)
    assert find_citizen(NATIONAL_ID, KARI.national_id) == one
    assert find_citizen(ADDRESS, KARI.national_id) == other


@pytest.mark.django_db
def test_a_mailbox_address_is_found_whatever_its_case() -> None:
    kari = citizen()
    identify(kari, ADDRESS, "Kari.Nordmann#9YDT")
    assert find_citizen(ADDRESS, "kari.nordmann#9ydt") == kari


@pytest.mark.django_db
def test_a_number_comes_back_from_its_ciphertext_and_stands_nowhere_in_the_clear() -> None:
    kari = citizen()
    row = identify(kari, NATIONAL_ID, KARI.national_id)
    assert national_id_of(kari.pk) == KARI.national_id
    assert KARI.national_id.encode() not in bytes(row.ciphertext) + bytes(row.blind_index)


@pytest.mark.django_db
def test_encrypting_the_same_number_twice_gives_two_ciphertexts() -> None:
    kari = citizen()
    first = bytes(identify(kari, NATIONAL_ID, KARI.national_id).ciphertext)
    assert bytes(identify(kari, NATIONAL_ID, KARI.national_id).ciphertext) != first
    assert Identifier.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("place", [0, 12, -1])
def test_a_changed_ciphertext_is_noticed(place: int) -> None:
    kari = citizen()
    row = identify(kari, NATIONAL_ID, KARI.national_id)
    changed = bytearray(row.ciphertext)
    changed[place] ^= 1
    row.ciphertext = bytes(changed)
    row.save()
    with pytest.raises(InvalidTag):
        national_id_of(kari.pk)


@pytest.mark.django_db
def test_a_ciphertext_of_another_kind_is_not_taken_for_a_number() -> None:
    kari = citizen()
    address = identify(kari, ADDRESS, "kari.nordmann#9YDT")
    number = identify(kari, NATIONAL_ID, KARI.national_id)
    number.ciphertext = address.ciphertext
    number.save()
    with pytest.raises(InvalidTag):
        national_id_of(kari.pk)


@pytest.mark.django_db
def test_what_names_one_citizen_is_never_moved_to_another() -> None:
    kari, other = citizen(), citizen()
    identify(kari, ADDRESS, "kari.nordmann#9YDT")
    with pytest.raises(Taken):
        identify(other, ADDRESS, "kari.nordmann#9ydt")
    assert find_citizen(ADDRESS, "kari.nordmann#9YDT") == kari
    assert Identifier.objects.count() == 1


@pytest.mark.django_db
def test_every_address_names_her_and_the_latest_is_current() -> None:
    kari = citizen()
    identify(kari, ADDRESS, "kari.nordmann#9YDT", "984661185")
    identify(kari, ADDRESS, "9001", "922020175")
    assert find_citizen(ADDRESS, "kari.nordmann#9YDT") == find_citizen(ADDRESS, "9001") == kari
    assert mailbox_address_of(kari.pk) == mailbox_address_of(kari.pk, "922020175") == "9001"
    with pytest.raises(Identifier.DoesNotExist):
        mailbox_address_of(kari.pk, "984661185")
    identify(kari, ADDRESS, "kari.nordmann#9YDT")
    assert mailbox_address_of(kari.pk, "984661185") == "kari.nordmann#9YDT"
    assert Identifier.objects.filter(current=True).count() == 1


@pytest.mark.django_db
def test_a_database_keeps_one_current_of_each_kind() -> None:
    kari = citizen()
    identify(kari, ADDRESS, "kari.nordmann#9YDT")
    identify(kari, ADDRESS, "9001")
    with pytest.raises(IntegrityError), transaction.atomic():
        Identifier.objects.update(current=True)


@pytest.mark.django_db
def test_what_two_claim_names_neither() -> None:
    kari, other = citizen(), citizen()
    row = identify(kari, ADDRESS, "kari.nordmann#9YDT")
    Identifier.objects.filter(id=row.id).update(claimed_by=other)
    assert find_citizen(ADDRESS, "kari.nordmann#9YDT") is None
    assert citizens_by_value(ADDRESS, {"kari.nordmann#9YDT"}) == {}
    with pytest.raises(Identifier.DoesNotExist):
        mailbox_address_of(kari.pk)
    with pytest.raises(Taken):
        identify(kari, ADDRESS, "kari.nordmann#9YDT")


@pytest.mark.django_db
def test_by_her_latest_number_she_is_asked_about() -> None:
    her = citizen()
    for number in (KARI.national_id, OLA.national_id, KARI.national_id):
        identify(her, NATIONAL_ID, number)
    assert national_ids_of([her.id]) == {her.id: KARI.national_id}


@pytest.mark.django_db
def test_an_inactive_citizen_is_not_found() -> None:
    identify(citizen(is_active=False), NATIONAL_ID, KARI.national_id)
    assert find_citizen(NATIONAL_ID, KARI.national_id) is None
    assert citizens_by_value(NATIONAL_ID, {KARI.national_id}) == {}


@pytest.mark.django_db
def test_many_values_are_looked_up_in_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    kari, ola = citizen("Kari"), citizen("Ola")
    identify(kari, NATIONAL_ID, KARI.national_id)
    identify(ola, NATIONAL_ID, OLA.national_id)
    wanted = {KARI.national_id, OLA.national_id, PERSONS[2].national_id}
    with django_assert_num_queries(1):
        found = citizens_by_value(NATIONAL_ID, wanted)
    assert found == {KARI.national_id: kari, OLA.national_id: ola}


def test_what_is_sealed_is_read_for_its_own_purpose_alone() -> None:
    sealed = seal("id_token", "header.claims.signature")
    assert unseal("id_token", sealed) == "header.claims.signature"
    assert "claims" not in sealed
    with pytest.raises(InvalidTag):
        unseal("other", sealed)
