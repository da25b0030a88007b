"""The encrypted package: CMS EnvelopedData (RFC 5652 §6), as DPI profiles it.

One recipient by issuer and serial number, RSAES-OAEP (RFC 8017 A.2.1) with SHA-1 or SHA-256,
AES-256-CBC (RFC 3565). Published packages are BER with indefinite lengths, not DER.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from asn1crypto import algos, cms, parser
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from connectors.dpi.envelope import Identity
from connectors.dpi.refusal import OurFault, Refusal

HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}
KEY_BYTES = 32
BLOCK_BYTES = 16
STEP_BYTES = 1_000_000
PIECE_MAX_BYTES = 16_384
CHUNKS_MAX = 200_000
"""What writes chunks makes them of 1,000 bytes or more."""
OCTET_STRING, SEQUENCE, SET = 0x04, 0x30, 0x31
IMPLICIT, EXPLICIT, UNPROTECTED = 0x80, 0xA0, 0xA1
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


def decrypt(data: bytes, identities: Sequence[Identity]) -> bytes:
    """Return what was encrypted to one of `identities`. Raises Refusal.

    Several are ours while a key is replaced: senders use the old certificate for a while.
    """
    try:
        enveloped = _enveloped(data)
        return _content(enveloped, _content_key(enveloped.recipients, identities))
    except MALFORMED:
        raise Refusal("the package is not encrypted as DPI prescribes") from None


def encrypt(data: bytes, certificate: x509.Certificate) -> bytes:
    """Return `data` as EnvelopedData (DER) for the holder of `certificate`, OAEP with SHA-256."""
    key, iv = os.urandom(KEY_BYTES), os.urandom(BLOCK_BYTES)
    padder = padding.PKCS7(BLOCK_BYTES * 8).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    padded = padder.update(data) + padder.finalize()
    public_key = certificate.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise ValueError("the recipient's key is not RSA")
    enveloped = {
        "version": "v0",
        "recipient_infos": [_recipient(certificate, public_key.encrypt(key, _oaep("sha256")))],
        "encrypted_content_info": {
            "content_type": "data",
            "content_encryption_algorithm": {"algorithm": "aes256_cbc", "parameters": iv},
            "encrypted_content": encryptor.update(padded) + encryptor.finalize(),
        },
    }
    return bytes(cms.ContentInfo({"content_type": "enveloped_data", "content": enveloped}).dump())


@dataclass(frozen=True, slots=True)
class _Enveloped:
    """The parts of an EnvelopedData; the content lies in its chunks, not copied."""

    recipients: Any
    algorithm: Any
    chunks: list[memoryview]


def _enveloped(data: bytes) -> _Enveloped:
    """Take the package apart without copying its content (RFC 5652 §3 and §6.1)."""
    reader = _Reader(memoryview(data))
    reader.enter(SEQUENCE)
    if cms.ContentType.load(reader.piece()).native != "enveloped_data":
        raise Refusal("the package is not encrypted")
    reader.enter(EXPLICIT)
    reader.enter(SEQUENCE)
    # Of originatorInfo and unprotectedAttrs the profile says that they are not there.
    if cms.CMSVersion.load(reader.piece()).native != "v0" or reader.next() != SET:
        raise Refusal("the package is encrypted with fields outside DPI's profile")
    recipients = cms.RecipientInfos.load(reader.piece(), strict=True)
    reader.enter(SEQUENCE)
    if cms.ContentType.load(reader.piece()).native != "data":
        raise Refusal("the package is not encrypted as DPI prescribes")
    algorithm = cms.EncryptionAlgorithm.load(reader.piece(), strict=True)
    chunks = reader.octets()
    reader.leave()
    if reader.next() == UNPROTECTED:
        raise Refusal("the package is encrypted with fields outside DPI's profile")
    for _ in range(3):
        reader.leave()
    if reader.at != len(data):
        raise ValueError("something behind the end")
    return _Enveloped(recipients, algorithm, chunks)


class _Reader:
    """Walks through BER, element by element; raises ValueError or IndexError."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._ends: list[int | None] = []
        self.at = 0

    def next(self) -> int:
        """Return the tag of the next element; 0 at the end of one of indefinite length."""
        return self._data[self.at] if self.at < len(self._data) else 0

    def enter(self, tag: int) -> None:
        """Go into the next element."""
        length = self._header(tag)
        self._ends.append(None if length is None else self.at + length)

    def leave(self) -> None:
        """Go out of the element, which must have been read to its end."""
        end = self._ends.pop()
        if end is None:
            self._header(0)
        elif self.at != end:
            raise ValueError("more in an element than there should be")

    def piece(self) -> bytes:
        """Return the next element as it is; a small one."""
        some = bytes(self._data[self.at : self.at + PIECE_MAX_BYTES])
        length = parser.peek(some)
        self.at += length
        return some[:length]

    def octets(self) -> list[memoryview]:
        """Return the content: implicitly tagged 0, in one piece or in chunks (X.690 §8.7)."""
        if self.next() == IMPLICIT:
            return [self._chunk(IMPLICIT)]
        self.enter(EXPLICIT)
        end = self._ends[-1]
        chunks: list[memoryview] = []
        while self.at != end and not (end is None and self.next() == 0):
            if len(chunks) == CHUNKS_MAX:
                raise ValueError("too many chunks")
            chunks.append(self._chunk(OCTET_STRING))
        self.leave()
        return chunks

    def _chunk(self, tag: int) -> memoryview:
        length = self._header(tag)
        if length is None or self.at + length > len(self._data):
            raise ValueError("a chunk that is not a plain octet string")
        self.at += length
        return self._data[self.at - length : self.at]

    def _header(self, tag: int) -> int | None:
        """Read a tag, which must be this one, and a length; None for an indefinite one."""
        if self._data[self.at] != tag:
            raise ValueError("another element than expected")
        length = self._data[self.at + 1]
        self.at += 2
        if length == 0x80:
            return None
        if length > 0x80:
            size = length - 0x80
            length = int.from_bytes(self._data[self.at : self.at + size], "big")
            self.at += size
        if tag == 0 and length:
            raise ValueError("an end that is none")
        return length


