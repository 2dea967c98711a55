"""Columns of a bid sheet while it is being filled. Knows the shape of a sheet, nothing of costs."""

from __future__ import annotations

from collections.abc import Sequence

from takt_sdk.model.sheet import Bids, BidSheet, Capacities, Groups
from takt_sdk.model.values import MAX_MINOR

MAX_SHEET_BIDS = 7_000
"""What fits into a message of 1 MiB at about 130 bytes a bid; rules allow 20,000 by default."""


class SheetBuilder:
    """Bids, capacities and groups under construction, in columns.

    A bid that the wire cannot carry (price above 2^53 - 1) or that would exceed the limit of bids is
    left out; `add` says so.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], int] = {}
        self._available: list[int] = []
        self._group_limits: list[int] = []
        self._site: list[str] = []
        self._start_us: list[int] = []
        self._end_us: list[int] = []
        self._fixed_minor: list[int] = []
        self._unit_minor: list[int] = []
        self._min_quantity: list[int] = []
        self._emissions_g: list[int] = []
        self._item_offset: list[int] = [0]
        self._item_lot: list[str] = []
        self._item_quantity: list[int] = []
        self._use_offset: list[int] = [0]
        self._use_capacity: list[int] = []
        self._use_fixed: list[int] = []
        self._use_per_unit: list[int] = []
        self._group_offset: list[int] = [0]
        self._group_index: list[int] = []

    def __len__(self) -> int:
        return len(self._site)

    def capacity(self, resource: str, period: int, available: int) -> int:
        """Return the row of a capacity, declaring it when it is named first."""
        row = self._rows.setdefault((resource, period), len(self._available))
        if row == len(self._available):
            self._available.append(available)
        return row

    def group(self, max_accepted: int) -> int:
        """Open a group of which at most ``max_accepted`` bids may be accepted; return its index."""
        self._group_limits.append(max_accepted)
        return len(self._group_limits) - 1

    def add(
        self,
        *,
        site: str,
        window_us: tuple[int, int],
        items: Sequence[tuple[str, int]],
        uses: Sequence[tuple[int, int, int]],
        fixed_minor: int,
        emissions_g: int,
        unit_minor: int = 0,
        min_quantity: int = 0,
        groups: Sequence[int] = (),
    ) -> bool:
        """Append a bid with uses as (capacity row, fixed, per unit); return whether it was taken."""
        total_minor = fixed_minor + unit_minor * sum(quantity for _, quantity in items)
        if total_minor > MAX_MINOR or emissions_g > MAX_MINOR or len(self._site) >= MAX_SHEET_BIDS:
            return False
        self._site.append(site)
        self._start_us.append(window_us[0])
        self._end_us.append(window_us[1])
        self._fixed_minor.append(fixed_minor)
        self._unit_minor.append(unit_minor)
        self._min_quantity.append(min_quantity)
        self._emissions_g.append(emissions_g)
        for lot, quantity in items:
            self._item_lot.append(lot)
            self._item_quantity.append(quantity)
        self._item_offset.append(len(self._item_lot))
        for row, fixed, per_unit in uses:
            self._use_capacity.append(row)
            self._use_fixed.append(fixed)
            self._use_per_unit.append(per_unit)
        self._use_offset.append(len(self._use_capacity))
        self._group_index.extend(groups)
        self._group_offset.append(len(self._group_index))
        return True

    def build(self, round_id: str, expires_us: int, *, stands_by: bool = False) -> BidSheet:
        """Return the sheet; its bids are called b0, b1, …, its groups g0, g1, …."""
        count = len(self._site)
        return BidSheet(
            round_id=round_id,
            expires_us=expires_us,
            stands_by=stands_by,
            capacities=Capacities(
                resource=tuple(resource for resource, _ in self._rows),
                period=tuple(period for _, period in self._rows),
                available=tuple(self._available),
            ),
            bids=Bids(
                id=tuple(f"b{index}" for index in range(count)),
                site=tuple(self._site),
                start_us=tuple(self._start_us),
                end_us=tuple(self._end_us),
                fixed_price_minor=tuple(self._fixed_minor),
                unit_price_minor=tuple(self._unit_minor),
                min_quantity=tuple(self._min_quantity),
                emissions_g=tuple(self._emissions_g),
                item_offset=tuple(self._item_offset),
                item_lot=tuple(self._item_lot),
                item_quantity=tuple(self._item_quantity),
                use_offset=tuple(self._use_offset),
                use_capacity=tuple(self._use_capacity),
                use_fixed=tuple(self._use_fixed),
                use_per_unit=tuple(self._use_per_unit),
                group_offset=tuple(self._group_offset),
                group_index=tuple(self._group_index),
            ),
            groups=Groups(
                id=tuple(f"g{index}" for index in range(len(self._group_limits))),
                max_accepted=tuple(self._group_limits),
                fixed_price_minor=(0,) * len(self._group_limits),
            ),
        )
