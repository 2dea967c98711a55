"""Refuse problems whose sums could leave 64 bits, so that every int64 in the clearing is exact."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from market.clearing.errors import ProblemError
from market.clearing.problem import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from market.clearing.problem import Ints, Problem

    Floats = NDArray[np.float64]

_MAX_TOTAL = 2**63 - 1


def check_totals(p: Problem) -> None:
    """Refuse problems in which some total, or a product on the way to one, could reach 2^63.

    Floats with a margin decide the ordinary case; Python integers the rest.
    """
    margin = float(2**62)
    quantity = _row_sums(p.item_quantity.astype(np.float64), p.bid_item_ptr)
    money = _money(p, p.bid_fixed + p.bid_unit * quantity)
    if money > margin and (exact := _exact_money(p)) > _MAX_TOTAL:
        raise ProblemError("problem", f"the total of values and prices could reach 2^63 (up to {exact})")
    if p.use_resource.size:
        use = p.use_fixed + p.use_unit * np.repeat(quantity, np.diff(p.bid_use_ptr))
        total = np.bincount(p.use_resource, weights=use, minlength=len(p.resource_ids))
        for wrong in np.flatnonzero(total > margin)[:1].tolist():
            raise ProblemError("resources", f'the total use of "{p.resource_ids[wrong]}" could reach 2^63')
    covered = np.bincount(p.item_lot, weights=p.item_quantity.astype(np.float64), minlength=len(p.lot_ids))
    for wrong in np.flatnonzero(covered > margin)[:1].tolist():
        raise ProblemError("lots", f'the total quantity bid on "{p.lot_ids[wrong]}" could reach 2^63')
    _check_products(p)


def _check_products(p: Problem) -> None:
    """Refuse shares and conversions whose product could reach 2^63 before it is divided."""
    margin = float(2**62)
    lot = p.lot_quantity.astype(np.float64)
    shared = np.repeat(p.order_partial, np.diff(p.order_lot_ptr))
    worth = np.maximum(lot, p.order_value[p.lot_order].astype(np.float64))
    for wrong in np.flatnonzero(shared & (lot * worth > margin))[:1].tolist():
        order = p.order_ids[p.lot_order[wrong]]
        raise ProblemError("orders", f'value times quantity of the partial order "{order}" could reach 2^63')
    inner = p.arc_to != NONE
    for wrong in np.flatnonzero(inner & (lot[p.arc_from] * lot[p.arc_to] > margin))[:1].tolist():
        raise ProblemError("arcs", f'the quantities that "{p.arc_ids[wrong]}" joins multiply to 2^63 or more')
    splits = np.flatnonzero(p.bid_divisible)
    offered = p.item_quantity[p.bid_item_ptr[splits]].astype(np.float64)
    for wrong in np.flatnonzero(np.abs(p.bid_score[splits]) * offered > margin)[:1].tolist():
        raise ProblemError("bids", f'score times quantity of "{p.bid_ids[splits[wrong]]}" could reach 2^63')


def _money(p: Problem, price: Floats) -> float:
    """Return the sum of all values, scores and costs, about."""
    fixed, unit = p.transport_fixed, p.transport_unit
    units = float(p.lot_quantity[p.arc_from].sum(dtype=np.float64)) if p.arc_from.size else 0.0
    pairs = len(p.arc_ids) * float(max(p.n_bids, 1)) ** 2
    moves = float(fixed.max()) * min(pairs, units) + float(unit.max()) * units if fixed.size else 0.0
    return float(
        p.order_value.sum(dtype=np.float64)
        + np.abs(p.bid_score).sum(dtype=np.float64)
        + price.sum()
        + p.group_fixed.sum(dtype=np.float64)
        + moves
    )


def _exact_money(p: Problem) -> int:
    """Return the sum of all values, scores and costs."""
    items: list[int] = p.item_quantity.tolist()
    ptr: list[int] = p.bid_item_ptr.tolist()
    quantity = [sum(items[i:j]) for i, j in pairwise(ptr)]
    units = sum(p.lot_quantity[p.arc_from].tolist())
    pairs = len(p.arc_ids) * max(p.n_bids, 1) ** 2
    moves = max(p.transport_fixed.tolist(), default=0) * min(pairs, units)
    total: int = (
        sum(p.order_value.tolist())
        + sum(map(abs, p.bid_score.tolist()))
        + sum(p.bid_fixed.tolist())
        + sum(unit * q for unit, q in zip(p.bid_unit.tolist(), quantity, strict=True))
        + sum(p.group_fixed.tolist())
        + moves
        + max(p.transport_unit.tolist(), default=0) * units
    )
    return total


def _row_sums(values: Floats, ptr: Ints) -> Floats:
    """Return the sum of each CSR row as floats."""
    sums = np.zeros(values.size + 1)
    np.cumsum(values, out=sums[1:])
    return sums[ptr[1:]] - sums[ptr[:-1]]
