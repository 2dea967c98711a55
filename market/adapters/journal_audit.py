"""Recomputes a journal's Merkle tree from its entries."""

from __future__ import annotations

from market.journal_errors import JournalCorruptError
from market.leaf import SALT_SIZE, entry_leaf
from market.merkle import Frontier
from market.ports import Journal, TreeHead


def audit_tree(journal: Journal, *, location: str) -> TreeHead:
    """Recompute every leaf and every tree head from the stored entries; return the last head.

    Raises
    ------
    JournalCorruptError
        With the first position whose entry, leaf or tree head is wrong.
    """
    frontier = Frontier()
    entries = journal.read()
    for head in journal.heads():
        leaves: list[bytes] = []
        for position in range(frontier.size, head.size):
            stored = next(entries, None)
            if stored is None or stored.position != position:
                raise JournalCorruptError(location, "an entry must be stored; was missing", position=position)
            if len(stored.salt) != SALT_SIZE or stored.leaf != entry_leaf(stored.entry, stored.salt):
                raise JournalCorruptError(
                    location, "the leaf must be that of the entry; was another", position=position
                )
            leaves.append(stored.leaf)
        first, frontier = frontier.size, frontier.extend(leaves)
        if frontier.root() != head.root:
            raise JournalCorruptError(
                location, f"the leaves from here must hash to the head of size {head.size}", position=first
            )
    beyond = next(entries, None)
    if beyond is not None:
        raise JournalCorruptError(location, "a tree head must cover the entry", position=beyond.position)
    last = TreeHead(size=frontier.size, root=frontier.root())
    stated = journal.head()
    if (stated.size, stated.root) != (last.size, last.root):
        raise JournalCorruptError(
            location, "the current head must be the last one stored", position=last.size
        )
    return stated
