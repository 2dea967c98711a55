"""Dual prices of a market, from the linear relaxation or from the volume algorithm.

What searches rank bids by and exclude columns with. Floats; the published bound is recomputed
from rounded multipliers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.formulation.restrict import reduced_costs
from market.clearing.problem import NONE

if TYPE_CHECKING:
    from market.clearing.formulation.formulate import Formulation
    from market.clearing.problem import Problem
    from market.clearing.program import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Singles:
    """What single uses' prices say of bids and orders.

    ``bid`` is what accepting each loses at least (at most 0), ``order`` what each earns (at least 0).
    """

    bid: Floats
    order: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prices:
    """Prices in minor units, and the bound that they prove.

    ``link`` is per element of ``bid_group``: a bid's share of an opening. ``worth`` is the reduced
    cost of every column of the formulation: at these prices no column is worth more than
    ``max(0, worth)`` per unit. ``fraction`` is how far the relaxation accepts every bid. ``lot`` is the
    price of covering a unit of each lot, of either sign. ``single`` is there
    if uses have prices of their own.
    """

    resource: Floats
    group: Floats
    link: Floats
    worth: Floats
    bound: float
    fraction: Floats
    lot: Floats
    single: Singles | None = None


def no_prices(p: Problem) -> Prices:
    """Return prices of zero, which prove nothing."""
    return Prices(
        resource=np.zeros(len(p.resource_ids)),
        group=np.zeros(len(p.group_ids)),
        link=np.zeros(p.bid_group.size),
        worth=np.zeros(0),
        bound=float("inf"),
        fraction=np.zeros(p.n_bids),
        lot=np.zeros(len(p.lot_ids)),
    )


def lot_prices(f: Formulation, duals: Floats) -> Floats:
    """Return the price per unit of every lot's coverage."""
    p = f.problem
    per_lot = -np.append(duals, 0.0)[f.lot_row] / np.maximum(f.lot_row_scale, 1)
    simple = (f.order_column[p.lot_order] == NONE) & ~p.order_must[p.lot_order]
    per_lot[simple] += p.order_value[p.lot_order[simple]] / p.lot_quantity[simple]
    return np.asarray(per_lot, dtype=np.float64)


def prices_of_duals(f: Formulation, duals: Floats, values: Floats | None = None) -> Prices:
    """Return the prices of the relaxation's row duals."""
    fraction = np.zeros(f.problem.n_bids)
    if values is not None:
        has = f.bid_column != NONE
        fraction[has] = values[f.bid_column[has]]
    program = f.program
    padded = np.append(duals, 0.0)
    worth = reduced_costs(program, duals)
    side = np.where(duals > 0, program.row_upper, program.row_lower)
    binding = duals != 0
    rows = float((side[binding] * duals[binding]).sum())
    return Prices(
        resource=np.maximum(0.0, padded[f.resource_row]),
        group=np.maximum(0.0, padded[f.group_row]),
        link=np.maximum(0.0, padded[f.link_row]),
        worth=worth,
        bound=rows + float((np.maximum(0.0, worth) * program.upper).sum()),
        fraction=fraction,
        lot=lot_prices(f, duals),
    )
