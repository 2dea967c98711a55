"""Turn duals of the linear relaxation into published multipliers.

Reads a `Formulation`; the checker recomputes the bound from the result without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.clearing.problem import NONE
from market.clearing.result import MICRO, Multipliers

if TYPE_CHECKING:
    from market.clearing.formulate import Formulation
    from market.clearing.program import Floats

_LARGEST = 2.0**62


def _micro(values: Floats) -> list[int]:
    return [int(v) for v in np.rint(np.clip(values * MICRO, -_LARGEST, _LARGEST))]


def multipliers_of(f: Formulation, duals: Floats) -> Multipliers:
    """Return the rounded multipliers of a relaxation's row duals."""
    p = f.problem
    padded = np.append(duals, 0.0)
    resource = np.maximum(0.0, padded[f.resource_row])
    group = np.maximum(0.0, padded[f.group_row])
    per_lot = -padded[f.lot_row] / np.maximum(f.lot_row_scale, 1)
    simple = (f.order_column[p.lot_order] == NONE) & ~p.order_must[p.lot_order]
    per_lot[simple] += p.order_value[p.lot_order[simple]] / p.lot_quantity[simple]
    link = np.maximum(0.0, padded[f.link_row])
    member = np.repeat(np.arange(p.n_bids), np.diff(p.bid_group_ptr))
    return Multipliers(
        resources=named(p.resource_ids, resource),
        lots=named(p.lot_ids, per_lot),
        groups=named(p.group_ids, group),
        openings=tuple(
            (p.group_ids[p.bid_group[k]], p.bid_ids[member[k]], v)
            for k, v in zip(np.flatnonzero(link > 0).tolist(), _micro(link[link > 0]), strict=True)
            if v
        ),
        arcs=tuple(
            (p.arc_ids[origin.arc], p.bid_ids[b], v)
            for origin in f.origins
            for b, v in zip(origin.bid.tolist(), _micro(-padded[origin.row] / origin.units), strict=True)
        ),
        kind="lp_dual",
    )


def named(ids: tuple[str, ...], values: Floats) -> tuple[tuple[str, int], ...]:
    """Return the non-zero values by id, rounded to 10^-6."""
    return tuple(
        (ids[k], v)
        for k, v in zip(np.flatnonzero(values).tolist(), _micro(values[values != 0]), strict=True)
        if v
    )
