"""What cliques add to the certified bound: sets of bids of which no two can be accepted together.

At most one bid of a clique is accepted, so a price per clique, paid by whichever of its bids is, bounds
like the price of a capacity of 1. Whether two bids shut each other out is read from the problem: they
want more of a lot or of a capacity than there is, each taking its least, or are of a group that lets
one in.

Part of the checker: reads problem and multipliers alone, integers only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.errors import CliqueError
from market.clearing.problem import NONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.result import Multipliers

MOST_TOGETHER = 4000
"""Conflicts are written out as a square of flags: cliques are checked so many bids at a time."""


def clique_charges(p: Problem, m: Multipliers, least: Ints, kind: type) -> tuple[NDArray[Any], int]:
    """Return what each bid pays for its cliques, and what the cliques are worth, in micro units.

    ``least`` is the smallest quantity per bid that can be accepted.

    Raises
    ------
    KeyError
        If a bid is not there.
    CliqueError
        If two bids of a clique can be accepted together, or one stands in it twice.
    """
    charge: NDArray[Any] = np.zeros(p.n_bids, dtype=kind)
    if not m.cliques:
        return charge, 0
    bids = {name: k for k, name in enumerate(p.bid_ids)}
    cliques = [np.array([bids[name] for name in names], dtype=np.int64) for names, _ in m.cliques]
    for some in _together(cliques):
        _check(p, [cliques[k] for k in some], least)
    worth = 0
    for clique, (_, price) in zip(cliques, m.cliques, strict=True):
        charge[clique] += max(0, price)
        worth += max(0, price)
    return charge, worth


def _together(cliques: Sequence[Ints]) -> Iterator[list[int]]:
    """Part cliques, as they follow each other, so that no part has too many bids but for one alone."""
    part: list[int] = []
    seen: set[int] = set()
    for k, clique in enumerate(cliques):
        joint = seen.union(clique.tolist())
        if part and len(joint) > MOST_TOGETHER:
            yield part
            part, joint = [], set(clique.tolist())
        part.append(k)
        seen = joint
    yield part


def _check(p: Problem, cliques: list[Ints], least: Ints) -> None:
    """Raise unless every two bids of each clique conflict."""
    chosen = np.unique(np.concatenate(cliques))
    conflict = _conflicts(p, chosen, least)
    for clique in cliques:
        at = np.searchsorted(chosen, clique)
        apart = ~conflict[np.ix_(at, at)]
        np.fill_diagonal(apart, val=False)
        if np.unique(clique).size < clique.size or apart.any():
            a, b = np.argwhere(apart)[0] if apart.any() else (0, 0)
            raise CliqueError(p.bid_ids[int(clique[a])], p.bid_ids[int(clique[b])])


def _conflicts(p: Problem, chosen: Ints, least: Ints) -> Flags:
    """Return which of the chosen bids, sorted, cannot be accepted together."""
    number = np.full(p.n_bids, NONE, dtype=np.int64)
    number[chosen] = np.arange(chosen.size)
    conflict = np.zeros((chosen.size, chosen.size), dtype=np.bool_)
    owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
    covered = np.where(p.bid_divisible[owner], least[owner], p.item_quantity)
    _exclude(conflict, p.item_lot, number[owner], covered, p.lot_quantity)
    user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
    used = p.use_fixed + p.use_unit * least[user]
    _exclude(conflict, p.use_resource, number[user], used, p.resource_capacity)
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    one = (p.group_max[p.bid_group] != NONE) & (p.group_max[p.bid_group] <= 1)
    places = np.ones(len(p.group_ids), dtype=np.int64)
    _exclude(conflict, p.bid_group[one], number[member[one]], np.ones_like(member[one]), places)
    return conflict


def _exclude(conflict: Flags, thing: Ints, who: Ints, amount: Ints, room: Ints) -> None:
    """Mark the pairs that together want more of a thing than there is room."""
    live = np.flatnonzero(who != NONE)
    live = live[np.argsort(thing[live], kind="stable")]
    for at in np.split(live, np.flatnonzero(np.diff(thing[live])) + 1) if live.size else []:
        wants, left = amount[at], room[thing[at[0]]] - amount[at]
        conflict[np.ix_(who[at], who[at])] |= wants[:, None] > left[None, :]
