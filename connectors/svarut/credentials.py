"""What a receiving system has of SvarUt, made up for the simulator: passwords, key, certificate."""

from __future__ import annotations

import os
import secrets
import uuid
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from connectors.keys import ensure_rsa_key

USERNAME = "samlepost"
INTEGRATION_ID = "5a2c1f0e-7d52-4d0f-9a35-2b8a4f1f6c11"
VALID_FROM, VALID_UNTIL = datetime(2016, 1, 1, tzinfo=UTC), datetime(2056, 1, 1, tzinfo=UTC)


class Credentials:
    """The files in `folder`, made on first use."""

    def __init__(self, folder: Path) -> None:
        self.key_file = folder / "decryption.key.pem"
        self.certificate_file = folder / "decryption.pem"
        self.password_file = folder / "service-password.txt"
        self.integration_password_file = folder / "integration-password.txt"
        self.certificate = self._certificate()
        pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        _write_once(self.certificate_file, pem)
        for file in (self.password_file, self.integration_password_file):
            _write_once(file, secrets.token_urlsafe(24).encode())

    def _certificate(self) -> x509.Certificate:
        """Self-signed, as KS's documentation has it made; the same key gives the same one."""
        key = ensure_rsa_key(self.key_file)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Samlepost simulated receiver")])
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
        serial = int.from_bytes(identifier[:16]) >> 1 or 1
        return (
            x509.CertificateBuilder(name, name, key.public_key(), serial)
            .not_valid_before(VALID_FROM)
            .not_valid_after(VALID_UNTIL)
            .sign(key, hashes.SHA256())
        )


def _write_once(path: Path, content: bytes) -> None:
    """Write the file, whole, unless it is there; of several processes the first one's counts."""
    if path.exists():
        return
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
