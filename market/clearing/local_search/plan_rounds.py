"""Choose anew among the plans of some orders together, all others as they are: a small integer program.

A round frees orders that compete for the same capacity. Their plans are whole, so a program over plans is
far tighter than one over bids and flows: fifty orders take a hundredth of a second. Orders whose
winners are no plan of the pool (lots that are divided) stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.allocation import allocation_of, single_moves
from market.clearing.formulation.rows import Rows
from market.clearing.problem import NONE
from market.clearing.program import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.formulation.allocation import Allocation
    from market.clearing.local_search.packing import Packing
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.program import Program, SolveLimits, Solver
    from market.clearing.terms import Terms

FIRST_ORDERS = 40.0
FEWEST_ORDERS = 8.0
STRANGERS = 3
"""How many orders that are not served there join from every resource that a round reaches."""

GROWTH, SHRINKING = 1.2, 0.8

LEAST_WORK = 50
MOST_WORK = 3000
"""Iterations of a round beyond which the next is smaller."""


class PlanRounds:
    """Rounds on one packing model; ``orders`` is how many are freed, and adapts."""

    def __init__(self, p: Problem, terms: Terms, packing: Packing, rng: np.random.Generator) -> None:
        self.p, self.terms, self.packing, self.rng = p, terms, packing, rng
        self.orders = min(FIRST_ORDERS, float(p.n_orders))
        m = packing.model
        self.item = m.entry_item.astype(np.int64)
        self.covering = m.item_row < p.n_orders
        self.cover_item, self.cover_order = (
            self.item[self.covering],
            m.item_row[self.covering].astype(np.int64),
        )
        self.cover_ptr = np.searchsorted(self.cover_item, np.arange(packing.n_items + 1))
        rest = ~self.covering
        first = self.cover_order[self.cover_ptr[self.item[rest]]]
        pair = np.unique(np.stack([first, m.item_row[rest].astype(np.int64)]), axis=1)
        self.order_row = pair[1]
        self.order_ptr = np.searchsorted(pair[0], np.arange(p.n_orders + 1))
        by = np.lexsort((pair[0], pair[1]))
        self.row_order = pair[0][by]
        self.row_ptr = np.searchsorted(pair[1][by], np.arange(m.capacity.size + 1))
        self.owner = np.repeat(np.arange(packing.n_items), np.diff(packing.plan_ptr))
        self.group_item = np.repeat(np.arange(packing.n_items), np.diff(m.group_ptr))

    def improved(
        self, best: Allocation, solver: Solver, limits: SolveLimits, stop: Callable[[], bool]
    ) -> tuple[Allocation | None, int]:
        """Return a better allocation or None, and the work of the round."""
        inside = np.zeros(self.packing.n_items, dtype=np.bool_)
        inside[self.packing.items(best.quantity)] = True
        free = self._drawn(best, inside)
        chosen = np.flatnonzero(np.logical_and.reduceat(free[self.cover_order], self.cover_ptr[:-1]))
        leaving = chosen[inside[chosen]]
        if not chosen.size:
            return None, LEAST_WORK
        groups = self._groups(best, leaving, chosen)
        program = self._program(self._room(best, leaving), groups, chosen)
        start = np.zeros(program.n_columns)
        start[: chosen.size] = inside[chosen]
        start[chosen.size :] = np.isin(groups, self.packing.model.group[np.isin(self.group_item, leaving)])
        solved = solver.solve(program, limits, start=start, stop=stop)
        self._adapt(proven=solved.answer is Answer.OPTIMAL and solved.work < MOST_WORK)
        work = LEAST_WORK + solved.work
        if solved.values is None:
            return None, work
        taken = solved.values[: chosen.size] > 0.5  # noqa: PLR2004
        return self._changed(best, free, leaving, chosen[taken]), work

    def _adapt(self, *, proven: bool) -> None:
        """Free more orders after a round that was solved at once, fewer after one that was not."""
        if proven:
            self.orders = min(self.orders * GROWTH, float(self.p.n_orders))
        else:
            self.orders = max(self.orders * SHRINKING, FEWEST_ORDERS)

    def _drawn(self, best: Allocation, inside: Flags) -> Flags:
        """Return orders to free: on a growing set of rows, those served there by plans and a few others."""
        p, rng = self.p, self.rng
        planned = np.zeros(p.n_orders, dtype=np.bool_)
        planned[self.cover_order[inside[self.cover_item]]] = True
        open_ = planned | (best.units == 0)
        serving = np.zeros(p.n_orders, dtype=np.int64)
        serving[self.cover_order[inside[self.cover_item]]] = self.cover_item[inside[self.cover_item]]
        free = np.zeros(p.n_orders, dtype=np.bool_)
        reached = [int(rng.integers(p.n_orders))]
        for _ in range(int(self.orders) * 2):
            if len(reached) > self.orders:
                break
            o = reached[int(rng.integers(len(reached)))]
            there = np.array([o, int(rng.integers(p.n_orders))])
            rows = self.order_row[self.order_ptr[o] : self.order_ptr[o + 1]]
            if rows.size:
                r = int(rows[rng.integers(rows.size)])
                rivals = self.row_order[self.row_ptr[r] : self.row_ptr[r + 1]]
                served = rivals[planned[rivals] & self._uses(serving[rivals], r)]
                strangers = rng.choice(rivals, size=min(STRANGERS, rivals.size), replace=False)
                there = np.concatenate([there[:1], served, strangers])
            for x in there.tolist():
                if open_[x] and not free[x]:
                    free[x] = True
                    reached.append(x)
        while True:  # items over several orders: all of them, or none
            joint = inside & np.logical_or.reduceat(free[self.cover_order], self.cover_ptr[:-1])
            more = np.zeros(p.n_orders, dtype=np.bool_)
            more[self.cover_order[joint[self.cover_item]]] = True
            if not (more & ~free).any():
                return free
            free |= more

    def _uses(self, items: Ints, row: int) -> Flags:
        """Return which items use a row."""
        m = self.packing.model
        return np.array(
            [row in m.item_row[m.item_ptr[j] : m.item_ptr[j + 1]] for j in items.tolist()], dtype=np.bool_
        )

    def _room(self, best: Allocation, leaving: Ints) -> Ints:
        """Return what is left of every row when the leaving items are out."""
        p, m = self.p, self.packing.model
        q = np.repeat(best.quantity, np.diff(p.bid_use_ptr))
        load = np.zeros(m.capacity.size, dtype=np.int64)
        served = np.flatnonzero(best.units > 0)
        load[served] = 1
        np.add.at(load, p.n_orders + p.use_resource, np.where(q > 0, p.use_fixed + p.use_unit * q, 0))
        member = p.bid_group[np.repeat(best.quantity > 0, np.diff(p.bid_group_ptr))]
        np.add.at(load, p.n_orders + len(p.resource_ids) + member, 1)
        out = np.isin(self.item, leaving)
        np.subtract.at(load, m.item_row[out], m.item_use[out])
        return np.asarray(m.capacity - load, dtype=np.int64)

    def _groups(self, best: Allocation, leaving: Ints, chosen: Ints) -> Ints:
        """Return the priced groups of the chosen items that nothing but the leaving ones keeps open."""
        m, p = self.packing.model, self.p
        kept = best.quantity > 0
        kept[self.packing.plan_bid[np.isin(self.owner, leaving)]] = False
        opened = np.unique(p.bid_group[np.repeat(kept, np.diff(p.bid_group_ptr))])
        return np.setdiff1d(m.group[np.isin(self.group_item, chosen)], opened).astype(np.int64)

    def _program(self, room: Ints, groups: Ints, chosen: Ints) -> Program:
        """Return the program over the chosen items, and openings that they would bring."""
        m, rows = self.packing.model, Rows()
        index = np.full(self.packing.n_items, NONE, dtype=np.int64)
        index[chosen] = rows.append(cost=m.profit[chosen].astype(np.float64), upper=np.ones(chosen.size))
        opening = rows.append(cost=-m.group_price[groups].astype(np.float64), upper=np.ones(groups.size))
        entry = np.flatnonzero(index[self.item] != NONE)
        row, which = np.unique(m.item_row[entry], return_inverse=True)
        added = rows.rows(lower=np.full(row.size, -np.inf), upper=room[row])
        rows.put(added[which], index[self.item[entry]], m.item_use[entry])
        link = np.flatnonzero((index[self.group_item] != NONE) & np.isin(m.group, groups))
        order = self.cover_order[self.cover_ptr[self.group_item[link]]]
        key, of = np.unique(order * m.group_price.size + m.group[link], return_inverse=True)
        tied = rows.rows(lower=np.full(key.size, -np.inf), upper=np.zeros(key.size))
        rows.put(tied[of], index[self.group_item[link]], np.ones(link.size))
        rows.put(tied, opening[np.searchsorted(groups, key % m.group_price.size)], -np.ones(key.size))
        return rows.program()

    def _changed(self, best: Allocation, free: Flags, out: Ints, into: Ints) -> Allocation | None:
        """Return the allocation with some items in place of others, if it is worth more."""
        p, packing = self.p, self.packing
        quantity = best.quantity.copy()
        quantity[packing.plan_bid[np.isin(self.owner, out)]] = 0
        new = packing.plan_bid[np.isin(self.owner, into)]
        quantity[new] = packing.quantity[new]
        only = np.zeros_like(quantity)
        only[new] = packing.quantity[new]
        moved = free[p.lot_order[p.arc_from]] if p.arc_ids else np.zeros(0, dtype=np.bool_)
        moves = tuple(x for x in best.moves if not moved[x[0]]) + single_moves(p, only)
        found = allocation_of(p, self.terms, quantity, tuple(sorted(moves)))
        return found if found.objective > best.objective else None
