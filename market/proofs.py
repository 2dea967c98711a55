"""Proofs of a growing log in logarithmic time: the nodes of its tree that proofs ask for, kept at hand.

A node is found in one step where it lies in the recent part of the log or high in the tree; a lower one
of the older part is hashed again from its 256 leaves. High nodes of what was logged before this object
was made are hashed when a proof first needs them: that one proof reads every older leaf. Any thread may
ask while another appends. Knows nothing of entries.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import RLock

from market.merkle import HASH_SIZE, Frontier, node_hash, split
from takt_sdk.merkle import EMPTY_ROOT

TILE_LEVEL = 8
"""Nodes of lower levels are kept for the recent leaves only; a tile is the 2^8 leaves under one node."""
RECENT = 1 << 16
"""Fewest recent leaves whose nodes are all kept."""
KEPT_TILES = 64

Leaves = Callable[[int, int], Sequence[bytes]]
"""Returns the leaf hashes of positions ``start <= position < stop``."""


class Proofs:
    """The tree over a log.

    Parameters
    ----------
    peaks
        Roots of the complete subtrees of the log as it is, largest first (`market.merkle.Frontier`).
    leaves
        Reads leaf hashes from where they are stored.
    """

    def __init__(self, size: int, peaks: Sequence[bytes], leaves: Leaves) -> None:
        self._frontier = Frontier(size=size, peaks=tuple(peaks))
        self._leaves = leaves
        self._lock = RLock()
        self._levels: dict[int, tuple[int, bytearray]] = {}
        self._old: dict[tuple[int, int], bytes] = {}
        self._tiles: OrderedDict[int, list[list[bytes]]] = OrderedDict()
        self._edges: tuple[int, dict[int, bytes]] = (0, {})
        bits = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        for level, peak in zip(bits, peaks, strict=True):
            self._old[level, (size >> level) - 1] = peak

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._frontier.size

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add the leaf hashes of entries that were stored."""
        with self._lock:
            position = self._frontier.size
            self._frontier = self._frontier.extend(leaves)
            for leaf in leaves:
                level, number, node = 0, position, leaf
                self._put(level, number, node)
                while number & 1:
                    node = node_hash(self._node(level, number - 1), node)
                    level, number = level + 1, number >> 1
                    self._put(level, number, node)
                position += 1
            self._forget()

    def root(self, size: int) -> bytes:
        """Return the root over the first ``size`` leaves."""
        with self._lock:
            return self._range(0, self._checked(size)) if size else EMPTY_ROOT

    def inclusion(self, position: int, size: int) -> tuple[bytes, ...]:
        """Return the audit path of the leaf at ``position`` in the tree of ``size`` leaves, nearest first.

        Raises
        ------
        IndexError
            If that tree has no such leaf, or the log is smaller.
        """
        if not 0 <= position < self._checked(size):
            raise IndexError(f"position must be in [0, {size}); was {position}")
        path: list[bytes] = []
        with self._lock:
            start, stop = 0, size
            while stop - start > 1:
                middle = start + split(stop - start)
                if position < middle:
                    path.append(self._range(middle, stop))
                    stop = middle
                else:
                    path.append(self._range(start, middle))
                    start = middle
        return tuple(reversed(path))

    def consistency(self, first: int, size: int) -> tuple[bytes, ...]:
        """Return the proof that the tree of ``first`` leaves is a prefix of that of ``size``.

        Raises
        ------
        IndexError
            If ``first`` is larger than ``size``, or the log is smaller.
        """
        if not 0 <= first <= self._checked(size):
            raise IndexError(f"first must be in [0, {size}]; was {first}")
        if first == 0:
            return ()
        path: list[bytes] = []
        with self._lock:
            start, stop, known = 0, size, True
            while first != stop:
                middle = start + split(stop - start)
                if first <= middle:
                    path.append(self._range(middle, stop))
                    stop = middle
                else:
                    path.append(self._range(start, middle))
                    start, known = middle, False
            if not known:
                path.append(self._range(start, stop))
        return tuple(reversed(path))

    # --- nodes -------------------------------------------------------------------------------

    def _checked(self, size: int) -> int:
        if not 0 <= size <= self.size:
            raise IndexError(f"size must be in [0, {self.size}]; was {size}")
        return size

    def _range(self, start: int, stop: int) -> bytes:
        """Return the root over leaves ``start <= position < stop``, where start is aligned to the range."""
        length = stop - start
        if length & (length - 1) == 0:
            level = length.bit_length() - 1
            return self._node(level, start >> level)
        stop_of_edges, edges = self._edges
        if stop_of_edges != stop:
            self._edges = (stop, edges := {})
        known = edges.get(start)
        if known is None:
            middle = start + split(length)
            known = edges[start] = node_hash(self._range(start, middle), self._range(middle, stop))
        return known

    def _node(self, level: int, number: int) -> bytes:
        """Return the node over leaves number·2^level up to (number + 1)·2^level, all of them in the log."""
        first, nodes = self._levels.get(level, (0, b""))
        at = (number - first) * HASH_SIZE
        if 0 <= at < len(nodes):
            return bytes(nodes[at : at + HASH_SIZE])
        known = self._old.get((level, number))
        if known is not None:
            return known
        if level < TILE_LEVEL:
            tile = self._tile(number >> (TILE_LEVEL - level))
            return tile[level][number & ((1 << (TILE_LEVEL - level)) - 1)]
        if level == TILE_LEVEL:
            node = self._tile(number)[level][0]
        else:
            node = node_hash(self._node(level - 1, 2 * number), self._node(level - 1, 2 * number + 1))
        self._old[level, number] = node
        return node

    def _tile(self, number: int) -> list[list[bytes]]:
        """Return the levels of a tile, as far as the log has its leaves."""
        first = number << TILE_LEVEL
        known = self._tiles.get(number)
        if known is None or len(known[0]) < min(1 << TILE_LEVEL, self.size - first):
            level = list(self._leaves(first, min(first + (1 << TILE_LEVEL), self.size)))
            known = [level]
            while len(level) > 1:
                level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
                known.append(level)
            self._tiles[number] = known
        self._tiles.move_to_end(number)
        while len(self._tiles) > KEPT_TILES:
            self._tiles.popitem(last=False)
        return known

    def _put(self, level: int, number: int, node: bytes) -> None:
        _, nodes = self._levels.setdefault(level, (number, bytearray()))
        nodes += node

    def _forget(self) -> None:
        """Drop the older half of the low nodes once there are twice as many as must be kept."""
        first, leaves = self._levels.get(0, (0, bytearray()))
        if len(leaves) < 2 * RECENT * HASH_SIZE:
            return
        keep = (self.size - RECENT) >> TILE_LEVEL << TILE_LEVEL
        for level in range(TILE_LEVEL):
            first, nodes = self._levels[level]
            cut = (keep >> level) - first
            self._levels[level] = (keep >> level, nodes[cut * HASH_SIZE :])
