"""Transparency logs: published vectors of others, and trees against their definition."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from connectors.tlog import checkpoint, cosignature, merkle, note, proof, tiles
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.cosignature import Cosigner
from connectors.tlog.merkle import BadProof, Frontier, leaf_hash
from connectors.tlog.note import BadNote, Note, Signer
from connectors.tlog.proof import Proof
from connectors.tlog.tiles import Broken, Tiles

VECTORS = json.loads((Path(__file__).parent / "data/tlog/merkle.json").read_text("utf-8"))

# The eight leaves of the CT reference tests (google/certificate-transparency,
# cpp/merkletree/merkle_tree_test.cc), and the roots of the trees of 1 to 8 of them.
CT_LEAVES = [
    bytes.fromhex(each)
    for each in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# The examples of c2sp.org/signed-note.
SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""  # noqa: E501
# From golang.org/x/mod/sumdb/note (note_test.go), and a witness's key from
# github.com/transparency-dev/formats (note/note_cosigv1_test.go).
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
COSIGNER_VKEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
COSIGNED_AT = (
    "ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJ"
    "XORmnFBOBA==",
    1727964367,
)


def b64(text: str) -> bytes:
    return base64.b64decode(text) if text else b""


def root_by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return merkle.EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(root_by_definition(leaves[:k]), root_by_definition(leaves[k:]))


def grown(folder: Path, entries: list[bytes], old: int = 0) -> Tiles:
    tiles.write(folder, tiles.grow(Tiles(folder, old), entries))
    tiles.clear_away(folder, old, old + len(entries))
    return Tiles(folder, old + len(entries))


def test_roots_of_the_ct_reference_tree(tmp_path: Path):
    for size, expected in enumerate(CT_ROOTS, 1):
        frontier = Frontier()
        for entry in CT_LEAVES[:size]:
            frontier.append(leaf_hash(entry))
        assert frontier.root().hex() == expected
        found = grown(tmp_path, CT_LEAVES[size - 1 : size], size - 1)
        assert merkle.root(size, found).hex() == expected


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda each: each["file"])
def test_inclusion_is_judged_as_the_vectors_say(vector: dict):
    path = [b64(each) for each in vector["proof"] or []]
    arguments = (b64(vector["leafHash"]), vector["leafIdx"], vector["treeSize"], path)
    if vector["wantErr"]:
        with pytest.raises(BadProof):
            merkle.verify_inclusion(*arguments, b64(vector["root"]))
    else:
        merkle.verify_inclusion(*arguments, b64(vector["root"]))


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda each: each["file"])
def test_consistency_is_judged_as_the_vectors_say(vector: dict):
    path = [b64(each) for each in vector["proof"] or []]
    arguments = (vector["size1"], vector["size2"], path, b64(vector["root1"]), b64(vector["root2"]))
    if vector["wantErr"]:
        with pytest.raises(BadProof):
            merkle.verify_consistency(*arguments)
    else:
        merkle.verify_consistency(*arguments)


def test_every_proof_of_small_trees_and_some_of_large_ones(tmp_path: Path):
    rnd = random.Random(7)
    entries = [rnd.randbytes(rnd.randint(0, 40)) for _ in range(70_000)]
    hashes = [leaf_hash(entry) for entry in entries]
    size = 0
    for step in (1, 2, 61, 191, 1, 1, 300, 69_443):  # 64, then 255, 256 and 257 leaves
        found = grown(tmp_path, entries[size : size + step], size)
        size += step
        assert merkle.root(size, found) == root_by_definition(hashes[:size])
    sizes = [*range(1, 40), 255, 256, 257, 65_536, 65_537, 70_000]
    roots = {each: root_by_definition(hashes[:each]) for each in sizes}
    for new in sizes:
        for old in [each for each in sizes if each <= new]:
            path = merkle.consistency_proof(old, new, found)
            merkle.verify_consistency(old, new, path, roots[old], roots[new])
        for index in range(new) if new < 40 else rnd.sample(range(new), 20):
            path = merkle.inclusion_proof(index, new, found)
            merkle.verify_inclusion(hashes[index], index, new, path, roots[new])
    assert found.entries(70_000 // 256) == entries[70_000 // 256 * 256 :]
    partial = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.p")}
    assert partial == {f"tile/{each}.p" for each in ("0/273", "entries/273", "1/001", "2/000")}


@given(st.integers(1, 300), st.data())
def test_a_changed_proof_never_holds(size: int, data: st.DataObject):
    hashes = [leaf_hash(bytes([i % 256, i // 256])) for i in range(size)]

    class InMemory:
        def node(self, level: int, index: int) -> bytes:
            return root_by_definition(hashes[index << level : (index + 1) << level])

    index = data.draw(st.integers(0, size - 1))
    root = root_by_definition(hashes)
    path = merkle.inclusion_proof(index, size, InMemory())
    merkle.verify_inclusion(hashes[index], index, size, path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda each: each != index) | st.just(-1))
    with pytest.raises(BadProof):
        merkle.verify_inclusion(hashes[index], other, size, path, root)
    if path:
        at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(path[at], "big") ^ 1 << bit).to_bytes(32, "big")
        with pytest.raises(BadProof):
            changed = [*path[:at], flipped, *path[at + 1 :]]
            merkle.verify_inclusion(hashes[index], index, size, changed, root)
        with pytest.raises(BadProof):
            merkle.verify_inclusion(hashes[index], index, size, path[:-1], root)
    with pytest.raises(BadProof):
        merkle.verify_inclusion(hashes[index], index, size, [*path, root], root)


def test_tiles_lie_where_the_specification_says():
    assert tiles.tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tiles.tile_path(1, 1, 17) == "tile/1/001.p/17"
    assert tiles.entries_path(0, 1) == "tile/entries/000.p/1"
    widths = [tiles.width_of(level, n, 70_000) for level, n in ((0, 273), (1, 1), (2, 0), (2, 1))]
    assert widths == [112, 17, 1, 0]
    assert [tiles.width_of(level, 0, 256) for level in (0, 1, 2)] == [256, 1, 0]


def test_a_damaged_tile_or_bundle_is_named(tmp_path: Path):
    found = grown(tmp_path, CT_LEAVES)
    (tmp_path / "tile/0/000.p/8").write_bytes(b"short")
    with pytest.raises(Broken, match=r"tile/0/000\.p/8 is cut short"):
        found.node(0, 1)
    (tmp_path / "tile/entries/000.p/8").write_bytes(b"\x00\x05four")
    with pytest.raises(Broken, match=r"tile/entries/000\.p/8"):
        found.entries(0)
    (tmp_path / "tile/entries/000.p/8").unlink()
    with pytest.raises(Broken, match=r"tile/entries/000\.p/8 is missing"):
        found.entries(0)
    with pytest.raises(ValueError, match="too long"):
        tiles.pack([b"x" * 65_536])


def test_the_specifications_note_is_verified_by_its_key():
    key = note.read_vkey(SPEC_VKEY)
    read = note.read(SPEC_NOTE)
    assert read.text == "This is an example message.\n"
    assert note.opened(read, [key]) == list(read.signatures)
    assert read.encode() == SPEC_NOTE
    assert str(key) == SPEC_VKEY
    assert str(note.read_vkey(GO_VKEY)) == GO_VKEY
    with pytest.raises(BadNote):
        note.opened(note.read(SPEC_NOTE.replace("example message", "exbmple message")), [key])
    with pytest.raises(BadNote):
        note.opened(read, [note.read_vkey(GO_VKEY)])


def test_published_cosignature_formats_are_read():
    assert str(cosignature.read_vkey(COSIGNER_VKEY)) == COSIGNER_VKEY
    encoded, at = COSIGNED_AT
    (signature,) = note.read_signatures(f"— somebody {encoded}\n")
    assert cosignature.timestamp(signature) == at
    with pytest.raises(BadNote):
        note.read_vkey(COSIGNER_VKEY)
    with pytest.raises(BadNote):
        cosignature.read_vkey(SPEC_VKEY)


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— name !!!!\n",
        "text\n\n- name AAAAAAAA\n",
        "text\n\n— name AAAA\n",
        "text\n\n— name\twith AAAAAAAA\n",
        "text\n\n— na+me AAAAAAAA\n",
        "text\n\n— name AAAAAAAA",
        "te\rxt\n\n— name AAAAAAAA\n",
        "text\n\n" + "— name AAAAAAAA\n" * 65,
    ],
)
def test_what_is_no_signed_note_is_refused(encoded: str):
    with pytest.raises(BadNote):
        note.read(encoded)


@pytest.mark.parametrize(
    "text",
    [
        "origin\n1\n",
        "origin\n01\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
        "origin\n-1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
        "origin\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB1=\n",
        "origin\n1\nbjQLnA==\n",
        "\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n",
        "origin\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str):
    with pytest.raises(BadNote):
        checkpoint.read_text(text)


def test_a_proof_goes_through_its_file_and_needs_the_log_and_so_many_witnesses(tmp_path: Path):
    log = Signer("log.example/a", Ed25519PrivateKey.generate())
    witnesses = [Cosigner(f"witness.example/{n}", Ed25519PrivateKey.generate()) for n in (1, 2)]
    keys = [each.verifier for each in witnesses]
    found = grown(tmp_path, CT_LEAVES)
    text = Checkpoint(log.name, 8, merkle.root(8, found)).text()
    signed = Note(text, (log.sign(text), witnesses[0].sign(text, 1_700_000_000))).encode()
    entry = CT_LEAVES[5]
    made = Proof(5, tuple(merkle.inclusion_proof(5, 8, found)), signed, entry)
    read = proof.read(made.encode())
    assert read == made
    assert read.verify(entry, log.verifier, keys, 1).size == 8
    with pytest.raises(BadNote, match="1 of 2 witnesses"):
        read.verify(entry, log.verifier, keys, 2)
    with pytest.raises(BadNote):
        read.verify(entry, log.verifier, keys[1:], 1)
    with pytest.raises(BadNote):
        read.verify(entry, Signer(log.name, Ed25519PrivateKey.generate()).verifier)
    with pytest.raises(BadProof):
        read.verify(CT_LEAVES[4], log.verifier)
    late = witnesses[0].sign(text, 1_700_000_000)
    moved = late.value[:7] + b"\xff" + late.value[8:]
    forged = Note(text, (log.sign(text), note.Signature(late.name, late.key_id, moved))).encode()
    with pytest.raises(BadNote, match=r"witness\.example/1 is false"):
        Proof(5, made.path, forged).verify(entry, log.verifier, keys, 1)


@pytest.mark.parametrize(
    "encoded",  # of github.com/transparency-dev/formats, proof/tlog_proof_test.go
    [
        "wrong-header\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nextra !!notbase64!!\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\n\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex notanumber\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex -5\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n!!notbase64!!\n\ncheckpoint\n",
        f"c2sp.org/tlog-proof@v1\nindex 0\n{base64.b64encode(bytes(64)).decode()}\n\ncheckpoint\n",
    ],
)
def test_what_is_no_proof_is_refused(encoded: str):
    with pytest.raises(BadProof):
        proof.read(encoded)


def test_a_proof_is_written_as_others_write_it():
    # Of github.com/transparency-dev/formats, proof/tlog_proof_test.go.
    hashes = ("tCRrp9UNE6m9ypyZPxPYfB4pXBDbFFC4cWDE4Es5eWw=",)
    made = Proof(
        10, tuple(map(base64.b64decode, hashes)), "checkpoint data\n", b"extra information"
    )
    assert made.encode() == (
        "c2sp.org/tlog-proof@v1\nextra ZXh0cmEgaW5mb3JtYXRpb24=\nindex 10\n"
        f"{hashes[0]}\n\ncheckpoint data\n"
    )
    assert proof.read("c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n").encode() == (
        "c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n"
    )
