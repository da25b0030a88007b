"""Files and check digits: pure rules."""

from __future__ import annotations

import pytest

from inbox.letters.payment import account_is_right, kid_is_right
from inbox.letters.uploads import media_type_of, safe_name


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"%PDF-1.7", "application/pdf"),
        (b"junk\n%PDF-1.4", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n..", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"<html>", ""),
        (b"MZ\x90", ""),
        (b"", ""),
    ],
)
def test_a_file_is_what_its_content_shows(start: bytes, media_type: str) -> None:
    assert media_type_of(start) == media_type


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("lønn.pdf", "lønn.pdf"),
        ("..\\..\\evil.exe", "evil.pdf"),
        ("/etc/passwd", "passwd.pdf"),
        ("a\nb\x00c\u202egpj.pdf", "abcgpj.pdf"),
        ("", "vedlegg.pdf"),
        (".pdf", "pdf.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
def test_a_name_is_made_fit_to_be_sent(name: str, safe: str) -> None:
    assert safe_name(name, "application/pdf") == safe


def test_a_name_is_cut_by_bytes_and_between_characters() -> None:
    name = safe_name("ø" * 200 + ".pdf", "application/pdf")
    assert len(name.encode()) <= 255 and name.endswith("ø.pdf")


@pytest.mark.parametrize(
    ("kid", "right"),
    [
        ("2345676", True),  # mod 10, the example of the OCR specification
        ("12345678903", True),  # mod 11
        ("2345677", False),
        ("1", False),
        ("", False),
        ("12a4", False),
        ("1" * 26, False),
    ],
)
def test_a_kid_is_right_by_mod_10_or_mod_11(kid: str, right: bool) -> None:
    assert kid_is_right(kid) is right


@pytest.mark.parametrize(
    ("account", "right"),
    [("86011117947", True), ("8601 11 17947", True), ("86011117948", False), ("123", False)],
)
def test_an_account_number_has_its_check_digit(account: str, right: bool) -> None:
    assert account_is_right(account) is right
