"""Lists of cliques: without repetitions, some of them, and among multipliers with dominated bids."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE

if TYPE_CHECKING:
    from market.clearing.problem import Ints, Problem
    from market.clearing.result import Multipliers


def distinct(ptr: Ints, member: Ints) -> tuple[Ints, Ints]:
    """Return cliques without repetitions, in the order of their first appearance."""
    seen: set[bytes] = set()
    kept = []
    for k in range(ptr.size - 1):
        key = member[ptr[k] : ptr[k + 1]].tobytes()
        if key not in seen:
            seen.add(key)
            kept.append(k)
    return chosen_of(ptr, member, np.array(kept, dtype=np.int64))


def chosen_of(ptr: Ints, member: Ints, kept: Ints) -> tuple[Ints, Ints]:
    """Return some of the cliques."""
    size = np.diff(ptr)[kept]
    start = np.zeros(size.size + 1, dtype=np.int64)
    np.cumsum(size, out=start[1:])
    at = np.arange(start[-1]) + np.repeat(ptr[:-1][kept] - start[:-1], size)
    return start, member[at]


def with_dominated(p: Problem, m: Multipliers, dominator: Ints) -> Multipliers:
    """Return the multipliers with dominated bids in the cliques of the bids that dominate them.

    No part has them; outside of all cliques they would pay for none, and the bound would be that of a
    market in which they shut nobody out.
    """
    followers: dict[str, list[str]] = defaultdict(list)
    for b in np.flatnonzero(dominator != NONE).tolist():
        followers[p.bid_ids[int(dominator[b])]].append(p.bid_ids[b])
    cliques = (
        (tuple(sorted({*bids, *(name for bid in bids for name in followers.get(bid, ()))})), price)
        for bids, price in m.cliques
    )
    return replace(m, cliques=tuple(sorted(cliques)))
