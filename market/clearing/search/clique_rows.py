"""The linear relaxation of a market with rows for cliques: bids of which no two can be accepted together.

The market's own rows stay; cliques that its solutions violate are added while that pays. What the duals
of both prove is published: cliques are part of the certificate. Deterministic.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.bounds.multipliers import multipliers_of, rounded
from market.clearing.bounds.prices import prices_of_duals
from market.clearing.problem import NONE
from market.clearing.program import Answer, Cuts
from market.clearing.stable_sets.clique_list import chosen_of, distinct
from market.clearing.stable_sets.cliques import STARTS, VIOLATED, grown, violated

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.bounds.prices import Prices
    from market.clearing.problem import Ints
    from market.clearing.program import Floats, SolveLimits
    from market.clearing.result import Multipliers
    from market.clearing.search.case import Case
    from market.clearing.stable_sets.conflict_graph import ConflictGraph

MOST_ROUNDS = 30
LEAST_GAIN = 2e-4
"""Cliques are added until a round lowers the bound by less than this share of it."""

FRACTION = 1e-6


class CliqueRelaxation:
    """The relaxation of one case, and the cliques of its conflict graph found so far.

    ``ptr`` and ``member`` hold the cliques: those that the market names, grown to maximal ones, then those
    that solutions violated.
    """

    def __init__(self, case: Case, graph: ConflictGraph) -> None:
        self.case, self.graph = case, graph
        self.sequence = np.argsort(-np.bitwise_count(graph.adjacent).sum(axis=1), kind="stable")
        self.ptr, self.member = distinct(
            *grown(graph.adjacent, graph.clique_ptr, graph.clique_member, self.sequence)
        )
        self.own = self.ptr.size - 1
        self.row = np.full(self.own, NONE, dtype=np.int64)
        """Row of each clique in the relaxation, ``NONE`` for those that no solution violated."""
        self.duals: Floats | None = None
        self.values: Floats | None = None
        self.bound = np.inf

    def solve(self, proceed: Callable[[], bool], limits: Callable[[], SolveLimits]) -> None:
        """Solve the relaxation and add violated cliques while that pays."""
        case = self.case
        kept = case.solver.keep(case.f.program)
        rows = case.f.program.n_rows
        for _ in range(MOST_ROUNDS):
            found = kept.relax(limits(), stop=case.incumbent.stopped.is_set)
            case.work += found.work
            if found.answer is not Answer.OPTIMAL or found.duals is None or found.values is None:
                return
            gain = self.bound - found.bound
            if found.bound <= self.bound:
                self.bound, self.duals, self.values = found.bound, found.duals, found.values
            case.incumbent.lower_bound(max(self.bound, case.incumbent.objective))
            if not proceed() or gain < LEAST_GAIN * abs(self.bound):
                return
            fresh = self.separate(found.values[case.f.bid_column[self.graph.bid]])
            if not fresh.size:
                return
            self.row[fresh] = rows + np.arange(fresh.size)
            rows += fresh.size
            kept.add_rows(self.cuts(fresh))

    def separate(self, x: Floats) -> Ints:
        """Return the cliques that a solution violates and that are no rows yet; some of them are new."""
        inside = np.flatnonzero(x > FRACTION)
        ways = (x[inside], x[inside] * self.graph.weight[inside])
        ranked = np.stack([inside[np.argsort(-key, kind="stable")] for key in ways[:STARTS]])
        fractional = inside[x[inside] < 1.0 - FRACTION]
        ptr, member = violated(self.graph.adjacent, x, fractional, ranked, self.sequence)
        self.ptr, self.member = distinct(
            np.concatenate([self.ptr, self.ptr[-1] + ptr[1:]]), np.concatenate([self.member, member])
        )
        fresh = np.full(self.ptr.size - 1 - self.row.size, NONE, dtype=np.int64)
        self.row = np.concatenate([self.row, fresh])
        if not self.member.size:
            return fresh
        load = np.add.reduceat(x[self.member], self.ptr[:-1])
        return np.flatnonzero((load > 1.0 + VIOLATED) & (self.row == NONE))

    def cuts(self, cliques: Ints) -> Cuts:
        """Return the rows of cliques."""
        ptr, member = chosen_of(self.ptr, self.member, cliques)
        column = self.case.f.bid_column[self.graph.bid[member]]
        return Cuts(
            row_lower=np.full(cliques.size, -np.inf),
            row_upper=np.ones(cliques.size),
            row_ptr=ptr.astype(np.int32),
            column=column.astype(np.int32),
            value=np.ones(member.size),
        )

    def priced(self) -> tuple[Ints, Floats]:
        """Return the cliques with a positive dual, and their duals."""
        if self.duals is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        inside = np.flatnonzero((self.row != NONE) & (self.row < self.duals.size))
        dual = self.duals[self.row[inside]]
        return inside[dual > 0], dual[dual > 0]

    def multipliers(self) -> Multipliers:
        """Return the rounded multipliers of the market's rows and of cliques."""
        assert self.duals is not None
        cliques, dual = self.priced()
        own = multipliers_of(self.case.f, self.duals[: self.case.f.program.n_rows])
        return replace(own, cliques=self.named([self.members(k) for k in cliques.tolist()], dual))

    def named(self, cliques: list[Ints], price: Floats) -> tuple[tuple[tuple[str, ...], int], ...]:
        """Return cliques by the ids of their bids, sorted, with rounded prices; not those priced 0."""
        p, bids = self.case.p, self.graph.bid
        return tuple(
            sorted(
                (tuple(sorted(p.bid_ids[b] for b in bids[clique].tolist())), micro)
                for clique, micro in zip(cliques, rounded(price).tolist(), strict=True)
                if micro
            )
        )

    def prices(self) -> Prices:
        """Return the prices that the duals are; cliques count in what columns are worth."""
        assert self.duals is not None
        f = self.case.f
        own = self.duals[: f.program.n_rows]
        found = prices_of_duals(f, own, self.values)
        cliques, dual = self.priced()
        ptr, member = chosen_of(self.ptr, self.member, cliques)
        worth = found.worth.copy()
        np.subtract.at(worth, f.bid_column[self.graph.bid[member]], np.repeat(dual, np.diff(ptr)))
        most = f.program.upper
        bound = found.bound + float(dual.sum())
        bound += float(((np.maximum(0.0, worth) - np.maximum(0.0, found.worth)) * most).sum())
        return replace(found, worth=worth, bound=bound)

    def members(self, k: int) -> Ints:
        """Return the vertices of a clique."""
        found: Ints = self.member[self.ptr[k] : self.ptr[k + 1]]
        return found

    def start(self) -> tuple[Ints, Ints, Floats]:
        """Return the market's cliques and the tight ones beside them, with prices to begin branching at.

        What a row of the market costs counts for a clique that holds all of its bids.
        """
        price = np.zeros(self.ptr.size - 1)
        if self.duals is None or self.values is None:
            return self.ptr, self.member, price
        cliques, dual = self.priced()
        price[cliques] = dual
        self._add_own(price, self.duals)
        x = self.values[self.case.f.bid_column[self.graph.bid]]
        load = np.add.reduceat(x[self.member], self.ptr[:-1]) if self.member.size else price
        tight = np.flatnonzero((price > 0) | (load > 1.0 - FRACTION) | (np.arange(price.size) < self.own))
        return *chosen_of(self.ptr, self.member, tight), price[tight]

    def _add_own(self, price: Floats, duals: Floats) -> None:
        """Add what the market's own rows cost to a clique that holds their bids."""
        program = self.case.f.program
        vertex = np.full(program.n_columns, NONE, dtype=np.int64)
        vertex[self.case.f.bid_column[self.graph.bid]] = np.arange(self.graph.bid.size)
        owner = np.repeat(np.arange(price.size), np.diff(self.ptr))
        by = np.argsort(self.member, kind="stable")
        first = np.searchsorted(self.member[by], np.arange(self.graph.bid.size + 1))
        for r in np.flatnonzero(duals[: program.n_rows] > 0).tolist():
            inside = vertex[program.column[program.row_ptr[r] : program.row_ptr[r + 1]]]
            inside = inside[inside != NONE]
            places = [by[first[v] : first[v + 1]] for v in inside.tolist()]
            if len(places) > 1:
                found, times = np.unique(owner[np.concatenate(places)], return_counts=True)
                if times.max(initial=0) == inside.size:
                    price[found[int(np.argmax(times))]] += duals[r] * program.row_upper[r]
