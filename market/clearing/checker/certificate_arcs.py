"""What goods that move between lots cost at least, for the certified bound: dual prices of arcs.

On an arc, a winner a of its first lot is priced u(a) per unit that it sends (published), a winner b of
its second v(b) per unit that it receives: the least, over those who may send to b, of the trip's
cost per unit less u(a). Then no trip costs less than u(a) + v(b) per unit, so all trips together cost
at least what both sides are priced. Whatever the u are, this holds; those of the linear relaxation
are the tightest. A fixed price counts per unit of the most that can go that way.

Part of the checker: reads problem and multipliers alone, integers only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from market.clearing.problem import NO_TIME, NONE
from market.clearing.result import MICRO

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from market.clearing.problem import Ints, Problem

_SAFE = 2.0**60


@dataclass(slots=True)
class ArcPrices:
    """Prices per item of a bid, in micro units: ``price`` × quantity × ``times`` / ``over``, rounded down."""

    item: list[int] = field(default_factory=list)
    price: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    over: list[int] = field(default_factory=list)
    stranded: list[int] = field(default_factory=list)
    """Bids with nobody to send to or receive from on such an arc: they cannot be accepted."""

    def add(self, items: Ints, prices: NDArray[Any], times: int, over: int) -> None:
        """Price the items of one side of an arc."""
        self.item += items.tolist()
        self.price += [int(v) for v in prices]
        self.times += [times] * items.size
        self.over += [over] * items.size

    def magnitude(self, p: Problem) -> float:
        """Return a bound on the sum of all of them, and on every product on the way."""
        quantity = p.item_quantity[self.item].astype(np.float64)
        return float(np.abs(np.array(self.price, dtype=np.float64) * quantity) @ np.array(self.times, float))

    def costs(self, quantity: NDArray[Any], kind: type) -> NDArray[Any]:
        """Return the cost of every priced item at the quantities of all items, rounded down."""
        cost: NDArray[Any] = np.array(self.price, dtype=kind) * quantity[self.item]
        cost *= np.array(self.times, dtype=kind)
        cost //= np.array(self.over, dtype=kind)
        return cost


def arc_prices(p: Problem, given: tuple[tuple[str, str, int], ...]) -> ArcPrices:
    """Return the prices of both sides of every arc that has one; an arc without is free.

    Raises
    ------
    KeyError
        If an arc or a bid is not there.
    """
    found = ArcPrices()
    if not given:
        return found
    arcs, bids = ({name: k for k, name in enumerate(ids)} for ids in (p.arc_ids, p.bid_ids))
    by_arc: dict[int, dict[int, int]] = {}
    for name, bid, price in given:
        by_arc.setdefault(arcs[name], {})[bids[bid]] = price
    sides = _Sides(p)
    for arc, price_of in sorted(by_arc.items()):
        if p.arc_to[arc] != NONE:
            sides.price(arc, price_of, found)
    return found


class _Sides:
    """The bids on both ends of arcs, and the trips between them."""

    def __init__(self, p: Problem) -> None:
        self.p = p
        self.by_lot = np.argsort(p.item_lot, kind="stable")
        self.start = np.searchsorted(p.item_lot[self.by_lot], np.arange(len(p.lot_ids) + 1))
        self.owner = np.repeat(np.arange(p.n_bids), np.diff(p.bid_item_ptr))
        n = len(p.sites)
        self.minutes = np.full((n, n), NONE, dtype=np.int64)
        self.fixed, self.unit = np.zeros((n, n), dtype=np.int64), np.zeros((n, n), dtype=np.int64)
        columns = (p.transport_minutes, p.transport_fixed, p.transport_unit)
        for table, column in zip((self.minutes, self.fixed, self.unit), columns, strict=True):
            table[p.transport_from, p.transport_to] = column
            table[np.arange(n), np.arange(n)] = 0
        largest = float(p.transport_fixed.max(initial=0)) + float(p.transport_unit.max(initial=0))
        self.large = largest * MICRO > _SAFE

    def items(self, lot: int) -> tuple[Ints, Ints, Ints]:
        """Return the items on a lot, their bids and the most that each makes."""
        p = self.p
        items = self.by_lot[self.start[lot] : self.start[lot + 1]]
        bid = self.owner[items]
        return items, bid, np.minimum(p.item_quantity[items], p.lot_quantity[lot])

    def price(self, arc: int, price_of: dict[int, int], found: ArcPrices) -> None:
        """Add the prices of one arc between two lots."""
        p = self.p
        start, to = int(p.arc_from[arc]), int(p.arc_to[arc])
        (item_a, a, most_a), (item_b, b, most_b) = self.items(start), self.items(to)
        divisor = int(np.gcd(p.lot_quantity[start], p.lot_quantity[to]))
        times, over = int(p.lot_quantity[start]) // divisor, int(p.lot_quantity[to]) // divisor
        kind = object if self.large or max(map(abs, price_of.values())) > _SAFE else np.int64
        sent = np.array([price_of.get(bid, 0) for bid in a.tolist()], dtype=kind)
        received = np.array([int(most) * times // over for most in most_b.tolist()], dtype=np.int64)
        most = np.minimum(most_a[:, None], received[None, :])
        open_ = self.possible(a, b, start, to) & (most > 0)
        s, t = p.bid_site[a][:, None], p.bid_site[b][None, :]
        cost = self.unit[s, t].astype(kind) * MICRO
        cost += self.fixed[s, t].astype(kind) * MICRO // np.maximum(most, 1)
        cost[a[:, None] == b[None, :]] = 0
        least = np.zeros(b.size, dtype=kind)
        for k in np.flatnonzero(open_.any(axis=0)).tolist():
            senders = open_[:, k]
            least[k] = (cost[senders, k] - sent[senders]).min()
        found.stranded += a[~open_.any(axis=1)].tolist() + b[~open_.any(axis=0)].tolist()
        found.add(item_a, sent, 1, 1)
        found.add(item_b, least, times, over)

    def possible(self, a: Ints, b: Ints, start: int, to: int) -> NDArray[np.bool_]:
        """Return which pairs of bids may be accepted together with goods going from one to the other."""
        p = self.p
        minutes = self.minutes[p.bid_site[a][:, None], p.bid_site[b][None, :]]
        end, begin = p.bid_end[a][:, None], p.bid_start[b][None, :]
        on_time = (end == NO_TIME) | (begin == NO_TIME) | (end <= begin - minutes)
        open_ = (minutes != NONE) & on_time
        # Whole bids on both lots shut out what no longer fits beside them.
        open_ &= self.made(a, to)[:, None] + self.least(b, to)[None, :] <= p.lot_quantity[to]
        open_ &= self.made(b, start)[None, :] + self.least(a, start)[:, None] <= p.lot_quantity[start]
        open_[a[:, None] == b[None, :]] = True
        found: NDArray[np.bool_] = open_
        return found

    def made(self, bids: Ints, lot: int) -> Ints:
        """Return what bids make of a lot for certain, 0 for those not on it."""
        items = self.by_lot[self.start[lot] : self.start[lot + 1]]
        quantity = dict(zip(self.owner[items].tolist(), self.p.item_quantity[items].tolist(), strict=True))
        return np.array(
            [0 if self.p.bid_divisible[bid] else quantity.get(bid, 0) for bid in bids.tolist()],
            dtype=np.int64,
        )

    def least(self, bids: Ints, lot: int) -> Ints:
        """Return the least that bids on a lot make of it if accepted."""
        return np.where(self.p.bid_divisible[bids], self.p.bid_min[bids], self.made(bids, lot))