def _content_key(recipients: Any, identities: Sequence[Identity]) -> bytes:
    if len(recipients) != 1 or recipients[0].name != "ktri":
        raise Refusal("the package is not encrypted to exactly one key")
    recipient = recipients[0].chosen
    ours = [each for each in identities if _is_for(recipient["rid"], each.certificate)]
    if not ours:
        # The sender takes the certificate from KRR, where we put it: it may be a key that we
        # no longer have at hand, and the sender cannot mend that.
        raise OurFault("the package is encrypted to another key than ours")
    algorithm = recipient["key_encryption_algorithm"]
    if algorithm["algorithm"].native != "rsaes_oaep":
        raise Refusal("the package's key is not encrypted with RSAES-OAEP")
    try:
        key = ours[0].key.decrypt(recipient["encrypted_key"].native, _oaep_of(algorithm))
    except ValueError:
        raise Refusal("the package's key cannot be decrypted with ours") from None
    if len(key) != KEY_BYTES:
        raise Refusal("the package's key is not of 256 bits")
    return key


def _is_for(rid: Any, certificate: x509.Certificate) -> bool:
    if rid.name != "issuer_and_serial_number":
        return False
    if rid.chosen["serial_number"].native != certificate.serial_number:
        return False
    ours = certificate.issuer.public_bytes()
    # The same bytes, as a rule; otherwise the same name in another encoding.
    return bool(
        rid.chosen["issuer"].dump() == ours or rid.chosen["issuer"] == asn1_x509.Name.load(ours)
    )


def _oaep_of(algorithm: Any) -> rsa_padding.OAEP:
    """The padding that the parameters name; what they leave out is SHA-1 (RFC 8017 A.2.1)."""
    parameters = algorithm["parameters"]
    digest = parameters["hash_algorithm"]["algorithm"].native
    mask = parameters["mask_gen_algorithm"]
    mask_digest = mask["parameters"]["algorithm"].native
    label = parameters["p_source_algorithm"]["parameters"].native
    if mask["algorithm"].native != "mgf1" or label or {digest, mask_digest} - HASHES.keys():
        raise Refusal("the package's key is encrypted with parameters outside DPI's profile")
    return _oaep(digest, mask_digest)


def _oaep(digest: str, mask_digest: str = "") -> rsa_padding.OAEP:
    mask = rsa_padding.MGF1(HASHES[mask_digest or digest]())
    return rsa_padding.OAEP(mask, HASHES[digest](), None)


def _content(enveloped: _Enveloped, key: bytes) -> bytes:
    if enveloped.algorithm["algorithm"].native != "aes256_cbc":
        raise Refusal("the package's content is not encrypted with AES-256-CBC")
    iv = enveloped.algorithm["parameters"].native
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    # What lies in a BytesIO is taken out of it without a copy of its 50 MB.
    plain, written = io.BytesIO(), 0
    for chunk in enveloped.chunks:
        for start in range(0, len(chunk), STEP_BYTES):
            written += plain.write(decryptor.update(chunk[start : start + STEP_BYTES]))
    decryptor.finalize()
    unpadder = padding.PKCS7(BLOCK_BYTES * 8).unpadder()
    plain.seek(max(0, written - BLOCK_BYTES))
    last = unpadder.update(plain.read()) + unpadder.finalize()
    plain.truncate(written - BLOCK_BYTES + len(last))
    return plain.getvalue()


def _recipient(certificate: x509.Certificate, encrypted_key: bytes) -> Any:
    rid, algorithm = _addressed(certificate)
    return cms.RecipientInfo(
        "ktri",
        {
            "version": "v0",
            "rid": cms.RecipientIdentifier(
                "issuer_and_serial_number", cms.IssuerAndSerialNumber.load(rid)
            ),
            "key_encryption_algorithm": cms.KeyEncryptionAlgorithm.load(algorithm),
            "encrypted_key": encrypted_key,
        },
    )


@lru_cache(maxsize=16)
def _addressed(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """The DER of what is the same in every package for one recipient: most of the work."""
    holder = asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
    rid = {"issuer": holder.issuer, "serial_number": holder.serial_number}
    mask = {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}}
    parameters = algos.RSAESOAEPParams(
        {"hash_algorithm": {"algorithm": "sha256"}, "mask_gen_algorithm": mask}
    )
    algorithm = {"algorithm": "rsaes_oaep", "parameters": parameters}
    return (
        cms.IssuerAndSerialNumber(rid).dump(),
        cms.KeyEncryptionAlgorithm(algorithm).dump(),
    )
