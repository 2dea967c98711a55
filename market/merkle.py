"""Merkle trees of RFC 6962: hashing, an incremental frontier, proofs and their verification.

Pure functions of bytes. This module knows nothing of entries, salts or stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ ``data``)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ ``left`` ‖ ``right``)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """The roots of a tree's complete subtrees, largest (leftmost) first: enough to append.

    There is one peak per set bit of ``size``.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size must not be negative; was {self.size}")
        if len(self.peaks) != self.size.bit_count():
            raise ValueError(
                f"a tree of size {self.size} has {self.size.bit_count()} peaks; was {len(self.peaks)}",
            )
        if any(len(peak) != HASH_SIZE for peak in self.peaks):
            raise ValueError(f"each peak must be {HASH_SIZE} bytes; was {[len(p) for p in self.peaks]}")

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """Return the frontier after appending leaf hashes; amortised one node hash each."""
        peaks = list(self.peaks)
        size = self.size
        for leaf in leaves:
            node, carry = leaf, size
            while carry & 1:
                node = node_hash(peaks.pop(), node)
                carry >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size=size, peaks=tuple(peaks))

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    return Frontier().extend(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the audit path of ``leaves[index]``, nearest sibling first.

    Hashes each leaf of the tree once.

    Raises
    ------
    IndexError
        If the tree has no leaf ``index``.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"index must be in [0, {len(leaves)}); was {index}")
    path: list[bytes] = []
    start, stop = 0, len(leaves)
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(root_of(leaves[middle:stop]))
            stop = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
    return tuple(reversed(path))


def consistency_proof(leaves: Sequence[bytes], first_size: int) -> tuple[bytes, ...]:
    """Return the proof that the tree of the first ``first_size`` leaves is a prefix of this one.

    Empty if ``first_size`` is 0 or the whole tree. Hashes each leaf at most once.

    Raises
    ------
    IndexError
        If the tree has fewer than ``first_size`` leaves.
    """
    if not 0 <= first_size <= len(leaves):
        raise IndexError(f"first_size must be in [0, {len(leaves)}]; was {first_size}")
    if first_size == 0:
        return ()
    path: list[bytes] = []
    start, stop = 0, len(leaves)
    known = True  # the subtree [start, first_size) is the whole first tree, whose root the verifier has
    while first_size != stop:
        middle = start + _split(stop - start)
        if first_size <= middle:
            path.append(root_of(leaves[middle:stop]))
            stop = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start, known = middle, False
    if not known:
        path.append(root_of(leaves[start:stop]))
    return tuple(reversed(path))


def verify_inclusion(*, leaf: bytes, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether ``proof`` shows that ``leaf`` is number ``index`` of ``size`` under ``root``.

    Follows RFC 9162, section 2.1.3.2. False for anything malformed.
    """
    if not 0 <= index < size or not _are_hashes((leaf, root, *proof)):
        return False
    node, at, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    *,
    first_size: int,
    first_root: bytes,
    second_size: int,
    second_root: bytes,
    proof: Sequence[bytes],
) -> bool:
    """Return whether ``proof`` shows that the second tree only appended to the first.

    Follows RFC 9162, section 2.1.4.2. Every tree extends the empty one. False for anything malformed.
    """
    if not 0 <= first_size <= second_size or not _are_hashes((first_root, second_root, *proof)):
        return False
    if first_size == second_size:
        return not proof and first_root == second_root
    if first_size == 0:
        return not proof and first_root == EMPTY_ROOT
    path = list(proof)
    if first_size & (first_size - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    at, last = first_size - 1, second_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(node, first), node_hash(node, second)
            while not at & 1 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, node)
        at, last = at >> 1, last >> 1
    return last == 0 and first == first_root and second == second_root


def _split(size: int) -> int:
    """Return the largest power of two smaller than ``size`` (>= 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _are_hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_SIZE for value in values)
