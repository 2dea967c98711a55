"""The best way to make each order at prices of capacity, and the bound that follows from any prices.

At given prices an order's best way is found exactly, going up its tree of lots; what all orders earn so,
and the price of all capacity, bound every joint plan (Dantzig and Wolfe 1960). All in integers: whoever
has the problem and the prices can check a bound. Searches for no prices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.study.plan_problem import NEVER, SCALE, Ints, PlannedOrder, PlanProblem, Side

FITTING_TRIES = 6
"""How often an order whose own lots are in each other's way is tried."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What some options take at given prices: by period, what that leaves of their worth, and when."""

    take: Ints
    worth: Ints
    start_us: Ints
    end_us: Ints


@dataclass(frozen=True, slots=True)
class Column:
    """A way to make an order: an option per lot, what it takes of which resources, its worth, scaled."""

    order: int
    options: tuple[int, ...]
    rows: tuple[int, ...]
    amounts: tuple[int, ...]
    worth: int
    end_us: int
    """When work on the last lot ends, from where goods need ``transit_us`` to the customer."""
    transit_us: int


def fill(p: PlanProblem, side: Side, options: slice, prices: Ints, left: Ints | None = None) -> Filled:
    """Fill each option into the cheapest periods of its window, the sooner of two equal ones.

    Exact, but for what further deliveries cost, which comes after. ``left`` is what is left of the
    resources, where not all of it is.
    """
    most = side.most[options]
    rows = p.row[options, None] + np.arange(most.shape[1])
    if left is not None:
        most = np.minimum(most, left[rows])
    price = prices[rows]
    order = np.argsort(np.where(most > 0, price, np.iinfo(np.int64).max), axis=1, kind="stable")
    sorted_most = np.take_along_axis(most, order, axis=1)
    before = np.cumsum(sorted_most, axis=1) - sorted_most
    need = side.need[options]
    sorted_take = np.clip(need[:, None] - before, 0, sorted_most)
    take = np.zeros_like(most)
    np.put_along_axis(take, order, sorted_take, axis=1)
    used = take > 0
    charged = (take * price).sum(axis=1) + side.again[options] * np.maximum(0, used.sum(axis=1) - 1)
    fits = most.sum(axis=1) >= need
    last = used.shape[1] - 1 - np.argmax(used[:, ::-1], axis=1)
    at = np.arange(take.shape[0])
    return Filled(
        take=take,
        worth=np.where(fits, -side.cost[options] - charged, NEVER),
        start_us=p.opens_us[options][at, np.argmax(used, axis=1)],
        end_us=p.closes_us[options][at, last],
    )


def best_options(
    order: PlannedOrder, filled: Filled, base: int, *, dated: bool
) -> tuple[int, tuple[int, ...]]:
    """Return the worth of the best way at what options are worth, and its options; `NEVER` and none if none.

    ``base`` is the option that ``filled`` begins with. Where ``dated``, goods must be there before the work
    that needs them begins, as filled; else it is enough that some dates fit.
    """
    worth: list[Ints] = []
    chosen: list[list[Ints]] = []
    for lot in order.lots:
        part = slice(lot.first - base, lot.last - base)
        total = filled.worth[part].copy()
        picks = []
        for feed in lot.feeds:
            sums = feed.ways + feed.spared + worth[feed.lot][None, :]
            if dated:
                fed = order.lots[feed.lot]
                ends_us = filled.end_us[fed.first - base : fed.last - base]
                sums = np.where(ends_us + feed.transit_us > filled.start_us[part][:, None], NEVER, sums)
            pick = sums.argmax(axis=1)
            picks.append(pick)
            total = np.maximum(NEVER, total + np.maximum(NEVER, sums[np.arange(pick.size), pick]))
        worth.append(total)
        chosen.append(picks)
    top = int(worth[-1].argmax())
    if worth[-1][top] <= NEVER // 2:
        return NEVER, ()
    picked = [0] * len(order.lots)
    picked[-1] = top
    for number in range(len(order.lots) - 1, -1, -1):
        for feed, pick in zip(order.lots[number].feeds, chosen[number], strict=True):
            picked[feed.lot] = int(pick[picked[number]])
    options = tuple(lot.first + pick for lot, pick in zip(order.lots, picked, strict=True))
    return order.value * SCALE + int(worth[-1][top]), options


