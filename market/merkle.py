"""Merkle trees of RFC 6962, the side that proves: an incremental frontier, and proofs.

Pure functions of bytes. This module knows nothing of entries, salts or stores; `takt_sdk.merkle` checks
what is proved here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from takt_sdk.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "Frontier",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "root_of",
    "split",
    "verify_consistency",
    "verify_inclusion",
]


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
        middle = start + split(stop - start)
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
        middle = start + split(stop - start)
        if first_size <= middle:
            path.append(root_of(leaves[middle:stop]))
            stop = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start, known = middle, False
    if not known:
        path.append(root_of(leaves[start:stop]))
    return tuple(reversed(path))


def split(size: int) -> int:
    """Return the largest power of two smaller than ``size`` (>= 2)."""
    return 1 << ((size - 1).bit_length() - 1)
