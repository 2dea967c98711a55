"""A bid sheet held against its call: the checks that market and bidder share. Pure.

The market runs them when it takes a sheet, or when it opens a sealed one; a bidder runs them before it
seals, since nobody can tell it in time what is wrong inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import Bids, BidSheet
from takt_sdk.model.values import MAX_QUANTITY, MAX_TIME_US

GRAMS_PER_TONNE = 1_000_000

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetTerms:
    """What a sheet must keep to: the call, the sender's sites, the limits of the rules.

    ``first_period`` is the earliest for which capacity may be declared, ``lots`` those called, by id.
    """

    deadline_us: int
    first_period: int
    max_periods: int
    max_bids: int
    max_price_minor: int
    emissions_minor_per_tonne: int
    sites: tuple[str, ...]
    lots: Mapping[str, Lot]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetFault:
    """Something that a call does not allow. ``bids`` are the indices it makes invalid, None all of them."""

    code: str
    detail: str
    field: str
    value: object
    bids: tuple[int, ...] | None


def faults(sheet: BidSheet, terms: SheetTerms) -> Iterator[SheetFault]:
    """Yield what is wrong with a sheet, lazily: first what concerns all of it, then column by column."""
    bids = sheet.bids
    if len(bids) > terms.max_bids:
        yield SheetFault(
            code="limit", detail=f"at most {terms.max_bids}", field="bids.id", value=len(bids), bids=None
        )
    if sheet.expires_us < terms.deadline_us:
        yield SheetFault(
            code="dates",
            detail=f"must hold until the deadline {terms.deadline_us}",
            field="expires_us",
            value=sheet.expires_us,
            bids=None,
        )
    yield from _capacity_faults(sheet, terms)
    foreign = set(bids.site).difference(terms.sites)
    for index, site in enumerate(bids.site) if foreign else ():
        if site in foreign:
            yield SheetFault(
                code="not_allowed",
                detail="not a site of yours",
                field=f"bids.site[{index}]",
                value=site,
                bids=(index,),
            )
    yield from _group_faults(sheet, terms)
    limit, weight = terms.max_price_minor, terms.emissions_minor_per_tonne
    for index, grams in enumerate(bids.emissions_g) if weight else ():
        if grams * weight > limit * GRAMS_PER_TONNE:
            yield SheetFault(
                code="limit",
                detail=f"at most {limit} at {weight} a tonne",
                field=f"bids.emissions_g[{index}]",
                value=grams,
                bids=(index,),
            )
    for index in () if _is_plainly_right(bids, terms) else range(len(bids)):
        fault = _bid_fault(sheet, index, terms)
        if fault is not None:
            yield fault


def _is_plainly_right(bids: Bids, terms: SheetTerms) -> bool:
    """Return whether no bid can be at fault: all have one lot each, and even the largest sums are allowed.

    Most sheets are like that; the others are looked at bid by bid.
    """
    lots = list(map(terms.lots.get, bids.item_lot))
    if not lots or len(lots) != len(bids):
        return False
    most = max(bids.item_quantity)
    use = max(bids.use_fixed, default=0) + max(bids.use_per_unit, default=0) * most
    price = max(bids.fixed_price_minor) + max(bids.unit_price_minor) * most
    return (
        use <= MAX_QUANTITY
        and price <= terms.max_price_minor
        and all(
            lot is not None
            and quantity <= lot.quantity
            and lot.earliest_start_us <= start_us
            and end_us <= lot.latest_end_us
            for lot, quantity, start_us, end_us in zip(
                lots, bids.item_quantity, bids.start_us, bids.end_us, strict=True
            )
        )
    )


def _capacity_faults(sheet: BidSheet, terms: SheetTerms) -> Iterator[SheetFault]:
    first, last = terms.first_period, terms.first_period + terms.max_periods - 1
    for index, period in enumerate(sheet.capacities.period):
        if not first <= period <= last:
            yield SheetFault(
                code="dates",
                detail=f"{first} to {last}",
                field=f"capacities.period[{index}]",
                value=period,
                bids=_pointing_at(sheet.bids.use_offset, sheet.bids.use_capacity, index),
            )


def _group_faults(sheet: BidSheet, terms: SheetTerms) -> Iterator[SheetFault]:
    for index, price in enumerate(sheet.groups.fixed_price_minor):
        if price > terms.max_price_minor:
            yield SheetFault(
                code="limit",
                detail=f"at most {terms.max_price_minor}",
                field=f"groups.fixed_price_minor[{index}]",
                value=price,
                bids=_pointing_at(sheet.bids.group_offset, sheet.bids.group_index, index),
            )


def _pointing_at(offset: tuple[int, ...], column: tuple[int, ...], target: int) -> tuple[int, ...]:
    return tuple(k for k in range(len(offset) - 1) if target in column[offset[k] : offset[k + 1]])


def _bid_fault(sheet: BidSheet, index: int, terms: SheetTerms) -> SheetFault | None:
    """Return the first thing that is wrong with one bid's lots, window, uses and price."""
    bids = sheet.bids

    def fault(code: str, detail: str, field: str, value: object) -> SheetFault:
        return SheetFault(code=code, detail=detail, field=field, value=value, bids=(index,))

    order_id: str | None = None
    total = 0
    earliest_us, latest_us = MAX_TIME_US, 0
    for at in range(bids.item_offset[index], bids.item_offset[index + 1]):
        name, quantity = bids.item_lot[at], bids.item_quantity[at]
        lot = terms.lots.get(name)
        if lot is None:
            return fault("not_called", "you were not called for it", f"bids.item_lot[{at}]", name)
        if order_id not in {None, lot.order_id}:
            return fault("invalid", "a bid's lots belong to one order", f"bids.item_lot[{at}]", name)
        order_id = lot.order_id
        total += quantity
        if quantity > lot.quantity:
            return fault("invalid", f"at most {lot.quantity}", f"bids.item_quantity[{at}]", quantity)
        earliest_us = min(earliest_us, lot.earliest_start_us)
        latest_us = max(latest_us, lot.latest_end_us)
    if bids.start_us[index] < earliest_us:
        detail = f"not before {earliest_us}, the start of its first lot"
        return fault("dates", detail, f"bids.start_us[{index}]", bids.start_us[index])
    if bids.end_us[index] > latest_us:
        detail = f"not after {latest_us}, the end of its last lot"
        return fault("dates", detail, f"bids.end_us[{index}]", bids.end_us[index])
    for at in range(bids.use_offset[index], bids.use_offset[index + 1]):
        use = bids.use_fixed[at] + bids.use_per_unit[at] * total
        if use > MAX_QUANTITY:
            return fault("limit", f"at most {MAX_QUANTITY}", f"bids.use_per_unit[{at}]", use)
    price = bids.fixed_price_minor[index] + bids.unit_price_minor[index] * total
    if price > terms.max_price_minor:
        detail = f"at most {terms.max_price_minor}"
        return fault("limit", detail, f"bids.fixed_price_minor[{index}]", price)
    return None


