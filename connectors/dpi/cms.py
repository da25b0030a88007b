"""The encrypted package: CMS EnvelopedData (RFC 5652 §6), as DPI profiles it.

One recipient by issuer and serial number, RSAES-OAEP (RFC 8017 A.2.1) with SHA-1 or SHA-256,
AES-256-CBC (RFC 3565). Published packages are BER with indefinite lengths, not DER.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from asn1crypto import algos, cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from connectors.dpi.envelope import Identity
from connectors.dpi.refusal import Refusal

HASHES: dict[str, type[hashes.HashAlgorithm]] = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}
KEY_BYTES = 32
BLOCK_BYTES = 16
OCTET_STRING = 0x04
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


def decrypt(data: bytes, identity: Identity) -> bytes:
    """Return what was encrypted to `identity`. Raises Refusal."""
    try:
        enveloped = _enveloped(data)
        key = _content_key(enveloped, identity)
        return _content(enveloped["encrypted_content_info"], key)
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


def _enveloped(data: bytes) -> Any:
    info = cms.ContentInfo.load(data, strict=True)
    if info["content_type"].native != "enveloped_data":
        raise Refusal("the package is not encrypted")
    return info["content"]


def _content_key(enveloped: Any, identity: Identity) -> bytes:
    recipients = enveloped["recipient_infos"]
    if len(recipients) != 1 or recipients[0].name != "ktri":
        raise Refusal("the package is not encrypted to exactly one key")
    recipient = recipients[0].chosen
    if not _is_for(recipient["rid"], identity.certificate):
        raise Refusal("the package is encrypted to another key than ours")
    algorithm = recipient["key_encryption_algorithm"]
    if algorithm["algorithm"].native != "rsaes_oaep":
        raise Refusal("the package's key is not encrypted with RSAES-OAEP")
    try:
        key = identity.key.decrypt(recipient["encrypted_key"].native, _oaep_of(algorithm))
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


def _content(info: Any, key: bytes) -> bytes:
    algorithm = info["content_encryption_algorithm"]
    if algorithm["algorithm"].native != "aes256_cbc":
        raise Refusal("the package's content is not encrypted with AES-256-CBC")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(algorithm["parameters"].native)).decryptor()
    unpadder = padding.PKCS7(BLOCK_BYTES * 8).unpadder()
    plain = decryptor.update(_octets(info["encrypted_content"])) + decryptor.finalize()
    return unpadder.update(plain) + unpadder.finalize()


def _octets(value: Any) -> bytes:
    """Join the chunks of a constructed octet string; asn1crypto's own way is quadratic."""
    data: bytes = value.contents
    if value.method == 0:
        return data
    chunks, at = [], 0
    while at < len(data) and data[at : at + 2] != b"\x00\x00":
        length, start = data[at + 1], at + 2
        if data[at] != OCTET_STRING or length in (0x80, 0xFF):
            raise ValueError("a chunk that is not a plain octet string")
        if length > 0x80:
            size = length - 0x80
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        at = start + length
        if at > len(data):
            raise ValueError("a chunk longer than the whole")
        chunks.append(data[start:at])
    return b"".join(chunks)


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
