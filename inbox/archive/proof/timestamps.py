"""A time-stamp token of RFC 3161 on the log's head, once a day.

It proves that all that the head covers was there by then, also when our keys and the witness's are
long since broken. Kept as `log/timestamps/<size>.tsr`, beside the checkpoint that it is of
(`<size>.note`) and the certificates that it needs (`<size>.pem`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from connectors.http import Http
from connectors.tlog import tiles
from inbox.archive.proof import log
from inbox.archive.proof.failures import TIMESTAMPS, Untrusted, noted
from inbox.archive.proof.log import STAMPS, folder

ANSWER_MAX = 100_000


def stamp() -> bool:
    """Have the newest head stamped unless that is done for today (UTC, real time); returns if so.

    A log that has not grown since needs no second token. Does nothing unless ARCHIVE_PROOF=full.
    Raises Untrusted for a token that is not good, ConnectorError when none comes; both are noted
    for operators.
    """
    signed = _newest_signed()
    if settings.ARCHIVE_PROOF != "full" or signed is None:
        return False
    text, size = signed
    last = newest()
    if last and (last[0] >= size or last[1].date() >= datetime.now(UTC).date()):
        return False
    with noted(TIMESTAMPS):
        token, response = _ask(text.encode())
        files = [
            (f"{STAMPS}/{size}.note", text.encode()),
            (f"{STAMPS}/{size}.pem", _chain(response)),
            (f"{STAMPS}/{size}.tsr", token),  # last: the others are there when it is
        ]
        tiles.write(folder(), files)
    return True


def newest() -> tuple[int, datetime] | None:
    """Return size and time of the newest token; None while there is none."""
    sizes = [int(path.stem) for path in (folder() / STAMPS).glob("*.tsr") if path.stem.isdecimal()]
    if not sizes:
        return None
    size = max(sizes)
    return size, verified(size)


def verified(size: int) -> datetime:
    """Check the token of a size against its checkpoint; returns when it was given.

    The roots are those of ARCHIVE_TSA_CERTIFICATES_FILE. Raises Untrusted.
    """
    place = folder() / STAMPS
    try:
        token, text = (place / f"{size}.tsr").read_bytes(), (place / f"{size}.note").read_bytes()
    except FileNotFoundError as error:
        raise Untrusted(f"{Path(str(error.filename)).name} is missing") from None
    response = _decoded(token)
    _verify(VerifierBuilder(), response, text)
    return response.tst_info.gen_time


def _newest_signed() -> tuple[str, int] | None:
    """Return the newest head, with the witness's signature where there is one on it."""
    head = log.signed_head()
    if head.size == 0:
        return None
    for text, each in log.heads():
        if each.size == head.size:
            return text, head.size
    return None


def _ask(data: bytes) -> tuple[bytes, TimeStampResponse]:
    request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
    # The address is used as it is: `Http` would put a slash behind it.
    address = urlsplit(settings.ARCHIVE_TSA_URL)
    http = Http(f"{address.scheme}://{address.netloc}")
    try:
        answer = http.post(
            address.path or "/",
            content=request.as_bytes(),
            headers={"Content-Type": "application/timestamp-query"},
            max_bytes=ANSWER_MAX,
        )
    finally:
        http.close()
    response = _decoded(answer.content)
    _verify(VerifierBuilder.from_request(request), response, data)
    return answer.content, response


def _decoded(token: bytes) -> TimeStampResponse:
    try:
        return decode_timestamp_response(token)
    except ValueError as error:
        raise Untrusted(f"the time-stamping authority's answer is no token: {error}") from error


def _verify(builder: VerifierBuilder, response: TimeStampResponse, data: bytes) -> None:
    for certificate in _certificates():
        if certificate.issuer == certificate.subject:
            builder = builder.add_root_certificate(certificate)
        else:
            builder = builder.add_intermediate_certificate(certificate)
    try:
        builder.build().verify_message(response, data)
    except (VerificationError, ValueError) as error:
        raise Untrusted(f"a time stamp that is not good: {error}") from error


def _certificates() -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(
        Path(settings.ARCHIVE_TSA_CERTIFICATES_FILE).read_bytes()
    )


def _chain(response: TimeStampResponse) -> bytes:
    """Return the certificates from the token's signer to the root, as PEM."""
    signers = [x509.load_der_x509_certificate(each) for each in response.signed_data.certificates]
    chain = dict.fromkeys([*signers, *_certificates()])
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain)