def without_bids(sheet: BidSheet, refused: frozenset[int]) -> BidSheet:
    """Return a sheet without some of its bids; capacities and groups stay as they are."""
    if not refused:
        return sheet
    kept = [index for index in range(len(sheet.bids)) if index not in refused]
    return replace(sheet, bids=_chosen(sheet, kept))


def _chosen(sheet: BidSheet, kept: list[int]) -> Bids:
    bids = sheet.bids
    items, uses, groups = (
        [k for index in kept for k in range(offset[index], offset[index + 1])]
        for offset in (bids.item_offset, bids.use_offset, bids.group_offset)
    )
    return Bids(
        id=_take(bids.id, kept),
        site=_take(bids.site, kept),
        start_us=_take(bids.start_us, kept),
        end_us=_take(bids.end_us, kept),
        fixed_price_minor=_take(bids.fixed_price_minor, kept),
        unit_price_minor=_take(bids.unit_price_minor, kept),
        min_quantity=_take(bids.min_quantity, kept),
        emissions_g=_take(bids.emissions_g, kept),
        item_offset=_offsets(bids.item_offset, kept),
        item_lot=_take(bids.item_lot, items),
        item_quantity=_take(bids.item_quantity, items),
        use_offset=_offsets(bids.use_offset, kept),
        use_capacity=_take(bids.use_capacity, uses),
        use_fixed=_take(bids.use_fixed, uses),
        use_per_unit=_take(bids.use_per_unit, uses),
        group_offset=_offsets(bids.group_offset, kept),
        group_index=_take(bids.group_index, groups),
    )


def _take(column: tuple[_Value, ...], rows: list[int]) -> tuple[_Value, ...]:
    return tuple(column[row] for row in rows)


def _offsets(offset: tuple[int, ...], rows: list[int]) -> tuple[int, ...]:
    return tuple(accumulate((offset[row + 1] - offset[row] for row in rows), initial=0))
