"""National identity numbers that stand where they should not are hidden."""

from __future__ import annotations

import pytest

from inbox.citizens.masking import masked, masked_reference


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a 01829012345 b", "a ••••••••••• b"),
        ("018290 12345", "•••••••••••"),
        ("018290123456", "018290123456"),
        ("id-1234567890", "id-1234567890"),
    ],
)
def test_eleven_digits_are_masked_and_other_numbers_are_not(text, shown):
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("brev-17849200399", "brev-•••••••••••"),
        ("brev 178492 00399", "brev •••••••••••"),
        ("20261100001", "20261100001"),
        ("178492003990", "178492003990"),
    ],
)
def test_of_references_those_alone_are_masked_whose_check_digits_are_right(text, shown):
    assert masked_reference(text) == shown
