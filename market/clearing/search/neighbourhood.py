"""Choose which columns a large-neighbourhood solve may change.

Orders that meet on resources are freed together, since only they can trade places; columns that
the relaxation prices far below the best of their order stay fixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.flows import bids_of_lots
from market.clearing.problem import NONE

if TYPE_CHECKING:
    from market.clearing.formulation.formulate import Formulation
    from market.clearing.problem import Flags, Ints
    from market.clearing.program import Floats


class Neighbourhoods:
    """Draws neighbourhoods of one formulation.

    Parameters
    ----------
    worth
        Reduced cost per column (how much a unit is worth at the relaxation's prices).
    """

    def __init__(
        self, f: Formulation, worth: Floats, rng: np.random.Generator, *, close_bids: int = 8
    ) -> None:
        p = f.problem
        self.close_bids = close_bids
        self.f, self.rng = f, rng
        self.user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
        self.owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        self.item_order = p.lot_order[p.item_lot]
        lot_ptr, self.lot_bid, _ = bids_of_lots(p, f.terms.usable)
        self.bid_ptr = lot_ptr[p.order_lot_ptr]
        self.bid_worth = np.where(f.bid_column == NONE, -np.inf, worth[f.bid_column])
        bids = np.diff(self.bid_ptr)
        shared = np.zeros(f.program.n_columns, dtype=np.bool_)
        for column in (f.bid_column, f.steps_column):
            shared[column[column != NONE]] = True
        others = f.column_order[~shared & (f.column_order != NONE)]
        self.orders = bids.size
        self.size = np.minimum(bids, close_bids) + np.bincount(others, minlength=bids.size) + 1
        use_row = f.resource_row[p.use_resource] != NONE
        self.tight_use = np.flatnonzero(use_row & f.terms.usable[self.user])
        by = self.tight_use[np.argsort(p.use_resource[self.tight_use], kind="stable")]
        self.resource_use = by
        self.resource_ptr = np.searchsorted(p.use_resource[by], np.arange(len(p.resource_ids) + 1))
        self.resources = np.flatnonzero(np.diff(self.resource_ptr) > 0)
        member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
        live = np.flatnonzero((p.group_fixed > 0)[p.bid_group] & f.terms.usable[member])
        by_group = live[np.argsort(p.bid_group[live], kind="stable")]
        self.group_bid = member[by_group]
        self.group_ptr = np.searchsorted(p.bid_group[by_group], np.arange(len(p.group_ids) + 1))
        self.priced = np.flatnonzero(np.diff(self.group_ptr) > 0)
        self.close = self._close(worth)
        first, last = np.full(p.n_bids, p.n_orders), np.zeros(p.n_bids, dtype=np.int64)
        np.minimum.at(first, self.owner, self.item_order)
        np.maximum.at(last, self.owner, self.item_order)
        self.package = f.terms.usable & (first < last)
        self.packages = float(self.package.sum() / max(1, f.terms.usable.sum()))
        """Share of bids that reach over several orders."""
        self.among = np.zeros(p.n_bids, dtype=np.bool_)
        """Bids of the groups or packages drawn last: all may change, however the relaxation ranks them."""

    def _close(self, worth: Floats) -> Flags:
        """Return which bids are among the better ones of one of their orders."""
        keep = np.zeros(self.f.problem.n_bids, dtype=np.bool_)
        live = self.f.bid_column[self.lot_bid] != NONE
        bid = self.lot_bid[live]
        order = np.repeat(np.arange(self.orders), np.diff(self.bid_ptr))[live]
        by = np.lexsort((-worth[self.f.bid_column[bid]], order))
        first = np.searchsorted(order[by], np.arange(self.orders))
        position = np.arange(by.size) - first[order[by]]
        keep[bid[by[position < self.close_bids]]] = True
        return keep

    def draw(self, quantity: Ints, columns: int) -> Flags:
        """Return free columns of about the given number, around what is accepted now."""
        p = self.f.problem
        self.among[:] = False
        orders = self._orders(quantity, columns)
        return self.free_columns(orders, quantity, narrow=bool(p.n_bids > 2 * columns))

    def free_columns(self, orders: Flags, quantity: Ints, *, narrow: bool) -> Flags:
        """Return the columns of the given orders; bids count if all their orders do."""
        f, p = self.f, self.f.problem
        outside = np.zeros(p.n_bids, dtype=np.bool_)
        outside[self.owner[~orders[self.item_order]]] = True
        bid_free = ~outside & f.terms.usable
        if narrow:
            bid_free &= self.close | (quantity > 0) | self.among
        padded = np.append(orders, np.True_)
        free = padded[f.column_order]
        for column in (f.bid_column, f.steps_column):
            has = column != NONE
            free[column[has]] = bid_free[has]
        return free

    def _orders(self, quantity: Ints, columns: int) -> Flags:
        """Return orders to free: those on a growing set of related resources, else random ones."""
        p, rng = self.f.problem, self.rng
        chosen = np.zeros(p.n_orders, dtype=np.bool_)
        budget = columns
        if self.priced.size and rng.random() < GROUP_SHARE:
            self._add_groups(chosen, quantity, budget)
        elif self.packages and rng.random() < RELATED_SHARE * self.packages:
            self._add_packages(chosen, quantity, budget)
        elif self.resources.size and rng.random() < RELATED_SHARE:
            seen: set[int] = set()
            frontier: list[int] = []
            while budget > 0 and len(seen) < self.resources.size:
                r = self._next_resource(frontier, seen)
                seen.add(r)
                span = self.resource_use[self.resource_ptr[r] : self.resource_ptr[r + 1]]
                bids = self.user[span]
                active = bids[quantity[bids] > 0]
                others = bids[(quantity[bids] == 0) & self.close[bids]]
                if others.size > active.size:
                    others = rng.choice(others, size=active.size + 1, replace=False)
                for b in [*active.tolist(), *others.tolist()]:
                    for o in self.item_order[p.bid_item_ptr[b] : p.bid_item_ptr[b + 1]].tolist():
                        if not chosen[o]:
                            chosen[o] = True
                            budget -= int(self.size[o])
                    uses = p.use_resource[p.bid_use_ptr[b] : p.bid_use_ptr[b + 1]]
                    frontier += uses.tolist()
                if budget <= 0:
                    break
        else:
            for o in rng.permutation(p.n_orders).tolist():
                chosen[o] = True
                budget -= int(self.size[o])
                if budget <= 0:
                    break
        return self._closed(chosen, quantity)

    def _add_packages(self, chosen: Flags, quantity: Ints, budget: int) -> None:
        """Choose orders that packages tie together, from one outward, until so many bids may change.

        A package may change once all its orders are chosen, whatever the relaxation thinks of it: those
        that it ranks first hardly ever fit together.
        """
        p, rng = self.f.problem, self.rng
        left = np.diff(p.bid_item_ptr)
        frontier: list[int] = []
        while budget > 0 and not chosen.all():
            if not frontier:
                frontier.append(int(rng.choice(np.flatnonzero(~chosen))))
            o = frontier.pop(int(rng.integers(len(frontier))))
            if chosen[o]:
                continue
            chosen[o] = True
            bids = self.lot_bid[self.bid_ptr[o] : self.bid_ptr[o + 1]]
            np.subtract.at(left, bids, 1)
            inside = bids[(left[bids] == 0) & ~self.among[bids]]
            self.among[inside] = True
            budget -= inside.size
            promising = bids[self.close[bids] & self.package[bids]]
            few = rng.choice(promising, size=min(RIVALS_PER_ORDER, promising.size), replace=False)
            for b in [*bids[quantity[bids] > 0].tolist(), *few.tolist()]:
                frontier += self.item_order[p.bid_item_ptr[b] : p.bid_item_ptr[b + 1]].tolist()

    def _add_groups(self, chosen: Flags, quantity: Ints, budget: int) -> None:
        """Choose the orders of a growing set of priced groups that compete for the same orders.

        A closed group adds no orders of its own, only its bids on those chosen already.
        """
        p, rng = self.f.problem, self.rng
        seen: set[int] = set()
        rivals: list[int] = []
        while budget > 0 and len(seen) < self.priced.size:
            pool = [g for g in rivals if g not in seen] or [g for g in self.priced.tolist() if g not in seen]
            g = pool[int(rng.integers(len(pool)))]
            seen.add(g)
            bids = self.group_bid[self.group_ptr[g] : self.group_ptr[g + 1]]
            self.among[bids] = True
            active = bids[quantity[bids] > 0]
            if not active.size and not rivals:
                active = rng.choice(bids, size=min(FIRST_ORDERS, bids.size), replace=False)
            for b in active.tolist():
                for o in self.item_order[p.bid_item_ptr[b] : p.bid_item_ptr[b + 1]].tolist():
                    if not chosen[o]:
                        chosen[o] = True
                        budget -= int(self.size[o])
                        rivals += self._groups_on(o)

    def _groups_on(self, order: int) -> list[int]:
        """Return the priced groups of a few bids on an order."""
        p = self.f.problem
        bids = self.lot_bid[self.bid_ptr[order] : self.bid_ptr[order + 1]]
        few = self.rng.choice(bids, size=min(RIVALS_PER_ORDER, bids.size), replace=False)
        groups = [p.bid_group[p.bid_group_ptr[b] : p.bid_group_ptr[b + 1]] for b in few.tolist()]
        return [int(g) for row in groups for g in row if p.group_fixed[g] > 0]

    def _next_resource(self, frontier: list[int], seen: set[int]) -> int:
        """Return a resource not seen yet, near the chosen ones if there is one."""
        for _ in range(8):
            if not frontier:
                break
            r = frontier[int(self.rng.integers(len(frontier)))]
            if r not in seen and self.resource_ptr[r + 1] > self.resource_ptr[r]:
                return r
        for _ in range(64):
            r = int(self.resources[self.rng.integers(self.resources.size)])
            if r not in seen:
                return r
        return next(r for r in self.resources.tolist() if r not in seen)

    def _closed(self, chosen: Flags, quantity: Ints) -> Flags:
        """Add the other orders of accepted bids that reach over several."""
        taken = quantity[self.owner] > 0
        touched = np.zeros(self.f.problem.n_bids, dtype=np.bool_)
        touched[self.owner[taken & chosen[self.item_order]]] = True
        chosen[self.item_order[touched[self.owner]]] = True
        return chosen


RELATED_SHARE = 0.8
GROUP_SHARE = 0.5
FIRST_ORDERS = 8
RIVALS_PER_ORDER = 3
