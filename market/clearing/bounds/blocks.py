"""Cut a market with opening costs into blocks: a group, the bids on its capacity, that capacity.

What couples blocks is left out here: coverage of lots, and capacity that bids of several blocks use.
Holds no search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE

if TYPE_CHECKING:
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.program import Floats
    from market.clearing.terms import Terms

LEAST_MEMBERS = 0.5
"""Share of usable bids that must be of a group with an opening cost."""

LEAST_ROWS = 3.0
"""Capacities of its own that such a group must have on average: one alone is a knapsack already."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Bids with rows that they share with nobody else.

    Bid ``bids[i]`` is accepted at 0 or from ``low[i]`` to ``high[i]`` (1 for whole bids) and takes
    ``fixed`` + ``unit`` × that much of each of its rows (CSR by bid). Members pay ``opening`` once.
    ``resource`` is of every row, ``NONE`` for lots and groups.
    """

    bids: Ints
    member: Flags
    opening: float
    ptr: Ints
    row: Ints
    fixed: Floats
    unit: Floats
    capacity: Floats
    resource: Ints
    low: Ints
    high: Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """All blocks, and the resources that couple them."""

    blocks: tuple[Block, ...]
    coupling: Ints


def blocks_of(p: Problem, terms: Terms) -> Blocks | None:
    """Return the blocks, or None where openings do not shape the market or goods move between lots."""
    if bool((p.arc_to != NONE).any()) or not bool((p.group_fixed > 0).any()):
        return None
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    priced = np.flatnonzero((p.group_fixed > 0)[p.bid_group])
    opening = np.full(p.n_bids, NONE, dtype=np.int64)
    opening[member[priced]] = p.bid_group[priced]
    usable = terms.usable
    several = np.bincount(member[priced], minlength=p.n_bids) > 1
    if (several & usable).any() or (opening != NONE)[usable].mean() < LEAST_MEMBERS:
        return None
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    size = np.where(terms.whole, terms.quantity, terms.high)
    amount = np.where(usable[user], p.use_fixed + p.use_unit * size[user], 0)
    owner = _owners(p, opening, user, amount)
    binding = np.zeros(len(p.resource_ids), dtype=np.int64)
    np.add.at(binding, p.use_resource, amount)
    first, last = _ends(p.use_resource, owner[user], amount > 0, len(p.resource_ids))
    scarce = binding > p.resource_capacity
    private = scarce & (first == last)
    groups = np.unique(opening[usable & (opening != NONE)])
    own = int((private & (first < len(p.group_ids))).sum())
    if groups.size < 2 or own < LEAST_ROWS * groups.size:  # noqa: PLR2004  a single block couples nothing
        return None
    by = np.flatnonzero(usable)
    by = by[np.argsort(owner[by], kind="stable")]
    cuts = np.flatnonzero(np.diff(owner[by])) + 1
    blocks = tuple(_block(p, terms, bids, opening, private) for bids in np.split(by, cuts))
    return Blocks(blocks=blocks, coupling=np.flatnonzero(scarce & ~private))


def _owners(p: Problem, opening: Ints, user: Ints, amount: Ints) -> Ints:
    """Return the block of every bid: its group, else the group that could use most of something it uses.

    Bids of neither kind are put together by their first order.
    """
    held: dict[tuple[int, int], int] = {}
    for k in np.flatnonzero((opening[user] != NONE) & (amount > 0)).tolist():
        pair = (int(p.use_resource[k]), int(opening[user[k]]))
        held[pair] = held.get(pair, 0) + int(amount[k])
    holder: dict[int, int] = {}
    for resource, group in sorted(held, key=lambda pair: (-held[pair], pair)):
        holder.setdefault(resource, group)
    crowd: dict[int, int] = {}
    for resource, _ in held:
        crowd[resource] = crowd.get(resource, 0) + 1
    owner = opening.copy()
    for b in np.flatnonzero(opening == NONE).tolist():
        used = p.use_resource[p.bid_use_ptr[b] : p.bid_use_ptr[b + 1]].tolist()
        # What one group alone holds comes before material that many use.
        known = sorted((crowd[r], r) for r in used if r in holder)
        order = int(p.lot_order[p.item_lot[p.bid_item_ptr[b]]])
        owner[b] = holder[known[0][1]] if known else len(p.group_ids) + order
    return owner


def _ends(index: Ints, values: Ints, live: Flags, n: int) -> tuple[Ints, Ints]:
    """Return the least and the greatest value per index."""
    first, last = np.full(n, 2**62, dtype=np.int64), np.full(n, NONE, dtype=np.int64)
    np.minimum.at(first, index[live], values[live])
    np.maximum.at(last, index[live], values[live])
    return first, last


def _block(p: Problem, terms: Terms, bids: Ints, opening: Ints, private: Flags) -> Block:
    """Build one block; lots and limited groups are rows where several of its bids meet."""
    rows: dict[tuple[str, int], list[tuple[int, float, float]]] = {}
    for i, b in enumerate(bids.tolist()):
        whole = bool(terms.whole[b])
        for k in range(p.bid_use_ptr[b], p.bid_use_ptr[b + 1]):
            if private[p.use_resource[k]]:
                fixed = p.use_fixed[k] + (p.use_unit[k] * terms.quantity[b] if whole else 0)
                use = (i, float(fixed), 0.0 if whole else float(p.use_unit[k]))
                rows.setdefault(("resource", int(p.use_resource[k])), []).append(use)
        for k in range(p.bid_item_ptr[b], p.bid_item_ptr[b + 1]):
            cover = (i, float(terms.item_quantity[k]), 0.0) if whole else (i, 0.0, 1.0)
            rows.setdefault(("lot", int(p.item_lot[k])), []).append(cover)
        for g in p.bid_group[p.bid_group_ptr[b] : p.bid_group_ptr[b + 1]].tolist():
            if p.group_max[g] != NONE:
                rows.setdefault(("group", g), []).append((i, 1.0, 0.0))
    kept = {key: uses for key, uses in rows.items() if key[0] == "resource" or len(uses) > 1}
    room = {"resource": p.resource_capacity, "lot": p.lot_quantity, "group": p.group_max}
    entries = sorted((i, r, f, u) for r, uses in enumerate(kept.values()) for i, f, u in uses)
    ptr = np.searchsorted([e[0] for e in entries], np.arange(bids.size + 1))
    group = opening[bids]
    return Block(
        bids=bids,
        member=group != NONE,
        opening=float(p.group_fixed[group.max()]) if group.max() != NONE else 0.0,
        ptr=ptr.astype(np.int64),
        row=np.array([e[1] for e in entries], dtype=np.int64),
        fixed=np.array([e[2] for e in entries], dtype=np.float64),
        unit=np.array([e[3] for e in entries], dtype=np.float64),
        capacity=np.array([float(room[kind][k]) for kind, k in kept], dtype=np.float64),
        resource=np.array([k if kind == "resource" else NONE for kind, k in kept], dtype=np.int64),
        low=np.where(terms.whole[bids], 1, terms.low[bids]),
        high=np.where(terms.whole[bids], 1, terms.high[bids]),
    )
