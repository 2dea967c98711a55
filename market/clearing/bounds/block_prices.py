"""Price lots and shared capacity so that whole blocks prove a bound: subgradients, averaged.

At given prices every block is an integer program of its own: what it would accept at most, opening
paid. What all blocks, orders and shared capacity are worth together is a bound for any prices. Prices
are improved with blocks answered by `block_answers`; only `prove` solves them to a bound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from market.clearing.bounds.block_answers import BlockAnswers
from market.clearing.bounds.block_program import program_of_block
from market.clearing.problem import NONE
from market.clearing.program import Answer, SolveLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.bounds.blocks import Blocks
    from market.clearing.bounds.prices import Prices
    from market.clearing.problem import Problem
    from market.clearing.program import Floats, Solver
    from market.clearing.terms import Terms

FIRST_STEP, LARGEST_STEP, LEAST_STEP = 0.004, 0.01, 5e-4
"""Length of a step, as a share of the one to the target; prices are settled below the least."""

LONGER, SHORTER = 1.1, 0.8
MISSES = 10
"""Rounds without gain after which steps get shorter, and the best prices are looked at again."""

MOST_NEWS = 0.1
"""Largest weight of the last round's subgradient in the direction."""

TARGET = 0.02
"""Steps aim that far below the best prices, as a share of what they prove, where no answer is known."""

MOVES, CAREFUL_MOVES = 100, 3000
STEPS, FIRST_STEPS = 20, 300
MOVES_PER_WORK = 400
BLOCKS_PER_LOOK = 16

FIRST_DOUBT, LEAST_DOUBT = 0.3, 0.05
"""Share of what lies between answers of blocks and bounds by prices of their rows that a proof will leave."""

BLOCK_WORK = 5000
BLOCK_GAPS = (5e-4, 1e-4)
"""Blocks are solved to the first; those furthest from it once more, with more work, to the second."""

MORE_WORK = 10
WORTH_MORE = 0.05
"""Share of what blocks may still be too high by, all together, below which one is left as it is."""


