"""The Merkle tree of RFC 9162 (section 2.1) over SHA-256: roots, proofs and their verification.

A hash is 32 bytes. A tree is known by its nodes: node (level, index) is the hash over the leaves
from `index << level` up to `(index + 1) << level`, all of which are there. Every root and proof
is made of such nodes, so that whoever keeps them (`tiles.py`) need not read the leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
PROOF_MAX = 63
"""Hashes in a proof; a tree of 2^63 leaves needs no more."""


class BadProof(ValueError):
    """A proof does not prove what it is to prove."""


class Nodes(Protocol):
    """Whoever knows the hashes of a tree's whole subtrees."""

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of the leaves from `index << level` to `(index + 1) << level`."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root over hashes of subtrees of one height; their number is a power of two."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


class Frontier:
    """A growing tree of which only the right edge is kept: one hash for each bit of its size."""

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        """`edge` holds the hashes of the whole subtrees that make up the tree, from the left."""
        self.size = size
        self._edge = list(edge)

    def append(self, leaf: bytes) -> None:
        """Add the hash of a leaf."""
        carry, size = leaf, self.size
        while size & 1:
            carry = node_hash(self._edge.pop(), carry)
            size >>= 1
        self._edge.append(carry)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        return _join(self._edge)


def root(size: int, nodes: Nodes) -> bytes:
    """Return the root of the tree of the first `size` leaves."""
    return _range_hash(0, size, nodes)


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """Return the path from leaf `index` to the root of `size` leaves (section 2.1.3.1).

    The leaf's sibling comes first. Raises ValueError for a leaf that is not in the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range_hash(middle, end, nodes))
            end = middle
        else:
            path.append(_range_hash(begin, middle, nodes))
            begin = middle
    return path[::-1]


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """Return the proof that the tree of `new` leaves begins with that of `old` (2.1.4.1).

    Empty when `old` is 0 or `new`. Raises ValueError when `old` is larger.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} cannot begin with one of {old}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    begin, end = 0, new
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_range_hash(middle, end, nodes))
            end = middle
        else:
            path.append(_range_hash(begin, middle, nodes))
            begin = middle
    if begin:
        path.append(_range_hash(begin, end, nodes))
    return path[::-1]


def root_of_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root to which a path leads from the hash of a leaf (section 2.1.3.2).

    Raises BadProof when the path has not the length that it must have.
    """
    if not 0 <= index < size:
        raise BadProof(f"leaf {index} is not in a tree of {size}")
    _check_hashes([leaf])
    _check_hashes(path)
    number, last, found = index, size - 1, leaf
    for each in path:
        if last == 0:
            raise BadProof("the path is too long")
        if number & 1 or number == last:
            found = node_hash(each, found)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            found = node_hash(found, each)
        number >>= 1
        last >>= 1
    if last:
        raise BadProof("the path is too short")
    return found


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes
) -> None:
    """Check that the leaf with this hash is number `index` of `size`. Raises BadProof."""
    if root_of_inclusion(leaf, index, size, path) != expected_root:
        raise BadProof("the path leads to another root")


def verify_consistency(
    old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check that the tree of `new` leaves begins with that of `old` (2.1.4.2).

    Raises BadProof; also where `old` is 0, as there is nothing to prove then.
    """
    if not 0 < old <= new:
        raise BadProof(f"a tree of {new} cannot begin with one of {old}")
    _check_hashes(path)
    if old == new:
        if path:
            raise BadProof("the proof must be empty")
        if old_root != new_root:
            raise BadProof("two roots for one size")
        return
    if not path:
        raise BadProof("the proof is empty")
    rest = list(path) if old & (old - 1) else [old_root, *path]
    number, last = old - 1, new - 1
    while number & 1:
        number >>= 1
        last >>= 1
    before = after = rest[0]
    for each in rest[1:]:
        if last == 0:
            raise BadProof("the proof is too long")
        if number & 1 or number == last:
            before = node_hash(each, before)
            after = node_hash(each, after)
            while not number & 1 and number:
                number >>= 1
                last >>= 1
        else:
            after = node_hash(after, each)
        number >>= 1
        last >>= 1
    if last:
        raise BadProof("the proof is too short")
    if before != old_root:
        raise BadProof("the proof leads to another old root")
    if after != new_root:
        raise BadProof("the proof leads to another new root")


def _check_hashes(path: Sequence[bytes]) -> None:
    if len(path) > PROOF_MAX or any(len(each) != HASH_SIZE for each in path):
        raise BadProof("not a list of hashes")


def _split(size: int) -> int:
    """Return the largest power of two that is smaller than `size` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_hash(begin: int, end: int, nodes: Nodes) -> bytes:
    """Return the hash over the leaves from `begin` to `end`: a subtree of a proof or a root."""
    parts = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        parts.append(nodes.node(level, begin >> level))
        begin += 1 << level
    return _join(parts)


def _join(parts: Sequence[bytes]) -> bytes:
    """Return the root over whole subtrees that stand from the left, the largest first."""
    if not parts:
        return EMPTY_ROOT
    found = parts[-1]
    for each in parts[-2::-1]:
        found = node_hash(each, found)
    return found
