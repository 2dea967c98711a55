"""Simulated annealing on a packing model, in slices short enough to stop between them.

Owns the compiled search's state. Randomness comes from the problem's seed alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.local_search.anneal_moves import anneal
from market.clearing.local_search.ejection_pool import cover_musts
from market.clearing.local_search.moves import Model, clear_state, construct, put_items
from market.clearing.local_search.packing import Packing, most_bonus

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.problem import Flags, Ints
    from market.clearing.program import Floats

SCAN = 64
"""How many items of a freed row are tried when refilling it, where orders have few items each."""

MANY_ITEMS = 3
"""From so many items an order, orders find their own way back and freed rows are not scanned."""

ITEMS_PER_SLICE = 5000
"""A slice passes per so many items between reports: evaluating one takes the longer the larger the market."""

HEAT_QUANTILE = 20.0
COOLING = 0.07
_CALIBRATION_MOVES = 3000

COVER_SLICES = 400
COVER_ROUNDS = 200
MOVES_PER_ROUND = 50
"""Of the ejection pool, a round of which tries every item of an order and shakes the rest."""


class Annealer:
    """Anneals one packing model.

    ``slice_moves`` adapts to the machine under a time limit and is fixed under a work limit.
    """

    def __init__(self, packing: Packing, seed: int) -> None:
        self.packing = packing
        self.state = packing.empty()
        self.best = np.zeros(packing.n_items, dtype=np.int8)
        self.value = np.zeros(2, dtype=np.int64)
        self.rng = np.array([seed * 0x9E3779B97F4A7C15 + 0x1234567 & (2**64 - 1) | 1], dtype=np.uint64)
        self.losses = np.zeros(2048, dtype=np.int64)
        self.heat = 0.0
        self.scan = SCAN if packing.n_items < MANY_ITEMS * packing.model.must.size else 0
        self.moves = 0

    def calibrate(self) -> None:
        """Descend once and set the heat from the sizes of losing moves.

        Openings cost more than bids differ: the heat is the geometric mean of that of all moves and that
        of moves that open nothing.
        """
        self.moves += 2 * _CALIBRATION_MOVES
        for _ in range(2):
            self._run(_CALIBRATION_MOVES, 0.0, 0.0)
        ceiling = self.packing.bonus // 2 or 2**61
        sizes = np.abs(self.losses)
        lost = (sizes > 0) & (sizes < ceiling)
        among = [sizes[rows] for rows in (lost, lost & (self.losses > 0)) if rows.any()]
        heats = [float(np.percentile(losses, HEAT_QUANTILE)) for losses in among]
        self.heat = float(np.sqrt(heats[0] * heats[-1])) if heats else 1.0

    def build(self) -> None:
        """Build by falling regret, by falling worth and as the relaxation accepts; keep the best."""
        m = self.packing.model
        blocks = int(m.blocks[0])
        starts = m.block_ptr[:-1]
        has = np.flatnonzero(np.diff(m.block_ptr) > 0)
        first = np.zeros(blocks)
        first[has] = m.regret[m.block_item[starts[has]]]
        best = np.zeros(blocks)
        best[has] = self.packing.adjusted[m.block_item[starts[has]]]
        by_fraction, sure = self._by_fraction()
        for model, key in ((m, first), (m, best), (by_fraction, sure)):
            clear_state(self.state)
            sequence = np.argsort(-key, kind="stable")
            self.value[0] = construct(sequence, self.packing.adjusted, model, self.state)
            self._keep()
        self.restart_best()

    def _by_fraction(self) -> tuple[Model, Floats]:
        """Return the model ranked as the relaxation accepts, and the largest share per order."""
        m, fraction = self.packing.model, self.packing.fraction
        block = np.repeat(np.arange(m.must.size), np.diff(m.block_ptr))
        share = fraction[m.block_item]
        ranked = m.block_item[np.lexsort((np.arange(block.size), -share, block))]
        sure = np.zeros(m.must.size)
        np.maximum.at(sure, block, share)
        return m._replace(block_item=ranked), sure

    def restart_best(self) -> None:
        """Continue from the best set found here."""
        clear_state(self.state)
        self.value[0] = put_items(np.flatnonzero(self.best), self.packing.model, self.state)

    def _keep(self) -> None:
        if self.value[0] > self.value[1]:
            self.value[1] = self.value[0]
            self.best[:] = self.state.taken

    def _run(self, moves: int, heat: float, cold: float) -> None:
        anneal(
            self.packing.model,
            self.state,
            self.best,
            self.value,
            self.rng,
            heat,
            cold,
            moves,
            self.scan,
            self.losses,
        )

    def cover(self, proceed: Callable[[], bool], most_moves: int | None = None) -> bool:
        """Try to cover every order that must be served; return whether the best set does now."""
        m, state = self.packing.model, self.state
        failures = np.ones(m.must.size, dtype=np.int64)
        must = m.must > 0
        left = int((state.load[: must.size][must] == 0).sum())
        each = COVER_ROUNDS * MOVES_PER_ROUND
        for _ in range(COVER_SLICES if most_moves is None else min(COVER_SLICES, most_moves // each)):
            if not left or not proceed():
                break
            left = cover_musts(m, state, self.rng, failures, COVER_ROUNDS)
            self.moves += each
        if not left:
            self._insist()
        self.restart_best()
        return not left

    def _insist(self) -> None:
        """Take the state, which covers what must be, as the best; no saving is worth an order from now on."""
        m = self.packing.model
        covers = np.bincount(
            m.block_item, weights=np.repeat(m.must, np.diff(m.block_ptr)), minlength=m.profit.size
        )
        musts = covers.astype(np.int64)
        profit = m.profit - self.packing.bonus * musts
        wanted = int(np.abs(profit).max(initial=0)) * m.must.size + int(m.group_price.sum())
        block = np.repeat(np.arange(m.must.size), np.diff(m.block_ptr))
        most = most_bonus(block, profit[m.block_item], m.must)
        extra = max(0, min(wanted, most - self.packing.bonus))
        insistent = m._replace(profit=m.profit + extra * musts)
        self.packing = replace(self.packing, model=insistent, bonus=self.packing.bonus + extra)
        self.best[:] = self.state.taken
        self.restart_best()
        self.value[1] = self.value[0]

    def _missing(self, taken: Flags) -> bool:
        """Return whether an order that must be served is not covered."""
        m = self.packing.model
        block = np.repeat(np.arange(m.must.size), np.diff(m.block_ptr))
        covered = np.bincount(block, weights=taken[m.block_item], minlength=m.must.size) > 0
        return bool((m.must.astype(np.bool_) & ~covered).any())

    def cycle(
        self, progress: Callable[[], float], slice_moves: int, heat: float, found: Callable[[Ints], None]
    ) -> None:
        """Cool from ``heat`` times the calibrated heat until ``progress()`` reaches 1; report better sets."""
        top, silent = int(self.value[1]), 0
        patience = self.packing.n_items // ITEMS_PER_SLICE
        while (done := progress()) < 1.0:
            warm = self.heat * heat * COOLING**done
            self._run(slice_moves, warm, warm)
            self.moves += slice_moves
            silent += 1
            if self.value[1] > top and silent > patience:
                top, silent = int(self.value[1]), 0
                found(self.best_quantity())
        if self.value[1] > top:
            found(self.best_quantity())

    def best_quantity(self) -> Ints:
        """Return the accepted quantity per bid of the best set found."""
        return self.packing.accepted(self.best > 0)

    def restart(self, quantity: Ints) -> None:
        """Continue from an allocation, found here or elsewhere."""
        items = self.packing.items(quantity)
        clear_state(self.state)
        self.value[0] = put_items(items, self.packing.model, self.state)
        if self._missing(self.best > 0) and not self._missing(self.state.taken > 0):
            self._insist()
        self._keep()
