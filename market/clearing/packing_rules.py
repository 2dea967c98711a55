"""Whether a market is a packing of single bids; apart from `packing` so that asking costs no numba."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.clearing.formulate import simple_orders
from market.clearing.problem import NONE

if TYPE_CHECKING:
    from market.clearing.problem import Problem
    from market.clearing.terms import Terms


def packable(p: Problem, terms: Terms) -> bool:
    """Return whether every order is served by single bids, so that bids are the items."""
    return bool(p.n_orders) and not (p.arc_to != NONE).any() and bool(simple_orders(p, terms).all())
