"""Markets solved again without a bidder: what is known at once is not searched."""

from __future__ import annotations

import numpy as np
import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.errors import UnprovenError
from market.clearing.formulation.allocation import allocation_of
from market.clearing.program import Program, ProgramResult, SolveLimits
from market.clearing.publishing.counterfactual import Budget, Counterfactuals
from market.clearing.terms import terms_of
from tests.unit.market.clearing.documents import Document, bid, document, order, use


class RelaxesOnly(PulpSolver):
    """Solves relaxations; a program is searched by mistake."""

    def solve(self, program: Program, limits: SolveLimits, **_options: object) -> ProgramResult:
        """Refuse."""
        raise AssertionError(f"searched {program.n_columns} columns with {limits}")


def without(market: Document, accepted: list[str], bidder: str) -> int | None:
    """Return what the market is worth without a bidder, found without any search."""
    p = problem_from_document(market)
    quantity = np.array([int(name in accepted) for name in p.bid_ids], dtype=np.int64)
    a = allocation_of(p, terms_of(p), quantity, ())
    again = Counterfactuals(RelaxesOnly(), Budget(left_s=lambda: None))
    found = again.without(p, a, [p.bidders.index(bidder)])[0]
    return None if found is None else found.objective


def market() -> Document:
    """Return two orders, a machine with room for both, and a second offer for each."""
    return document(
        orders=[order("a", 100), order("b", 100)],
        resources=[{"id": "m", "capacity": 2}],
        bids=[
            bid("a1", "a", 10, bidder="p", uses=[use("m", 1)]),
            bid("a2", "a", 30, bidder="q", uses=[use("m", 1)]),
            bid("b1", "b", 10, bidder="r", uses=[use("m", 1)]),
            bid("b2", "b", 40, bidder="s", uses=[use("m", 1)]),
        ],
    )


@pytest.mark.parametrize(("bidder", "worth"), [("q", 180), ("s", 180)])
def test_a_repaired_answer_that_the_bound_proves_is_not_searched_for(bidder: str, worth: int) -> None:
    assert without(market(), ["a1", "b1"], bidder) == worth


def test_an_answer_that_the_bound_does_not_prove_is_searched_for() -> None:
    """The bound of zero lies a hundred above an allocation that serves one order."""
    with pytest.raises(AssertionError, match="searched"):
        without(market(), ["a1"], "s")


def test_no_time_is_no_proof() -> None:
    with pytest.raises(UnprovenError, match="no time left"):
        Budget(left_s=lambda: 0.0).limits()
    assert Budget(left_s=lambda: 1.0, work=5).limits() == SolveLimits(time_s=1.0, work=1000)
    assert Budget(left_s=lambda: None, work=5000).limits() == SolveLimits(work=5000)
