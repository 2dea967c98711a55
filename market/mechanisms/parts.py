"""Cut a cleared market into parts that do not touch, each with its share of the allocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.allocation import Allocation, allocation_of
from market.clearing.components import parts_of
from market.clearing.terms import terms_of

if TYPE_CHECKING:
    from market.clearing.components import Part
    from market.clearing.problem import Problem


def cleared_parts(p: Problem, a: Allocation) -> list[tuple[Part, Allocation]]:
    """Return the parts in which something is accepted."""
    found = []
    for part in parts_of(p, terms_of(p))[0]:
        quantity = a.quantity[part.bids]
        if not quantity.any():
            continue
        bid = {old: new for new, old in enumerate(part.bids.tolist())}
        arc = {old: new for new, old in enumerate(part.arcs.tolist())}
        moves = tuple((arc[e], bid[s], bid[t], q) for e, s, t, q in a.moves if e in arc)
        found.append((part, allocation_of(part.problem, terms_of(part.problem), quantity, moves)))
    return found


def winners(p: Problem, a: Allocation) -> list[int]:
    """Return the bidders with an accepted bid, by index."""
    won: list[int] = np.unique(p.bid_bidder[a.quantity > 0]).tolist()
    return won
