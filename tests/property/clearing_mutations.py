"""Every way to corrupt a clearing by a little: name and corrupted clearing, digest made right again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from market.clearing.checker.certificate import certified_bound
from market.clearing.problem import Problem
from market.clearing.result import (
    Accepted,
    Charge,
    Clearing,
    Move,
    Multipliers,
    Payment,
    Price,
    Served,
    Status,
    Unserved,
    sealed,
)

Mutation = tuple[str, Clearing]
NOBODY = "nobody"


def mutations(p: Problem, c: Clearing) -> Iterator[Mutation]:
    """Yield every corruption of one statement of a clearing that has an answer."""
    for name, wrong in (
        *_numbers(c),
        *_accepted(p, c),
        *_served(p, c),
        *_moves(p, c),
        *_money(p, c),
        *_proof(p, c),
    ):
        if wrong != c:
            yield name, sealed(wrong)


def _with(rows: tuple[Any, ...], k: int, row: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any row
    return (*rows[:k], row, *rows[k + 1 :])


def _without(rows: tuple[Any, ...], k: int) -> tuple[Any, ...]:
    return (*rows[:k], *rows[k + 1 :])


def _numbers(c: Clearing) -> Iterator[Mutation]:
    assert c.objective is not None
    for by in (-1, 1, 1000):
        yield "objective", replace(c, objective=c.objective + by)
        if c.bound is not None:
            yield "objective and bound", replace(c, objective=c.objective + by, bound=c.bound + by)
    yield "objective dropped", replace(c, objective=None)
    for status in Status:
        if Status.FALLBACK not in {status, c.status}:
            yield "status", replace(c, status=status)
    yield "checked", replace(c, checked=False)
    yield "conflict", replace(c, conflict=(NOBODY,))


def _accepted(p: Problem, c: Clearing) -> Iterator[Mutation]:
    won = {a.bid for a in c.accepted}
    for k, a in enumerate(c.accepted):
        yield "accepted dropped", replace(c, accepted=_without(c.accepted, k))
        yield "accepted twice", replace(c, accepted=(*c.accepted, a))
        yield "accepted unknown", replace(c, accepted=_with(c.accepted, k, Accepted(NOBODY, a.quantity)))
        for q in {a.quantity - 1, a.quantity + 1, 0, -a.quantity, 2 * a.quantity}:
            yield "accepted quantity", replace(c, accepted=_with(c.accepted, k, Accepted(a.bid, q)))
    for b, name in enumerate(p.bid_ids):
        if name in won:
            continue
        size = int(p.item_quantity[p.bid_item_ptr[b] : p.bid_item_ptr[b + 1]].sum())
        for q in {size, int(p.bid_min[b])} - {0}:
            extra = Accepted(name, q)
            yield "accepted added", replace(c, accepted=(*c.accepted, extra))
            for k in range(len(c.accepted)):
                yield "accepted swapped", replace(c, accepted=_with(c.accepted, k, extra))


def _served(p: Problem, c: Clearing) -> Iterator[Mutation]:
    for k, s in enumerate(c.served):
        gone = _without(c.served, k)
        yield "served dropped", replace(c, served=gone)
        yield "served twice", replace(c, served=(*c.served, s))
        told = (*c.unserved, Unserved(s.order, "price", ""))
        yield "served called unserved", replace(c, served=gone, unserved=told)
        for units, of in ((s.units - 1, s.of), (s.units + 1, s.of), (s.units, s.of + 1), (0, s.of)):
            yield "served units", replace(c, served=_with(c.served, k, Served(s.order, units, of)))
    for k, u in enumerate(c.unserved):
        rest = _without(c.unserved, k)
        yield "unserved dropped", replace(c, unserved=rest)
        yield "unserved called served", replace(c, unserved=rest, served=(*c.served, Served(u.order, 1, 1)))
    yield "unserved added", replace(c, unserved=(*c.unserved, Unserved(NOBODY, "price", "")))
    for name in p.order_ids:
        if name in {s.order for s in c.served}:
            yield "unserved too", replace(c, unserved=(*c.unserved, Unserved(name, "price", "")))


def _moves(p: Problem, c: Clearing) -> Iterator[Mutation]:
    for k, m in enumerate(c.moves):
        yield "move dropped", replace(c, moves=_without(c.moves, k))
        yield "move twice", replace(c, moves=(*c.moves, m))
        for changed in (
            *(replace(m, quantity=q) for q in (m.quantity - 1, m.quantity + 1, 0, -m.quantity)),
            *(replace(m, arc=name) for name in (*p.arc_ids, NOBODY)),
            *(replace(m, from_bid=name) for name in (*p.bid_ids, NOBODY)),
            *(replace(m, to_bid=name, to_site=None) for name in (*p.bid_ids, NOBODY)),
            *(replace(m, to_bid=None, to_site=name) for name in (*p.sites, NOBODY)),
            replace(m, to_bid=None, to_site=None),
        ):
            yield "move changed", replace(c, moves=_with(c.moves, k, changed))
    for arc in p.arc_ids:
        for a in c.accepted:
            yield "move added", replace(c, moves=(*c.moves, Move(arc, a.bid, a.bid, None, 1)))


def _money(p: Problem, c: Clearing) -> Iterator[Mutation]:
    if c.payments is None or c.charges is None:
        yield "payments invented", replace(c, payments=(), charges=())
        return
    yield "payments withheld", replace(c, payments=None)
    yield "charges withheld", replace(c, charges=None)
    yield "refusal beside payments", replace(c, payment_refusal="no")
    yield "payments and charges withheld", replace(c, payments=None, charges=None)
    for k, paid in enumerate(c.payments):
        yield "payment dropped", replace(c, payments=_without(c.payments, k))
        for j, h in enumerate(c.charges):
            lower = _with(c.charges, j, Charge(h.order, h.amount - paid.amount))
            yield "payment kept back", replace(c, payments=_without(c.payments, k), charges=lower)
        yield "payment twice", replace(c, payments=(*c.payments, paid))
        for by in (-1, 1):
            other = replace(paid, amount=paid.amount + by)
            yield "payment", replace(c, payments=_with(c.payments, k, other))
            for j, h in enumerate(c.charges):
                both = replace(c, payments=_with(c.payments, k, other))
                charges = _with(c.charges, j, Charge(h.order, h.amount + by))
                yield "payment and charge", replace(both, charges=charges)
        for name in {*p.bid_ids, NOBODY} - {paid.bid}:
            wrong = Payment(name, None, paid.amount)
            yield "payment to another", replace(c, payments=_with(c.payments, k, wrong))
    for name in p.group_ids:
        yield "payment to a group", replace(c, payments=(*c.payments, Payment(None, name, 1)))
    for k, h in enumerate(c.charges):
        yield "charge dropped", replace(c, charges=_without(c.charges, k))
        yield "charge twice", replace(c, charges=(*c.charges, h))
        for by in (-1, 1):
            yield "charge", replace(c, charges=_with(c.charges, k, Charge(h.order, h.amount + by)))
        for name in {*p.order_ids, NOBODY} - {h.order}:
            yield "charge to another", replace(c, charges=_with(c.charges, k, Charge(name, h.amount)))


def _proof(p: Problem, c: Clearing) -> Iterator[Mutation]:
    assert c.objective is not None
    multipliers = c.multipliers or Multipliers()
    shown = {name for name, _ in (*multipliers.resources, *multipliers.lots)}
    for k, price in enumerate(c.prices):
        if (price.resource or price.lot) not in shown:
            continue
        yield "price dropped", replace(c, prices=_without(c.prices, k))
        for other in (
            replace(price, price_micro=price.price_micro + 1),
            Price(NOBODY, None, price.price_micro),
            Price(price.resource or price.lot, price.resource or price.lot, price.price_micro),
        ):
            yield "price", replace(c, prices=_with(c.prices, k, other))
    if c.bound is None:
        return
    for bound in {c.bound - 1, c.objective - 1, -(2**70)}:
        if c.bound_kind == "certified" or bound < c.objective:
            yield "bound", replace(c, bound=bound)
            yield "bound and status", replace(c, bound=bound, status=Status.FEASIBLE)
    yield "bound", replace(c, bound=c.bound + 1)
    yield "bound dropped", replace(c, bound=None)
    yield "bound kind", replace(c, bound_kind=None)
    if c.bound_kind == "certified":
        yield "bound and status", replace(c, bound=c.bound + 1, status=Status.FEASIBLE)
        yield "bound kind", replace(c, bound_kind="solver")
        if c.bound != certified_bound(p, Multipliers()):
            yield "multipliers withheld", replace(c, multipliers=None)
    if c.multipliers is not None:
        yield from _multipliers(c, c.multipliers)
        yield from _cliques(p, c, c.multipliers)


def _multipliers(c: Clearing, m: Multipliers) -> Iterator[Mutation]:
    """Change one multiplier, and the price that shows it."""
    for field in fields(Multipliers):
        if field.name == "kind":
            continue
        rows = getattr(m, field.name)
        for k, row in enumerate(rows):
            for changed in ((*row[:-1], row[-1] + 10**9), (NOBODY, *row[1:]), None):
                new = _without(rows, k) if changed is None else _with(rows, k, changed)
                change: dict[str, Any] = {field.name: new}
                other = replace(m, **change)
                resources = [Price(name, None, v) for name, v in other.resources]
                lots = {price.lot: price for price in c.prices if price.lot is not None}
                lots |= {name: Price(None, name, v) for name, v in other.lots}
                prices = (*resources, *lots.values())
                yield "multiplier", replace(c, multipliers=other, prices=prices)


def _cliques(p: Problem, c: Clearing, m: Multipliers) -> Iterator[Mutation]:
    """Change who stands in a clique; with a bid too many it may be none."""
    for k, (bids, price) in enumerate(m.cliques):
        smaller = (_without(bids, j) for j in range(len(bids)))
        larger = (tuple(sorted((*bids, name))) for name in p.bid_ids if name not in bids)
        for name, names in (
            *(("multiplier", chosen) for chosen in smaller),
            *(("clique larger", chosen) for chosen in larger),
            ("clique repeats a bid", (*bids, bids[0])),
            ("clique of nobody", (*bids, NOBODY)),
        ):
            cliques = _with(m.cliques, k, (names, price))
            yield name, replace(c, multipliers=replace(m, cliques=cliques))
