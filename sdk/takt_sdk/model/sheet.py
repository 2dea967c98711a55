"""Bid sheets: a participant's whole answer to one call, in columns.

Element i of every column of `Bids` belongs to bid i; items, uses and groups of bid i stand at
``offset[i]`` to ``offset[i + 1]`` of their columns. Columns are validated as a whole: one object
per bid would cap the market. `Bid` is a view made on demand. The same shape goes over the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import gt
from typing import Literal

from takt_sdk.model.errors import ColumnLengthError, InvalidWindowError, OutOfRangeError
from takt_sdk.model.values import (
    MAX_LOCAL_ID,
    MAX_MINOR,
    MAX_QUANTITY,
    MAX_TIME_US,
    check_count,
    check_id,
    check_ids,
    check_int,
    check_ints,
    check_local_id,
    check_time,
)

MAX_BIDS = 100_000
MAX_PERIOD = 10_000_000


def _check_lengths(length: int, /, **columns: tuple[object, ...]) -> None:
    for name, column in columns.items():
        if len(column) != length:
            raise ColumnLengthError(name, len(column), f"expected {length}")


def _check_local(name: str, ids: tuple[str, ...]) -> None:
    if ids and len(max(ids, key=len)) > MAX_LOCAL_ID:
        for index, value in enumerate(ids):
            check_local_id(f"{name}[{index}]", value)


def _check_offsets(name: str, offsets: tuple[int, ...], bids: int, elements: int) -> None:
    if not bids and not offsets:
        offsets = (0,)
    if len(offsets) != bids + 1:
        raise ColumnLengthError(name, len(offsets), f"expected {bids + 1}")
    rises = set(map(type, offsets)) == {int} and not any(map(gt, offsets, offsets[1:]))
    if not (rises and offsets[0] == 0 and offsets[-1] == elements):
        check_ints(name, offsets, 0, elements)
        raise OutOfRangeError(name, offsets[:10], f"must rise from 0 to {elements}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacities:
    """What the participant has to give: one row per (resource, period), minutes or units of stock.

    ``resource`` is a work centre or a stocked material of the sender, ``period`` an index of the
    market's period grid.
    """

    resource: tuple[str, ...] = ()
    period: tuple[int, ...] = ()
    available: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_lengths(len(self.resource), period=self.period, available=self.available)
        check_count("resource", self.resource, MAX_BIDS)
        for index, name in enumerate(self.resource):
            check_local_id(f"resource[{index}]", name)
        check_ints("period", self.period, 0, MAX_PERIOD)
        check_ints("available", self.available, 0, MAX_QUANTITY)
        check_ids(
            "resource/period", tuple(f"{r}/{p}" for r, p in zip(self.resource, self.period, strict=True))
        )

    def __len__(self) -> int:
        return len(self.resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Sets of bids: at most ``max_accepted`` of them (None = all), ``fixed_price_minor`` once if any."""

    id: tuple[str, ...] = ()
    max_accepted: tuple[int | None, ...] = ()
    fixed_price_minor: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_lengths(len(self.id), max_accepted=self.max_accepted, fixed_price_minor=self.fixed_price_minor)
        check_ids("id", self.id)
        _check_local("id", self.id)
        for index, limit in enumerate(self.max_accepted):
            if limit is not None:
                check_int(f"max_accepted[{index}]", limit, 0, MAX_BIDS)
        check_ints("fixed_price_minor", self.fixed_price_minor, 0, MAX_MINOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bids:
    """Bids in columns. A bid's price is ``fixed + unit × accepted quantity``.

    ``min_quantity`` 0 marks a package: all items in full or nothing. A divisible bid (>= 1) has one
    item and may be accepted in any quantity from ``min_quantity`` to the item's.
    """

    id: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    start_us: tuple[int, ...] = ()
    end_us: tuple[int, ...] = ()
    fixed_price_minor: tuple[int, ...] = ()
    unit_price_minor: tuple[int, ...] = ()
    min_quantity: tuple[int, ...] = ()
    emissions_g: tuple[int, ...] = ()
    item_offset: tuple[int, ...] = (0,)
    item_lot: tuple[str, ...] = ()
    item_quantity: tuple[int, ...] = ()
    use_offset: tuple[int, ...] = (0,)
    use_capacity: tuple[int, ...] = ()
    use_fixed: tuple[int, ...] = ()
    use_per_unit: tuple[int, ...] = ()
    group_offset: tuple[int, ...] = (0,)
    group_index: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.id)
        check_count("id", self.id, MAX_BIDS)
        _check_lengths(
            count,
            site=self.site,
            start_us=self.start_us,
            end_us=self.end_us,
            fixed_price_minor=self.fixed_price_minor,
            unit_price_minor=self.unit_price_minor,
            min_quantity=self.min_quantity,
            emissions_g=self.emissions_g,
        )
        _check_lengths(len(self.item_lot), item_quantity=self.item_quantity)
        _check_lengths(len(self.use_capacity), use_fixed=self.use_fixed, use_per_unit=self.use_per_unit)
        check_ids("id", self.id)
        _check_local("id", self.id)
        for name in set(self.site):
            check_id("site", name)
        _check_offsets("item_offset", self.item_offset, count, len(self.item_lot))
        _check_offsets("use_offset", self.use_offset, count, len(self.use_capacity))
        _check_offsets("group_offset", self.group_offset, count, len(self.group_index))
        check_ints("start_us", self.start_us, 0, MAX_TIME_US)
        check_ints("end_us", self.end_us, 0, MAX_TIME_US)
        check_ints("fixed_price_minor", self.fixed_price_minor, 0, MAX_MINOR)
        check_ints("unit_price_minor", self.unit_price_minor, 0, MAX_MINOR)
        check_ints("emissions_g", self.emissions_g, 0, MAX_MINOR)
        check_ints("item_quantity", self.item_quantity, 1, MAX_QUANTITY)
        check_ints("use_fixed", self.use_fixed, 0, MAX_QUANTITY)
        check_ints("use_per_unit", self.use_per_unit, 0, MAX_QUANTITY)
        self._check_rows()

    def _check_rows(self) -> None:
        for i in range(len(self.id)):
            if self.end_us[i] <= self.start_us[i]:
                raise InvalidWindowError(f"end_us[{i}]", self.end_us[i], f"after start_us {self.start_us[i]}")
            first, last = self.item_offset[i], self.item_offset[i + 1]
            if first == last:
                raise OutOfRangeError(f"item_offset[{i + 1}]", last, "a bid has at least one item")
            if last - first > 1 and len(set(self.item_lot[first:last])) < last - first:
                check_ids(f"item_lot[{first}:{last}]", self.item_lot[first:last])
            low = self.min_quantity[i]
            if low:
                if last - first != 1:
                    raise OutOfRangeError(f"min_quantity[{i}]", low, "only a bid with one item is divisible")
                check_int(f"min_quantity[{i}]", low, 0, self.item_quantity[first])
            begin, stop = self.use_offset[i], self.use_offset[i + 1]
            if stop - begin > 1 and len(set(self.use_capacity[begin:stop])) < stop - begin:
                raise OutOfRangeError(
                    f"use_capacity[{begin}:{stop}]", self.use_capacity[begin:stop], "used twice"
                )

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """A view of one bid of a sheet, made on demand."""

    id: str
    site: str
    start_us: int
    end_us: int
    fixed_price_minor: int
    unit_price_minor: int
    min_quantity: int
    emissions_g: int
    items: tuple[tuple[str, int], ...]
    uses: tuple[tuple[int, int, int], ...]
    groups: tuple[int, ...]

    def price_minor(self, quantity: int) -> int:
        """Return the price of ``quantity`` units in total over all items."""
        return self.fixed_price_minor + self.unit_price_minor * quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class BidSheet:
    """A participant's bids, groups and capacities for one round; binding until ``expires_us``.

    ``stands_by`` agrees that a bid which loses may be awarded until then, at its own price, if the winner
    drops out; its capacity stays the bidder's to sell.
    """

    kind: Literal["takt.bid_sheet.v1"] = "takt.bid_sheet.v1"
    round_id: str
    expires_us: int
    capacities: Capacities = Capacities()
    bids: Bids = Bids()
    groups: Groups = Groups()
    stands_by: bool = False

    def __post_init__(self) -> None:
        check_id("round_id", self.round_id)
        check_time("expires_us", self.expires_us)
        check_ints("bids.use_capacity", self.bids.use_capacity, 0, len(self.capacities) - 1)
        check_ints("bids.group_index", self.bids.group_index, 0, len(self.groups.id) - 1)

    def bid(self, index: int) -> Bid:
        """Return a view of bid ``index``."""
        bids = self.bids
        items = slice(bids.item_offset[index], bids.item_offset[index + 1])
        uses = slice(bids.use_offset[index], bids.use_offset[index + 1])
        groups = slice(bids.group_offset[index], bids.group_offset[index + 1])
        return Bid(
            id=bids.id[index],
            site=bids.site[index],
            start_us=bids.start_us[index],
            end_us=bids.end_us[index],
            fixed_price_minor=bids.fixed_price_minor[index],
            unit_price_minor=bids.unit_price_minor[index],
            min_quantity=bids.min_quantity[index],
            emissions_g=bids.emissions_g[index],
            items=tuple(zip(bids.item_lot[items], bids.item_quantity[items], strict=True)),
            uses=tuple(
                zip(bids.use_capacity[uses], bids.use_fixed[uses], bids.use_per_unit[uses], strict=True)
            ),
            groups=bids.group_index[groups],
        )

    def __iter__(self) -> Iterator[Bid]:
        return map(self.bid, range(len(self.bids)))
