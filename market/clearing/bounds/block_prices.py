"""Price lots and shared capacity so that whole blocks prove a bound: cutting planes in a moving box.

At given prices every block is an integer program of its own: what it would accept at most, opening
paid. What all blocks, orders and shared capacity are worth together is a bound for any prices. Prices
are improved with blocks solved by `block_pricing`; only `prove` solves them to a bound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from market.clearing.bounds.block_pricing import best_of_block
from market.clearing.bounds.block_program import program_of_block
from market.clearing.problem import NONE
from market.clearing.program import Cuts, Program, SolveLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.bounds.blocks import Block, Blocks
    from market.clearing.bounds.prices import Prices
    from market.clearing.problem import Flags, Ints, Problem
    from market.clearing.program import Floats, Solver
    from market.clearing.terms import Terms

FIRST_BOX = 0.05
"""How far prices may move from the best known, as a share of them."""

LARGEST_BOX = 0.2
LEAST_BOX = 0.002
SETTLED = 2e-4
"""Prices are settled if no more than this share of the bound is promised."""

ROUNDS_PER_BOX = 5
ROUNDS_PER_RANK = 3
NOISE = 0.05
NOISY_ROUNDS = 4
STARTS = 2
MOVES = 300
MOVES_PER_WORK = 400
NEARLY = 0.02
"""Answers of a closed block are told if they miss its opening by no more than this share of it."""

BLOCK_GAP = 5e-4
BLOCK_WORK = 5000
CAREFUL_MOVES = 3000


class BlockPrices:
    """Prices of one market and the bound that its blocks prove; can be stopped and continued."""

    def __init__(self, p: Problem, terms: Terms, found: Blocks, start: Prices, solver: Solver) -> None:
        self.p, self.terms, self.solver = p, terms, solver
        self.blocks, self.coupling = found.blocks, found.coupling
        self.lots, self.shared = len(p.lot_ids), found.coupling.size
        self.n = self.lots + self.shared + p.n_orders + len(self.blocks)
        self._price_bids()
        value = np.where(p.order_must, np.inf, p.order_value)[p.lot_order] / p.lot_quantity
        self.cap = np.concatenate([value, np.full(self.shared, np.inf)])
        self.best = np.concatenate([np.clip(start.lot, 0.0, value), start.resource[self.coupling]])
        self.unit = np.where(np.isfinite(self.cap), self.cap, np.abs(self.best).mean() + 1.0) * 1e-3
        self.costs: list[Floats] = [np.ones(b.bids.size) for b in self.blocks]
        self.ranked: Floats | None = None
        """The prices at which bids were last ranked."""
        self.kept = solver.keep(self._master())
        self.cuts: set[tuple[int, bytes]] = set()
        self.fresh: list[tuple[int, Ints]] = []
        self.box, self.rounds, self.work, self.since = FIRST_BOX, 0, 0, 0
        self.worth = np.inf
        """What the best prices prove if no block was solved too low."""
        self.bound = np.inf
        """What was proven."""
        self.settled = False

    def _price_bids(self) -> None:
        """Lay out what a bid earns as a function of prices: a fixed part, and one per accepted unit."""
        p, t = self.p, self.terms
        at = np.full(len(p.resource_ids), NONE, dtype=np.int64)
        at[self.coupling] = self.lots + np.arange(self.shared)
        user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
        owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        use = np.flatnonzero(at[p.use_resource] != NONE)
        bid, column, whole = user[use], at[p.use_resource[use]], t.whole[user[use]]
        shape = (p.n_bids, self.lots + self.shared)
        fixed = p.use_fixed[use] + np.where(whole, p.use_unit[use] * t.quantity[bid], 0)
        cover = np.where(t.whole[owner], t.item_quantity, 0)
        self.per_bid = csr_array(
            (
                np.concatenate([-fixed, cover]).astype(np.float64),
                (np.concatenate([bid, owner]), np.concatenate([column, p.item_lot])),
            ),
            shape=shape,
        )
        self.per_unit = csr_array(
            (
                np.concatenate([np.where(whole, 0, -p.use_unit[use]), ~t.whole[owner]]).astype(np.float64),
                (np.concatenate([bid, owner]), np.concatenate([column, p.item_lot])),
            ),
            shape=shape,
        )
        self.fixed = t.profit_fixed.astype(np.float64)
        self.rate = np.where(t.whole, 0.0, t.profit_unit + t.part / t.part_of)

    def _rank(self, limits: SolveLimits) -> list[float]:
        """Return what blocks are worth relaxed, at the best prices; bids are ranked by the duals."""
        gain, rate = self.gains(self.best)
        worth = []
        for k, block in enumerate(self.blocks):
            program, _ = program_of_block(block, gain[block.bids], rate[block.bids])
            solved = self.solver.solve_relaxation(program, limits)
            self.work += solved.work
            worth.append(solved.bound - block.opening)
            if solved.duals is None:
                continue
            price = np.maximum(0.0, solved.duals[: block.capacity.size])
            owner = np.repeat(np.arange(block.bids.size), np.diff(block.ptr))
            use: Floats = price[block.row] * (block.fixed + block.unit * block.high[owner])
            self.costs[k] = np.asarray(np.bincount(owner, weights=use, minlength=block.bids.size) + 1.0)
        self.ranked = self.best
        return worth

    def _master(self) -> Program:
        """Return the program of the best prices: what orders, shared capacity and blocks are worth, least."""
        p = self.p
        lots = np.arange(self.lots)
        orders = self.lots + self.shared + np.arange(p.n_orders)
        ptr = np.append(p.order_lot_ptr + np.arange(p.n_orders + 1), 0)[:-1]
        column, value = np.insert(lots, p.order_lot_ptr[1:], orders), p.lot_quantity.astype(np.float64)
        lower = np.zeros(self.n)
        lower[orders[p.order_must]] = -np.inf
        upper = np.full(self.n, np.inf)
        low, high = self._limits()
        lower[: low.size], upper[: low.size] = low, high
        cost = np.zeros(self.n)
        cost[self.lots : self.lots + self.shared] = -p.resource_capacity[self.coupling]
        cost[self.lots + self.shared :] = -1.0
        return Program(
            cost=cost,
            lower=lower,
            upper=upper,
            integer=np.zeros(self.n, dtype=np.bool_),
            row_lower=np.where(p.order_must, 0, p.order_value).astype(np.float64),
            row_upper=np.full(p.n_orders, np.inf),
            row_ptr=ptr.astype(np.int32),
            column=column.astype(np.int32),
            value=np.insert(value, p.order_lot_ptr[1:], 1.0),
        )

    def _limits(self, box: float = FIRST_BOX) -> tuple[Floats, Floats]:
        """Return the box around the best prices."""
        low = np.maximum(0.0, self.best * (1.0 - box) - self.unit)
        return low, np.maximum(low, np.minimum(self.cap, self.best * (1.0 + box) + self.unit))

    def _set_box(self) -> None:
        low, high = self._limits(self.box)
        self.kept.change_columns(np.arange(low.size), low, high)

    def gains(self, prices: Floats) -> tuple[Floats, Floats]:
        """Return what bids earn at prices: at all, and per unit of those that are split."""
        return self.fixed + self.per_bid @ prices, self.rate + self.per_unit @ prices

    def outside(self, prices: Floats) -> float:
        """Return what orders and shared capacity are worth at prices."""
        p = self.p
        paid = np.bincount(p.lot_order, weights=prices[: self.lots] * p.lot_quantity, minlength=p.n_orders)
        orders = np.where(p.order_must, -paid, np.maximum(0.0, p.order_value - paid))
        return float(orders.sum() + (prices[self.lots :] * p.resource_capacity[self.coupling]).sum())

    def _evaluate(self, prices: Floats, seed: int) -> float:
        """Return what the prices prove with blocks solved roughly; keep the answers as cuts to add."""
        total, (gain, rate) = self.outside(prices), self.gains(prices)
        for k, block in enumerate(self.blocks):
            worth = self._try(k, block, gain[block.bids], rate[block.bids], seed, block.opening)
            if block.opening and not block.member.all():
                alone = np.where(block.member, -1.0, gain[block.bids])
                worth = max(worth, self._try(k, block, alone, np.zeros(alone.size), seed, 0.0))
            total += worth
        self.work += len(self.blocks) * STARTS * MOVES // MOVES_PER_WORK
        return total

    def _try(
        self,
        k: int,
        block: Block,
        gain: Floats,
        rate: Floats,
        seed: int,
        opening: float,
        moves: int = MOVES,
    ) -> float:
        out = np.zeros(block.bids.size, dtype=np.int64)
        uses = (block.ptr, block.row, block.fixed, block.unit, block.capacity, block.low, block.high)
        worth = best_of_block(*uses, gain, rate, self.costs[k], seed, STARTS, moves, out) - opening
        if worth > -NEARLY * opening and out.any():
            self.tell(k, out)
        return max(0.0, float(worth))

    def tell(self, k: int, quantity: Ints) -> bool:
        """Keep what a block could accept as a cut to add; return whether it is new."""
        key = (k, quantity.tobytes())
        if key in self.cuts:
            return False
        self.cuts.add(key)
        self.fresh.append((k, quantity))
        return True

    def _add_cuts(self) -> int:
        """Add the rows: a block is worth at least what each of its answers earns."""
        if not self.fresh:
            return 0
        ptr, lower = [0], []
        columns: list[Ints] = []
        values: list[Floats] = []
        for k, quantity in self.fresh:
            block = self.blocks[k]
            chosen = quantity > 0
            bids, q = block.bids[chosen], quantity[chosen].astype(np.float64)
            row = np.asarray(self.per_bid[bids].T @ np.ones(q.size) + self.per_unit[bids].T @ q)
            touched = np.flatnonzero(row)
            opening = block.opening if block.member[chosen].any() else 0.0
            columns += [touched, np.array([self.n - len(self.blocks) + k])]
            values += [-row[touched], np.ones(1)]
            lower.append(float(self.fixed[bids].sum() + self.rate[bids] @ q) - opening)
            ptr.append(ptr[-1] + touched.size + 1)
        count, self.fresh = len(self.fresh), []
        self.kept.add_rows(
            Cuts(
                row_lower=np.array(lower),
                row_upper=np.full(count, np.inf),
                row_ptr=np.array(ptr, dtype=np.int32),
                column=np.concatenate(columns).astype(np.int32),
                value=np.concatenate(values),
            )
        )
        return count

    def begin(self, limits: SolveLimits) -> None:
        """Price blocks at the first prices and around them."""
        self._rank(limits)
        self.worth = self._evaluate(self.best, 0)
        for k in range(1, NOISY_ROUNDS + 1):
            noise = 1.0 + NOISE * np.random.default_rng(k).standard_normal(self.best.size)
            self._evaluate(np.clip(self.best * noise, 0.0, self.cap), k)

    def run(self, proceed: Callable[[], bool], limits: SolveLimits) -> None:
        """Move prices while ``proceed()`` and the bound is promised to fall."""
        if not self.rounds:
            self.begin(limits)
        while not self.settled and proceed():
            if self.ranked is not self.best and self.rounds % ROUNDS_PER_RANK == 0:
                self._rank(limits)
            self._add_cuts()
            solved = self.kept.relax(limits)
            self.work += solved.work
            if solved.values is None or not np.isfinite(solved.bound):
                return
            prices = solved.values[: self.best.size]
            promised = self.worth + solved.objective
            self.rounds, self.since = self.rounds + 1, self.since + 1
            worth = self._evaluate(prices, self.rounds)
            self._move(prices, worth, promised)

    def _move(self, prices: Floats, worth: float, promised: float) -> None:
        """Take better prices as the box's centre; a box that gains nothing shrinks."""
        if worth < self.worth - 0.1 * promised:
            if worth < self.worth - 0.6 * promised:
                self.box = min(LARGEST_BOX, self.box * 1.5)
            self.worth, self.best, self.since = worth, np.maximum(0.0, prices), 0
        elif promised < SETTLED * abs(self.worth) or not self.fresh:
            self.settled = self.box <= LEAST_BOX
            self.box /= 2.0
        elif self.since % ROUNDS_PER_BOX == 0:
            self.box /= 1.5
        self.box = max(self.box, LEAST_BOX)
        self._set_box()

    def prove(self, proceed: Callable[[], bool], limits: SolveLimits) -> None:
        """Bound every block at the best prices, those first that may be most too high.

        Ends early when ``proceed()`` says so: a block not solved counts with its relaxation. Blocks are
        also priced with more care, and the answers told as cuts, so that `run` goes on from there.
        """
        total, (gain, rate) = self.outside(self.best), self.gains(self.best)
        worth, reached = self._rank(replace(limits, work=None)), total
        for k in sorted(range(len(self.blocks)), key=lambda k: (-worth[k], k)):
            block = self.blocks[k]
            if worth[k] > 0.0 and proceed():
                worth[k] = self._bound_of(block, gain, rate, None, limits, proceed) - block.opening
                reached += self._try(
                    k, block, gain[block.bids], rate[block.bids], 1, block.opening, CAREFUL_MOVES
                )
            if block.opening and not block.member.all():
                worth[k] = max(worth[k], self._bound_of(block, gain, rate, ~block.member, limits, proceed))
        total += sum(max(0.0, w) for w in worth)
        self.bound = min(self.bound, total + 1e-7 * abs(total))
        self.worth = max(self.worth, reached)
        self.settled, self.box = False, max(self.box, 2.0 * LEAST_BOX)
        self._set_box()

    def _bound_of(
        self,
        block: Block,
        gain: Floats,
        rate: Floats,
        only: Flags | None,
        limits: SolveLimits,
        proceed: Callable[[], bool],
    ) -> float:
        """Return a bound on what a block earns, its opening apart."""
        program, _ = program_of_block(block, gain[block.bids], rate[block.bids], only)
        each = replace(limits, work=BLOCK_WORK, gap=BLOCK_GAP)
        solved = self.solver.solve(program, each, stop=lambda: not proceed())
        self.work += solved.work
        bound = solved.bound
        if not np.isfinite(bound):
            bound = self.solver.solve_relaxation(program, replace(limits, work=None)).bound
        return float(bound)