class BlockPrices:
    """Prices of one market and the bound that its blocks prove; can be stopped and continued."""

    def __init__(
        self,
        p: Problem,
        terms: Terms,
        found: Blocks,
        start: Prices,
        solver: Solver,
        target: Callable[[], float] = lambda: -np.inf,
    ) -> None:
        """Begin at the prices of the relaxation; ``target`` is asked what the best answer is worth."""
        self.p, self.terms, self.solver, self.target = p, terms, solver, target
        self.blocks, self.coupling = found.blocks, found.coupling
        self.answers = BlockAnswers(found.blocks)
        self.lots, self.shared = len(p.lot_ids), found.coupling.size
        self._price_bids()
        # Worked with is the price of a whole lot, of a whole capacity: the same step suits all.
        self.size = np.concatenate([p.lot_quantity, p.resource_capacity[self.coupling]]).astype(np.float64)
        value = np.where(p.order_must, np.inf, p.order_value)[p.lot_order]
        self.cap = np.concatenate([value, np.full(self.shared, np.inf)])
        first = np.concatenate([start.lot, start.resource[self.coupling]]) * self.size
        self.best = np.clip(first, 0.0, self.cap)
        self.direction: Floats | None = None
        self.step, self.misses, self.rounds, self.work = FIRST_STEP, 0, 0, 0
        self.worth = np.inf
        """What the best prices prove if no block was answered too low."""
        self.bound = np.inf
        """What was proven."""
        self.settled = False
        self.doubt = FIRST_DOUBT
        """Weight of bounds beside answers when prices move; the last proof tells how much it left."""

    def _price_bids(self) -> None:
        """Lay out what a bid earns as a function of prices: a fixed part, and one per accepted unit."""
        p, t = self.p, self.terms
        at = np.full(len(p.resource_ids), NONE, dtype=np.int64)
        at[self.coupling] = self.lots + np.arange(self.shared)
        user = np.repeat(np.arange(p.n_bids), np.diff(p.bid_use_ptr))
        owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        use = np.flatnonzero(at[p.use_resource] != NONE)
        bid, column, whole = user[use], at[p.use_resource[use]], t.whole[user[use]]
        fixed = p.use_fixed[use] + np.where(whole, p.use_unit[use] * t.quantity[bid], 0)
        cover = np.where(t.whole[owner], t.item_quantity, 0)
        entries = (np.concatenate([bid, owner]), np.concatenate([column, p.item_lot]))
        shape, mine = (p.n_bids, self.lots + self.shared), self.answers.bids
        per_bid = np.concatenate([-fixed, cover]).astype(np.float64)
        per_unit = np.concatenate([np.where(whole, 0, -p.use_unit[use]), ~t.whole[owner]]).astype(np.float64)
        self.per_bid = csr_array((per_bid, entries), shape=shape)[mine]
        self.per_unit = csr_array((per_unit, entries), shape=shape)[mine]
        self.fixed = t.profit_fixed.astype(np.float64)[mine]
        self.rate = np.where(t.whole, 0.0, t.profit_unit + t.part / t.part_of)[mine]

    def gains(self, prices: Floats) -> tuple[Floats, Floats]:
        """Return what the bids of all blocks earn at prices: at all, and per unit of those that are split."""
        each = prices / self.size
        return self.fixed + self.per_bid @ each, self.rate + self.per_unit @ each

    def outside(self, prices: Floats) -> float:
        """Return what orders and shared capacity are worth at prices."""
        p = self.p
        paid = np.bincount(p.lot_order, weights=prices[: self.lots], minlength=p.n_orders)
        orders = np.where(p.order_must, -paid, np.maximum(0.0, p.order_value - paid))
        return float(orders.sum() + prices[self.lots :].sum())

    def _slope(self, prices: Floats) -> Floats:
        """Return a subgradient at prices: what orders and capacity offer less what blocks took."""
        p, a = self.p, self.answers
        taken = (1.0 - self.doubt) * (a.quantity > 0) + self.doubt * a.taken
        quantity = (1.0 - self.doubt) * a.quantity + self.doubt * a.made
        made: Floats = np.asarray(self.per_bid.T @ taken + self.per_unit.T @ quantity) / self.size
        paid = np.bincount(p.lot_order, weights=prices[: self.lots], minlength=p.n_orders)
        serves = p.order_must | (p.order_value >= paid)
        made[: self.lots] -= serves[p.lot_order]
        made[self.lots :] += 1.0
        return made

    def _evaluate(
        self, prices: Floats, seed: int, proceed: Callable[[], bool], moves: int = MOVES, steps: int = STEPS
    ) -> float | None:
        """Return what the prices prove with blocks answered roughly; None if ``proceed()`` ended it."""
        gain, rate = self.gains(prices)
        for begin in range(0, len(self.blocks), BLOCKS_PER_LOOK):
            if not proceed():
                return None
            end = min(begin + BLOCKS_PER_LOOK, len(self.blocks))
            self.answers.answer(begin, end, gain, rate, seed=seed, moves=moves, steps=steps)
        self.work += len(self.blocks) * moves // MOVES_PER_WORK
        return self.outside(prices) + self._inside()

    def _inside(self) -> float:
        """Return what blocks are worth: most of it as answered, some of it as bounded."""
        a = self.answers
        return float(((1.0 - self.doubt) * a.worth + self.doubt * np.maximum(a.alone, a.most)).sum())

    def run(self, proceed: Callable[[], bool]) -> None:
        """Move prices while ``proceed()`` and the bound falls."""
        if self.direction is None:
            worth = self._evaluate(self.best, 0, proceed, steps=FIRST_STEPS)
            if worth is None:
                return
            self.worth, self.direction = worth, self._slope(self.best)
        while not self.settled and proceed() and self._round(proceed):
            self.rounds += 1

    def _round(self, proceed: Callable[[], bool]) -> bool:
        """Try prices one step further; return whether there was time for it."""
        assert self.direction is not None
        d = self.direction.copy()
        d[((self.best <= 0) & (d > 0)) | ((self.best >= self.cap) & (d < 0))] = 0.0
        target = min(self.target(), self.worth - 1e-6 * abs(self.worth))
        if not np.isfinite(target):
            target = self.worth - TARGET * abs(self.worth)
        prices = self.best - self.step * (self.worth - target) / max(float(d @ d), 1e-9) * d
        prices = np.clip(prices, 0.0, self.cap)
        worth = self._evaluate(prices, self.rounds, proceed)
        if worth is None:
            return False
        slope = self._slope(prices)
        if worth < self.worth:
            self.best, self.worth, self.misses = prices, worth, 0
            if float(slope @ d) > 0:
                self.step = min(LARGEST_STEP, self.step * LONGER)
        else:
            self.misses += 1
        news = slope - self.direction
        weight = -float(self.direction @ news) / max(float(news @ news), 1e-9)
        self.direction = self.direction + min(max(weight, MOST_NEWS / 10), MOST_NEWS) * news
        if self.misses >= MISSES:
            self.misses, self.step = 0, self.step * SHORTER
            self.settled = self.step < LEAST_STEP
            again = self._evaluate(self.best, self.rounds + 1, proceed)
            # Blocks were answered too low by chance: what they have found since counts.
            self.worth = max(self.worth, self.worth if again is None else again)
        return True

    def prove(self, proceed: Callable[[], bool], limits: SolveLimits) -> None:
        """Bound every block at the best prices, those first that may be most too high.

        Ends early when ``proceed()`` says so: a block not solved counts with the bound from prices of
        its rows. Answers found are kept, so that `run` goes on from there.
        """
        self._evaluate(self.best, 1, lambda: True, CAREFUL_MOVES if proceed() else 1, FIRST_STEPS)
        answers, (gain, rate) = self.answers, self.gains(self.best)
        most = np.maximum(answers.most, answers.alone)
        closed = [self._most_alone(k, gain, rate, limits, proceed) for k in range(len(self.blocks))]
        most = np.maximum(answers.most, closed)
        before = float((most - answers.worth).sum())
        done = most <= answers.worth + 1e-6 * np.abs(most)
        for gap, work in ((BLOCK_GAPS[0], BLOCK_WORK), (BLOCK_GAPS[1], BLOCK_WORK * MORE_WORK)):
            each = replace(limits, work=work, gap=gap)
            slack = most - answers.worth
            small = WORTH_MORE * slack.sum() / len(self.blocks)
            for k in np.argsort(-slack, kind="stable").tolist():
                if done[k] or slack[k] <= small or not proceed():
                    continue
                bound, proven = self._solve(k, gain, rate, each, proceed)
                most[k] = max(closed[k], min(most[k], bound - self.blocks[k].opening))
                done[k] = proven and gap == BLOCK_GAPS[1]
        total = self.outside(self.best) + float(most.sum())
        self.bound = min(self.bound, total + 1e-7 * abs(total))
        if before > 0:
            self.doubt = min(1.0, max(LEAST_DOUBT, float((most - answers.worth).sum()) / before))
        self.worth, self.direction = self.outside(self.best) + self._inside(), self._slope(self.best)
        self.settled, self.step = False, max(self.step, 4 * LEAST_STEP)

    def _part(self, k: int, gain: Floats, rate: Floats) -> tuple[Floats, Floats]:
        here = slice(*self.answers.layout.bid_ptr[k : k + 2])
        return gain[here], rate[here]

    def _most_alone(
        self, k: int, gain: Floats, rate: Floats, limits: SolveLimits, proceed: Callable[[], bool]
    ) -> float:
        """Bound what a block is worth closed: what those who need no opening gain."""
        block, (mine, each) = self.blocks[k], self._part(k, gain, rate)
        if not block.opening or block.member.all():
            return 0.0
        top = np.maximum(0.0, mine + np.maximum(each * block.low, each * block.high))[~block.member]
        alone = float(self.answers.alone[k])
        if top.sum() <= alone + 1e-6 * abs(alone) or not proceed():
            return float(top.sum())
        program, _ = program_of_block(block, mine, each, ~block.member)
        solved = self.solver.solve(program, replace(limits, work=BLOCK_WORK), stop=lambda: not proceed())
        self.work += solved.work
        return float(min(solved.bound, top.sum()))

    def _solve(
        self, k: int, gain: Floats, rate: Floats, limits: SolveLimits, proceed: Callable[[], bool]
    ) -> tuple[float, bool]:
        """Return a bound on what a block earns open, its opening apart, and whether it was reached."""
        block, (mine, each) = self.blocks[k], self._part(k, gain, rate)
        program, columns = program_of_block(block, mine, each)
        if not program.n_columns:
            return 0.0, True
        solved = self.solver.solve(
            program, limits, start=columns.values(self.answers.of(k)), stop=lambda: not proceed()
        )
        self.work += solved.work
        if solved.values is not None:
            quantity = columns.quantity(solved.values)
            earned = float((mine * (quantity > 0) + each * quantity).sum()) - block.opening
            self.answers.tell(k, quantity)
            self.answers.worth[k] = max(float(self.answers.worth[k]), earned)
        return float(solved.bound), solved.answer is Answer.OPTIMAL
