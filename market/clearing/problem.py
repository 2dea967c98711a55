"""The winner determination problem of one clearing, as columns.

Everything is an id tuple or an int64 array; ragged parts are CSR (``*_ptr`` has one entry more
than its owner). The order inside is canonical (ids sorted by code point), so permuting the
input changes nothing. Exactly as expressive as ``takt.problem.v1`` (docs/clearing.md). Holds no
algorithm; `problem_builder` makes it, `problem_json` reads and writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

NONE = -1
"""Stands for "no site", "no limit" and "no such lot" in index and limit columns."""

NO_TIME = -(2**63)
"""Stands for "no date" in ``bid_start`` and ``bid_end``."""

MECHANISMS = ("pay_as_bid", "second_price", "vcg", "core", "uniform", "greedy")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """One market to clear; immutable, canonical, validated by its builder.

    Money is in minor units, quantities in smallest units, dates and capacity in minutes.
    Lots are grouped by order (``order_lot_ptr``), arcs too (``order_arc_ptr``). An arc ends at a
    lot (``arc_to``) or at a site (``arc_site``); the other one is ``NONE``.
    """

    currency: str
    mechanism: str
    seed: int

    order_ids: tuple[str, ...]
    order_value: Ints
    order_must: Flags
    order_partial: Flags
    order_max_suppliers: Ints
    order_lot_ptr: Ints
    order_arc_ptr: Ints

    lot_ids: tuple[str, ...]
    lot_quantity: Ints
    lot_order: Ints

    arc_ids: tuple[str, ...]
    arc_from: Ints
    arc_to: Ints
    arc_site: Ints

    resource_ids: tuple[str, ...]
    resource_capacity: Ints

    group_ids: tuple[str, ...]
    group_max: Ints
    group_fixed: Ints

    bidders: tuple[str, ...]
    sites: tuple[str, ...]

    bid_ids: tuple[str, ...]
    bid_bidder: Ints
    bid_site: Ints
    bid_divisible: Flags
    bid_min: Ints
    bid_fixed: Ints
    bid_unit: Ints
    bid_score: Ints
    bid_start: Ints
    bid_end: Ints
    bid_item_ptr: Ints
    item_lot: Ints
    item_quantity: Ints
    bid_use_ptr: Ints
    use_resource: Ints
    use_fixed: Ints
    use_unit: Ints
    bid_group_ptr: Ints
    bid_group: Ints

    transport_from: Ints
    transport_to: Ints
    transport_fixed: Ints
    transport_unit: Ints
    transport_minutes: Ints

    @property
    def n_orders(self) -> int:
        """Number of orders."""
        return len(self.order_ids)

    @property
    def n_bids(self) -> int:
        """Number of bids."""
        return len(self.bid_ids)
