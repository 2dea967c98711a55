"""The log as a chain: every leaf and every head, recomputed from the entries alone. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from market.adapters.codec import decode_events
from market.errors import AuditError
from market.leaf import SALT_SIZE, entry_leaf
from market.merkle import Frontier
from market.model.events import MarketKeyPublished, MarketOpened
from market.ports import Stored, TreeHead


class Log(Protocol):
    """What is audited: a journal, or a file that somebody has handed over."""

    def read(self, start: int = 0) -> Iterator[Stored]:
        """Yield the entries from ``start`` on, as they are stored."""
        ...

    def heads(self) -> Iterator[TreeHead]:
        """Yield the heads of commits, smallest first."""
        ...

    def head(self) -> TreeHead:
        """Return the last head."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What the entries hash to: their leaves, and the roots at some sizes. ``heads`` are those stored.

    ``keys`` are the market's own as the log names them, each with the position of the entry that does.
    """

    leaves: list[bytes]
    keys: tuple[tuple[int, str], ...]
    roots: dict[int, bytes]
    heads: tuple[TreeHead, ...]
    head: TreeHead

    def key_at(self, size: int) -> str:
        """Return the key that signs the head of a size; empty where the market had none yet."""
        return next((key for position, key in reversed(self.keys) if position < size), "")


def check_chain(log: Log, sizes: Iterable[int] = ()) -> Chain:
    """Return what a log hashes to, with its roots at ``sizes`` and at every stored head.

    Raises
    ------
    AuditError
        Naming the first position at which an entry, its leaf or a head is wrong.
    """
    heads = tuple(log.heads())
    last = log.head()
    stated = {head.size: head.root for head in heads} | {last.size: last.root}
    stops = iter(sorted({*stated, *sizes} - {0}))
    stop = next(stops, None)
    frontier, first_unhashed = Frontier(), 0
    leaves: list[bytes] = []
    keys: list[tuple[int, str]] = []
    roots: dict[int, bytes] = {0: frontier.root()}
    expected = 0
    for stored in log.read():
        if stored.position != expected:
            raise AuditError(
                "missing", expected, f"position {expected} is missing: the next entry says {stored.position}"
            )
        leaf = stored.leaf
        if len(stored.salt) != SALT_SIZE or entry_leaf(stored.entry, stored.salt) != leaf:
            raise AuditError(
                "edited", expected, f"entry {expected} does not have the leaf that the tree holds"
            )
        leaves.append(leaf)
        keys += [(expected, key) for key in keys_in(stored)]
        expected += 1
        if expected == stop:
            frontier = frontier.extend(leaves[first_unhashed:])
            roots[expected] = frontier.root()
            if stated.get(expected, roots[expected]) != roots[expected]:
                raise AuditError("tree", first_unhashed, _not_the_head(expected, first_unhashed))
            first_unhashed, stop = expected, next(stops, None)
    if expected < max(stated):
        detail = (
            f"the tree over {expected} entries is not the head that the journal states: it has {last.size}"
        )
        raise AuditError("truncated", expected, detail)
    if last.size < expected:
        detail = (
            f"the tree over {expected} entries is not the head that the journal states: it has {last.size}"
        )
        raise AuditError("uncovered", last.size, detail)
    return Chain(leaves=leaves, keys=tuple(keys), roots=roots, heads=heads, head=last)


_NAMING = (b'"takt.market_opened.v1"', b'"takt.market_key_published.v1"')
"""Events that name a key of the market's."""


def keys_in(stored: Stored) -> list[str]:
    """Return the keys of the market's own that an entry names; raises `AuditError` if it cannot be read."""
    if not any(kind in stored.entry.events for kind in _NAMING):
        return []
    try:
        happened = decode_events(stored.entry.events)
    except ValueError as error:
        detail = f"entry {stored.position} cannot be folded: {error}"
        raise AuditError("decision", stored.position, detail) from error
    return [event.market_key for event in happened if isinstance(event, MarketOpened | MarketKeyPublished)]


def _not_the_head(size: int, first: int) -> str:
    return f"the tree over {size} entries is not the head that the journal states: entries from {first} on"
