"""A bag as strangers check it: by the BagIt library, and by its own program without us."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import bagit
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from lxml import etree

from inbox.archive.bag import premis
from inbox.archive.bag.verify import Check, is_signed, root_of
from inbox.archive.bag.writing import Bag, Entry
from tests.archive.bags import Log, canonical, tree_path, tree_root, unpack, verify

AT = datetime(2026, 11, 27, 12, tzinfo=UTC)
DATA = Path(__file__).parent / "data"
RFC_8032 = [
    # Section 7.1: secret key, message, signature.
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONn"
    "cAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
"""C2SP signed-note, "Example"."""
LETTER = "letters/2026 NAV"


@pytest.mark.parametrize(("secret", "message", "signature"), RFC_8032)
def test_signatures_are_judged_as_by_rfc_8032(secret: str, message: str, signature: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).public_key()
    public, said, signed = key.public_bytes_raw(), bytes.fromhex(message), bytes.fromhex(signature)
    assert is_signed(public, said, signed)
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signed[32:], "little")
    for wrong in (
        signed[:-1],
        bytes([signed[0] ^ 1]) + signed[1:],
        # The same signature once around the group: malleable, and so refused.
        signed[:32] + (s + order).to_bytes(32, "little"),
    ):
        assert not is_signed(public, said, wrong)
    assert not is_signed(public, said + b".", signed)
    assert not is_signed(bytes(31) + b"\x80", said, signed)


def test_a_note_of_the_specification_holds_and_none_that_was_changed() -> None:
    check = Check(None, [C2SP_KEY], str)
    assert check.note(C2SP_NOTE)[0] == "is not signed by the log's key"
    assert "does not hold" in check.note(C2SP_NOTE.replace("example m", "other m"))[0]


def test_inclusion_is_judged_as_rfc_9162_defines_trees() -> None:
    for size in range(1, 18):
        leaves = [b"%d" % number for number in range(size)]
        for index, leaf in enumerate(leaves):
            path, root = tree_path(index, leaves), tree_root(leaves)
            assert root_of(leaf, index, size, path) == root
            assert root_of(leaf, index, size, [*path, bytes(32)]) != root
            assert root_of(leaf, (index + 1) % (size + 1), size, path) != root or size == 1
    assert root_of(b"0", 1, 1, []) is None


SHOWN = "Brev 50 _ æøå.pdf"


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def bag(log: Log, tmp_path: Path) -> Path:
    """A bag with one letter, of two versions, the second of which the log does not have yet."""
    object_id = str(uuid4())
    versions = []
    files: dict[str, bytes] = {"Brev 50 _ æøå.pdf": b"%PDF", "evidence/1/v1/original/a.json": b"{}"}
    lies = {
        "files/0001.pdf": "Brev 50 _ æøå.pdf",
        "original/a.json": "evidence/1/v1/original/a.json",
    }
    for version in (1, 2):
        seal = canonical(
            {
                "events": [],
                "files": [
                    {
                        "media_type": "application/pdf",
                        "path": path,
                        "sha256": hashlib.sha256(files[name]).hexdigest(),
                        "size": len(files[name]),
                    }
                    for path, name in lies.items()
                ],
                "format": "samlepost-seal/1",
                "object": object_id,
                "salt": "00" * 32,
                "sealed_at": "2026-11-27T12:00:00.000Z",
                "source": "altinn",
                "version": version,
            }
        )
        folder = f"evidence/1/v{version}"
        files[f"{folder}/seal.json"] = seal
        if version == 1:
            files[f"{folder}/proof.tlog-proof"] = log.proof(log.add(seal)).encode()
        versions.append(
            {
                "version": version,
                "seal": f"{folder}/seal.json",
                "proof": f"{folder}/proof.tlog-proof" if version == 1 else None,
                "files": [{"path": path, "file": name} for path, name in lies.items()],
            }
        )
    kept = {"object": object_id, "versions": versions}
    said = {"deliveries": [{"kept": kept}], "documents": [{"file": SHOWN}, {"file": None}]}
    files["letter.json"] = json.dumps(said).encode()
    payload = {f"{LETTER}/{name}": content for name, content in files.items()}
    payload["log/checkpoint"] = log.checkpoint().encode()
    payload["log/keys.txt"] = "\n".join([*log.keys(), ""]).encode()
    made = Bag("bag", AT, [("Source-Organization", "Samlepost")])
    return unpack(
        made.entries(_entries(payload), _entries({"index.html": b"<!doctype html>"})), tmp_path
    )


def _entries(files: dict[str, bytes]) -> list[Entry]:
    return [(name, AT, iter([content])) for name, content in files.items()]


def test_the_bagit_library_and_its_own_program_accept_a_bag(bag: Path) -> None:
    assert bagit.Bag(str(bag)).validate()
    done = verify(bag)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"OK    data/{LETTER}/Brev 50 _ æøå.pdf" in done.stdout
    assert f"data/{LETTER}/evidence/1/v2/seal.json: not yet in the log" in done.stdout
    assert "2 seals, 1 in the log." in done.stdout
    assert "No fault, but not all is in the log." in done.stdout


def test_a_bit_flipped_in_any_file_is_named(bag: Path) -> None:
    names = [path.relative_to(bag).as_posix() for path in bag.rglob("*") if path.is_file()]
    for name in names:
        if name == "verify.py":
            continue
        file = bag / name
        whole = file.read_bytes()
        file.write_bytes(bytes([whole[0] ^ 4]) + whole[1:])
        done = verify(bag)
        assert done.returncode == 1, name
        assert f"FAULT {name}" in done.stdout, (name, done.stdout, done.stderr)
        file.write_bytes(whole)
    assert verify(bag).returncode == 0


def test_what_is_missing_or_too_much_is_named(bag: Path) -> None:
    (bag / "data" / "extra.txt").write_bytes(b"")
    (bag / f"data/{LETTER}/evidence/1/v1/original/a.json").unlink()
    (bag / "extra.html").write_bytes(b"")
    said = verify(bag).stdout
    assert "FAULT data/extra.txt: does not belong" in said
    assert "FAULT extra.html: does not belong" in said
    assert f"FAULT data/{LETTER}/evidence/1/v1/original/a.json: is missing" in said
    assert "original/a.json: was sealed and is not here" in said


def _again(bag: Path, name: str, content: bytes) -> None:
    """Change a file and write the manifests anew, as a forger would."""
    (bag / name).write_bytes(content)
    remade = bagit.Bag(str(bag))
    remade.save(manifests=True)


def test_a_forger_who_writes_the_manifests_anew_is_found_by_the_seal(bag: Path) -> None:
    _again(bag, f"data/{LETTER}/Brev 50 _ æøå.pdf", b"%PDG")
    said = verify(bag).stdout
    assert (
        f"FAULT data/{LETTER}/Brev 50 _ æøå.pdf: is not what was sealed as files/0001.pdf" in said
    )


def test_a_document_beside_what_was_sealed_is_found(bag: Path) -> None:
    """What a reader opens is another file than the one that the seal is held against."""
    place = bag / f"data/{LETTER}"
    (place / "original.pdf").write_bytes((place / SHOWN).read_bytes())
    said = json.loads((place / "letter.json").read_text())
    for version in said["deliveries"][0]["kept"]["versions"]:
        version["files"][0]["file"] = "original.pdf"
    (place / "letter.json").write_text(json.dumps(said))
    assert "no seal of" not in verify(bag).stdout
    _again(bag, f"data/{LETTER}/{SHOWN}", b"%PDG")
    done = verify(bag)
    assert done.returncode == 1
    assert f"FAULT data/{LETTER}/{SHOWN}: is in no seal of the letter" in done.stdout


def test_a_letter_of_which_the_seals_were_left_out_is_not_said_to_be_whole(bag: Path) -> None:
    name = f"data/{LETTER}/letter.json"
    _again(bag, name, json.dumps({"deliveries": [{"kept": None}]}).encode())
    said = verify(bag).stdout
    assert f"data/{LETTER}/: has no seal" in said
    assert "Everything is as it was." not in said


def test_json_that_is_nested_without_end_is_a_fault_like_others(bag: Path) -> None:
    name = f"data/{LETTER}/letter.json"
    _again(bag, name, b"[" * 200_000)
    assert f"FAULT {name}: cannot be understood" in verify(bag).stdout


def test_a_seal_that_was_written_anew_is_found_by_the_log(bag: Path) -> None:
    name = f"data/{LETTER}/evidence/1/v1/seal.json"
    _again(bag, name, (bag / name).read_bytes().replace(b"altinn", b"xltinn"))
    said = verify(bag).stdout
    assert "proof.tlog-proof: the log's leaf is not of this seal" in said


def test_another_log_is_no_proof_to_who_knows_the_key(bag: Path, log: Log) -> None:
    assert verify(bag, *log.keys()).returncode == 0
    done = verify(bag, Log().keys()[0])
    assert done.returncode == 1
    assert "is not signed by the log's key" in done.stdout


def test_a_witness_whose_signature_does_not_hold_is_named(bag: Path) -> None:
    name = "data/log/checkpoint"
    lines = (bag / name).read_text().split("\n")
    lines[-2] = lines[-2][:-8] + "AAAAAAA="
    _again(bag, name, "\n".join(lines).encode())
    assert f"FAULT {name}: the signature of {Log.witness} does not hold" in verify(bag).stdout


def test_premis_is_valid_by_its_schema() -> None:
    schema = etree.XMLSchema(etree.parse(str(DATA / "premis-v3-0.xsd")))
    files = [premis.File("Brev.pdf", "00" * 32, 12, "application/pdf", "brev\x01.pdf")]
    events = [
        premis.Happened("1", "received", "2026-11-27T12:00:00+00:00", "from altinn", "success")
    ]
    made = etree.fromstring(premis.document(str(uuid4()), "Vedtak", files, events))
    schema.assertValid(made)
    schema.assertValid(etree.fromstring(premis.document(str(uuid4()), "", [], [])))
