"""Sort and check the columns that a `ProblemBuilder` was given, at array speed.

Names the first wrong value by its path; indices count in the order of adding. Decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.errors import ProblemError
from market.clearing.problem import NO_TIME, NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from market.clearing.documents.problem_given import Given
    from market.clearing.problem import Flags, Ints

MAX_INTEGER = 2**53 - 1
MAX_ID_CHARS = 128


def _ints(values: Sequence[int], path: str, low: int, high: int = MAX_INTEGER) -> Ints:
    """Return a column as int64 after a range check; ``path`` has one ``{}`` for the index."""
    try:
        column = np.array(values, dtype=np.int64)
    except OverflowError:
        wrong = next(i for i, v in enumerate(values) if not low <= v <= high)
        raise ProblemError(path.format(wrong), f"must be {low} to {high} (was {values[wrong]})") from None
    if column.size and (column.min() < low or column.max() > high):
        wrong = int(np.flatnonzero((column < low) | (column > high))[0])
        raise ProblemError(path.format(wrong), f"must be {low} to {high} (was {values[wrong]})")
    return column


def check_ids(ids: Sequence[str], path: str) -> None:
    """Refuse empty, long, repeated or unencodable ids."""
    if len(set(ids)) == len(ids) and (
        not ids or (min(map(len, ids)) > 0 and max(map(len, ids)) <= MAX_ID_CHARS)
    ):
        try:
            "".join(ids).encode()
        except UnicodeEncodeError:
            pass
        else:
            return
    seen: set[str] = set()
    for i, name in enumerate(ids):
        if not 0 < len(name) <= MAX_ID_CHARS:
            raise ProblemError(path.format(i), f"must have 1 to {MAX_ID_CHARS} characters (has {len(name)})")
        if name in seen:
            raise ProblemError(path.format(i), f'used twice ("{name}")')
        if any("\ud800" <= c <= "\udfff" for c in name):
            raise ProblemError(path.format(i), f"is not valid Unicode (was {name!a})")
        seen.add(name)


def _sorting(ids: Sequence[str]) -> Ints:
    """Return the permutation that sorts the ids by code point."""
    return np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)


def _inverse(order: Ints) -> Ints:
    inverse = np.empty_like(order)
    inverse[order] = np.arange(order.size)
    return inverse


def _gather(ptr: Ints, order: Ints) -> tuple[Ints, Ints]:
    """Return the row pointers and the element positions of a CSR array with permuted rows."""
    counts = np.diff(ptr)[order]
    new_ptr = np.zeros(ptr.size, dtype=np.int64)
    np.cumsum(counts, out=new_ptr[1:])
    positions = np.arange(new_ptr[-1]) + np.repeat(ptr[order] - new_ptr[:-1], counts)
    return new_ptr, positions


def _pointers(counts: Sequence[int] | Ints) -> Ints:
    ptr = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=ptr[1:])
    return ptr


def _sort_in_rows(ptr: Ints, key: Ints, names: Sequence[str], path: str) -> Ints:
    """Return element positions sorted by ``key`` within each row; refuse a key twice in a row."""
    rows = np.repeat(np.arange(ptr.size - 1), np.diff(ptr))
    positions = np.lexsort((key, rows))
    sorted_key = key[positions]
    twice = np.flatnonzero(
        (sorted_key[1:] == sorted_key[:-1]) & (rows[positions][1:] == rows[positions][:-1])
    )
    if twice.size:
        wrong = int(twice[0])
        raise ProblemError(
            path.format(int(rows[positions[wrong]])), f'"{names[sorted_key[wrong]]}" stands in it twice'
        )
    return positions


class Columns:
    """Sorts and checks what a builder was given; one method per list of the format."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.site_names = tuple(sorted(given.sites))
        self.site_rank = _ranks(given.sites, self.site_names)
        self.bidder_names = tuple(sorted(given.bidders))
        self.bidder_rank = _ranks(given.bidders, self.bidder_names)
        self.lot_rank = np.empty(0, dtype=np.int64)
        self.resource_rank = np.empty(0, dtype=np.int64)
        self.group_rank = np.empty(0, dtype=np.int64)
        self.lot_names: tuple[str, ...] = ()
        self.lot_has_arc = np.empty(0, dtype=np.bool_)
        self.resource_names: tuple[str, ...] = ()
        self.group_names: tuple[str, ...] = ()

    def orders(self) -> dict[str, Any]:
        """Check and sort orders, lots and arcs."""
        g = self.given
        check_ids(g.order_ids, "orders[{}].id")
        check_ids(g.lot_ids, "lots[{}].id")
        check_ids(g.arc_ids, "arcs[{}].id")
        values, must, partial, max_suppliers, lot_counts, arc_counts = g.order_columns
        value = _ints(values, "orders[{}].value", 0)
        limit = _ints(max_suppliers, "orders[{}].max_suppliers", NONE)
        must_serve, may_split = np.array(must, dtype=np.bool_), np.array(partial, dtype=np.bool_)
        for wrong in np.flatnonzero(must_serve & may_split)[:1].tolist():
            raise ProblemError(f"orders[{wrong}].partial", "a must_serve order cannot be partial (was true)")
        for wrong in np.flatnonzero(limit == 0)[:1].tolist():
            raise ProblemError(f"orders[{wrong}].max_suppliers", "must be null or at least 1 (was 0)")
        for wrong in np.flatnonzero(np.array(lot_counts, dtype=np.int64) < 1)[:1].tolist():
            raise ProblemError(f"orders[{wrong}].lots", "must hold at least one lot (was [])")
        quantity = _ints(g.lot_quantity, "lots[{}].quantity", 1)
        order = _sorting(g.order_ids)
        lot_owner = np.repeat(_inverse(order), lot_counts)
        lot_order = np.lexsort((_inverse(_sorting(g.lot_ids)), lot_owner))
        self.lot_rank = _inverse(lot_order)
        self.lot_names = tuple(g.lot_ids[i] for i in lot_order)
        arc_owner = np.repeat(_inverse(order), arc_counts)
        arc_order = np.lexsort((_inverse(_sorting(g.arc_ids)), arc_owner))
        arc_from, arc_to, arc_site = self._arcs(arc_owner, lot_owner)
        self.lot_has_arc = np.zeros(lot_order.size, dtype=np.bool_)
        self.lot_has_arc[arc_from] = True
        self.lot_has_arc[arc_to[arc_to != NONE]] = True
        return {
            "order_ids": tuple(g.order_ids[i] for i in order),
            "order_value": value[order],
            "order_must": must_serve[order],
            "order_partial": may_split[order],
            "order_max_suppliers": limit[order],
            "order_lot_ptr": _pointers(np.array(lot_counts, dtype=np.int64)[order]),
            "order_arc_ptr": _pointers(np.array(arc_counts, dtype=np.int64)[order]),
            "lot_ids": self.lot_names,
            "lot_quantity": quantity[lot_order],
            "lot_order": lot_owner[lot_order],
            "arc_ids": tuple(g.arc_ids[i] for i in arc_order),
            "arc_from": arc_from[arc_order],
            "arc_to": arc_to[arc_order],
            "arc_site": arc_site[arc_order],
        }

    def _arcs(self, arc_owner: Ints, lot_owner: Ints) -> tuple[Ints, Ints, Ints]:
        """Return arc columns in given order with canonical lot and site indices."""
        lots = len(self.given.lot_ids)
        given_from, given_to, given_site = self.given.arc_columns
        start = _ints(given_from, "arcs[{}].from", 0, max(lots - 1, 0))
        to = _ints(given_to, "arcs[{}].to", NONE, lots - 1)
        site = _ints(given_site, "arcs[{}].to_site", NONE, len(self.site_names) - 1)
        for wrong in np.flatnonzero((to == NONE) == (site == NONE))[:1].tolist():
            raise ProblemError(f"arcs[{wrong}]", "must have exactly one of to and to_site")
        for wrong in np.flatnonzero(start == to)[:1].tolist():
            raise ProblemError(
                f"arcs[{wrong}].to", f'must differ from "from" (was "{self.given.lot_ids[start[wrong]]}")'
            )
        ends = np.where(to == NONE, start, to)
        if start.size:
            foreign = np.flatnonzero((lot_owner[start] != arc_owner) | (lot_owner[ends] != arc_owner))
            for wrong in foreign[:1].tolist():
                raise ProblemError(f"arcs[{wrong}]", "must join lots of its own order")
        padded_lots, padded_sites = np.append(self.lot_rank, NONE), np.append(self.site_rank, NONE)
        return padded_lots[start], padded_lots[to], padded_sites[site]

    def offers(self) -> dict[str, Any]:
        """Check and sort resources and groups."""
        g = self.given
        check_ids(g.resource_ids, "resources[{}].id")
        check_ids(g.group_ids, "groups[{}].id")
        by_resource, by_group = _sorting(g.resource_ids), _sorting(g.group_ids)
        self.resource_rank, self.group_rank = _inverse(by_resource), _inverse(by_group)
        self.resource_names = tuple(g.resource_ids[i] for i in by_resource)
        self.group_names = tuple(g.group_ids[i] for i in by_group)
        return {
            "resource_ids": self.resource_names,
            "resource_capacity": _ints(g.resource_capacity, "resources[{}].capacity", 0)[by_resource],
            "group_ids": self.group_names,
            "group_max": _ints(g.group_columns[0], "groups[{}].max_accepted", NONE)[by_group],
            "group_fixed": _ints(g.group_columns[1], "groups[{}].fixed_price", 0)[by_group],
        }

    def bids(self) -> dict[str, Any]:
        """Check and sort bids with their items, uses and groups."""
        g = self.given
        check_ids(g.bid_ids, "bids[{}].id")
        bidder, site, divisible, minimum, fixed, unit, score, start, end, items, uses, groups = g.bid_columns
        item_ptr, use_ptr, group_ptr = (_pointers(np.array(c, dtype=np.int64)) for c in (items, uses, groups))
        order = _sorting(g.bid_ids)
        owner = _ints(bidder, "bids[{}].bidder", 0, max(len(self.bidder_names) - 1, 0))
        place = np.append(self.site_rank, NONE)[_ints(site, "bids[{}].site", NONE, len(self.site_names) - 1)]
        splits = np.array(divisible, dtype=np.bool_)
        low = _ints(minimum, "bids[{}].min_quantity", 0)
        lot = _ints(g.items[0], "items[{}].lot", 0, max(len(self.lot_names) - 1, 0))
        quantity = _ints(g.items[1], "items[{}].quantity", 1)
        self._check_items(item_ptr, lot, quantity, splits, low, place)
        lot = self.lot_rank[lot] if lot.size else lot
        item_ptr, pick = self._ragged(item_ptr, order, lot, self.lot_names, "bids[{}].items")
        resource = _ints(g.uses[0], "uses[{}].resource", 0, max(len(self.resource_names) - 1, 0))
        resource = self.resource_rank[resource] if resource.size else resource
        use_ptr, use_pick = self._ragged(use_ptr, order, resource, self.resource_names, "bids[{}].uses")
        group = _ints(g.bid_groups, "groups[{}]", 0, max(len(self.group_names) - 1, 0))
        group = self.group_rank[group] if group.size else group
        self._check_groups(group_ptr, group, owner)
        group_ptr, group_pick = self._ragged(group_ptr, order, group, self.group_names, "bids[{}].groups")
        starts, ends = _times(start, "bids[{}].start"), _times(end, "bids[{}].end")
        for wrong in np.flatnonzero((ends != NO_TIME) & (ends < starts))[:1].tolist():
            raise ProblemError(
                f"bids[{wrong}].end", f"must not be before its start {starts[wrong]} (was {ends[wrong]})"
            )
        return {
            "bidders": self.bidder_names,
            "sites": self.site_names,
            "bid_ids": tuple(g.bid_ids[i] for i in order),
            "bid_bidder": self.bidder_rank[owner][order] if owner.size else owner,
            "bid_site": place[order],
            "bid_divisible": splits[order],
            "bid_min": low[order],
            "bid_fixed": _ints(fixed, "bids[{}].fixed_price", 0)[order],
            "bid_unit": _ints(unit, "bids[{}].unit_price", 0)[order],
            "bid_score": _ints(score, "bids[{}].score", -MAX_INTEGER)[order],
            "bid_start": starts[order],
            "bid_end": ends[order],
            "bid_item_ptr": item_ptr,
            "item_lot": lot[pick],
            "item_quantity": quantity[pick],
            "bid_use_ptr": use_ptr,
            "use_resource": resource[use_pick],
            "use_fixed": _ints(g.uses[1], "uses[{}].fixed", 0)[use_pick],
            "use_unit": _ints(g.uses[2], "uses[{}].per_unit", 0)[use_pick],
            "bid_group_ptr": group_ptr,
            "bid_group": group[group_pick],
        }

    @staticmethod
    def _ragged(ptr: Ints, order: Ints, key: Ints, names: Sequence[str], path: str) -> tuple[Ints, Ints]:
        """Return pointers and positions with rows permuted and elements sorted by key."""
        if not key.size:
            return np.zeros(ptr.size, dtype=np.int64), key
        within = _sort_in_rows(ptr, key, names, path)
        new_ptr, positions = _gather(ptr, order)
        return new_ptr, within[positions]

    def _check_items(
        self, ptr: Ints, lot: Ints, quantity: Ints, splits: Flags, low: Ints, place: Ints
    ) -> None:
        counts = np.diff(ptr)
        for wrong in np.flatnonzero(counts < 1)[:1].tolist():
            raise ProblemError(f"bids[{wrong}].items", "must name at least one lot (was [])")
        for wrong in np.flatnonzero(splits & (counts != 1))[:1].tolist():
            raise ProblemError(f"bids[{wrong}].items", f"a divisible bid has one item (has {counts[wrong]})")
        if not quantity.size:
            return
        first = quantity[ptr[:-1]]
        for wrong in np.flatnonzero(splits & ((low < 1) | (low > first)))[:1].tolist():
            raise ProblemError(
                f"bids[{wrong}].min_quantity", f"must be 1 to {first[wrong]} (was {low[wrong]})"
            )
        homeless = (np.repeat(place, counts) == NONE) & self.lot_has_arc[self.lot_rank[lot]]
        for wrong in np.flatnonzero(homeless)[:1].tolist():
            bid = int(np.searchsorted(ptr, wrong, side="right")) - 1
            raise ProblemError(
                f"bids[{bid}].site", f'must not be null: "{self.given.lot_ids[lot[wrong]]}" has arcs'
            )

    def _check_groups(self, ptr: Ints, group: Ints, owner: Ints) -> None:
        if not group.size:
            return
        owners = np.repeat(owner, np.diff(ptr))
        first = np.full(len(self.group_names), NONE, dtype=np.int64)
        first[group[::-1]] = owners[::-1]
        for wrong in np.flatnonzero(first[group] != owners)[:1].tolist():
            bid = int(np.searchsorted(ptr, wrong, side="right")) - 1
            raise ProblemError(
                f"bids[{bid}].groups", f'"{self.group_names[group[wrong]]}" holds bids of another bidder'
            )

    def transport(self) -> dict[str, Any]:
        """Check and sort transport rows."""
        given_from, given_to, fixed, unit, minutes = self.given.transport
        last = max(len(self.site_names) - 1, 0)
        start = _ints(given_from, "transport[{}].from", 0, last)
        stop = _ints(given_to, "transport[{}].to", 0, last)
        if start.size:
            start, stop = self.site_rank[start], self.site_rank[stop]
        order = np.lexsort((stop, start))
        twice = np.flatnonzero((np.diff(start[order]) == 0) & (np.diff(stop[order]) == 0))
        for wrong in twice[:1].tolist():
            row = int(order[wrong + 1])
            pair = f'"{self.site_names[start[row]]}" to "{self.site_names[stop[row]]}"'
            raise ProblemError(f"transport[{row}]", f"{pair} stands twice")
        return {
            "transport_from": start[order],
            "transport_to": stop[order],
            "transport_fixed": _ints(fixed, "transport[{}].fixed", 0)[order],
            "transport_unit": _ints(unit, "transport[{}].per_unit", 0)[order],
            "transport_minutes": _ints(minutes, "transport[{}].minutes", 0)[order],
        }


def _ranks(index: dict[str, int], names: tuple[str, ...]) -> Ints:
    """Return the rank in ``names`` of each given index."""
    ranks = np.empty(len(index), dtype=np.int64)
    for rank, name in enumerate(names):
        ranks[index[name]] = rank
    return ranks


def _times(values: Sequence[int], path: str) -> Ints:
    column = np.array(values, dtype=np.int64)
    present = column[column != NO_TIME]
    if present.size and (present.min() < -MAX_INTEGER or present.max() > MAX_INTEGER):
        wrong = next(i for i, v in enumerate(values) if v != NO_TIME and abs(v) > MAX_INTEGER)
        raise ProblemError(path.format(wrong), f"must be within ±{MAX_INTEGER} (was {values[wrong]})")
    return column