def column_of(
    p: PlanProblem, side: Side, number: int, options: tuple[int, ...], filled: Filled, base: int
) -> Column:
    """Return a way to make an order as a column; a set-up is spared once per lot."""
    order = p.orders[number]
    worth = order.value * SCALE
    taken: dict[int, int] = {}
    for lot, option in zip(order.lots, options, strict=True):
        take = filled.take[option - base]
        periods = np.flatnonzero(take)
        worth -= int(side.cost[option]) + int(side.again[option]) * max(0, periods.size - 1)
        spared = 0
        for feed in lot.feeds:
            pair = option - lot.first, options[feed.lot] - order.lots[feed.lot].first
            worth += int(feed.ways[pair])
            spared = max(spared, int(feed.spared[pair]))
        worth += spared
        for period, amount in zip(periods.tolist(), take[periods].tolist(), strict=True):
            row = int(p.row[option]) + period
            taken[row] = taken.get(row, 0) + amount
    rows = tuple(sorted(taken))
    return Column(
        order=number,
        options=options,
        rows=rows,
        amounts=tuple(taken[row] for row in rows),
        worth=worth,
        end_us=int(filled.end_us[options[-1] - base]),
        transit_us=int(order.transit_us[options[-1] - order.lots[-1].first]),
    )


def fitting(p: PlanProblem, number: int, prices: Ints, left: Ints) -> Column | None:
    """Return a good way to make an order within what is left; None where none was found.

    The best one, unless lots of the order want the same capacity: then each is filled into what those before
    it leave, and options that do not fit so are tried no more.
    """
    order = p.orders[number]
    base = order.options.start
    filled = fill(p, p.exact, order.options, prices, left)
    for _ in range(FITTING_TRIES):
        _, options = best_options(order, filled, base, dated=True)
        if not options:
            return None
        way = column_of(p, p.exact, number, options, filled, base)
        if (left[list(way.rows)] >= way.amounts).all():
            return way
        spare = left.copy()
        for option in options:
            alone = fill(p, p.exact, slice(option, option + 1), prices, spare)
            at = option - base
            filled.take[at], filled.worth[at] = alone.take[0], alone.worth[0]
            filled.start_us[at], filled.end_us[at] = alone.start_us[0], alone.end_us[0]
            if alone.worth[0] <= NEVER // 2:
                break
            spare[p.row[option] : p.row[option] + alone.take.shape[1]] -= alone.take[0]
        else:
            if _in_time(order, options, filled, base):
                return column_of(p, p.exact, number, options, filled, base)
    return None


def _in_time(order: PlannedOrder, options: tuple[int, ...], filled: Filled, base: int) -> bool:
    """Return whether goods are there before the work that needs them begins."""
    for lot, option in zip(order.lots, options, strict=True):
        for feed in lot.feeds:
            fed = options[feed.lot]
            there_us = feed.transit_us[option - lot.first, fed - order.lots[feed.lot].first]
            if filled.end_us[fed - base] + there_us > filled.start_us[option - base]:
                return False
    return True


def priced(prices: Ints, amounts: Ints) -> int:
    """Return what amounts cost at prices, exactly, however large."""
    return sum(
        price * amount for price, amount in zip(prices.tolist(), amounts.tolist(), strict=True) if price
    )


def bound_at(p: PlanProblem, side: Side, prices: Ints) -> int:
    """Return a bound on the welfare of every plan of a side, minor units; any prices of 0 or more give one.

    That of the loose side holds for every run of a market, too.
    """
    assert (prices >= 0).all(), "prices are not negative"
    filled = fill(p, side, slice(0, p.row.size), prices)
    earned = (best_options(order, filled, 0, dated=False)[0] for order in p.orders)
    total = priced(prices, side.capacity) + sum(max(0, worth) for worth in earned)
    return -(-total // SCALE)
