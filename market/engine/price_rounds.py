"""Rounds that only find prices: cleared, told, and bid on again.

Where the rules say so (``price_rounds`` above 1), a takt's first clearings award nothing. Each tells every
bidder the price of the lots that it is called on, if three or more were, and the same orders are called
again at once. The last clearing counts. A lot that would have been served has the price that would have
won it, a package's shared out evenly; any other its shadow price. (Duals of served lots alone would be no
guide: those of one order can be shifted among its lots at will.)
"""

from __future__ import annotations

from market.clearing.problem import Problem
from market.clearing.result import MICRO, Clearing
from market.engine.decision import Decision, accept
from market.engine.orders import cancellation
from market.engine.snapshot import cleared_orders
from market.engine.state import RoundRecord, State
from market.model import events
from takt_sdk.model.messages import LotPrice

MIN_BIDDERS = 3
"""A price of fewer would tell of one bidder to another."""

REASON = "prices told; bid again"


def finds_prices_only(state: State, clearing: Clearing) -> bool:
    """Return whether a takt is bid on once more after this clearing."""
    return state.price_iteration < state.rules.price_rounds and bool(clearing.accepted)


def tell_prices(
    state: State, round_: RoundRecord, problem: Problem, clearing: Clearing, now_us: int
) -> Decision:
    """End a round without an award; its orders wait for the next call, which tells the prices."""
    bidders = [0] * len(round_.lots)
    for indices in round_.eligible.values():
        for index in indices:
            bidders[index] += 1
    public = {lot.id for lot, count in zip(round_.lots, bidders, strict=True) if count >= MIN_BIDDERS}
    worth = {p.lot: p.price_micro for p in clearing.prices if p.lot and p.price_micro > 0}
    worth |= _winning_prices(problem, clearing)
    prices = tuple(LotPrice(lot_id=lot, price_micro=worth[lot]) for lot in sorted(public & worth.keys()))
    told = events.RoundPriced(
        round_id=round_.id, at_us=now_us, iteration=state.price_iteration, prices=prices
    )
    returned: list[events.Event] = []
    for record in cleared_orders(state, round_):
        returned.append(
            events.OrderReturned(order_id=record.order.id, round_id=round_.id, at_us=now_us, reason=REASON)
        )
        if record.cancel_position is not None:  # the cancellation that was noted meanwhile takes effect
            returned += cancellation(state, record, now_us)
    return accept(told, *returned, subject_id=round_.id)


def _winning_prices(problem: Problem, clearing: Clearing) -> dict[str, int]:
    """Return per lot what a unit would have cost, 10^-6 minor units."""
    index = {bid_id: b for b, bid_id in enumerate(problem.bid_ids)}
    cost: dict[str, int] = {}
    for accepted in clearing.accepted:
        b = index[accepted.bid]
        first, end = problem.bid_item_ptr[b : b + 2].tolist()
        lots = [problem.lot_ids[k] for k in problem.item_lot[first:end].tolist()]
        price = int(problem.bid_fixed[b]) + int(problem.bid_unit[b]) * accepted.quantity
        for lot in lots:
            cost[lot] = cost.get(lot, 0) + price * MICRO // len(lots)
    quantity = dict(zip(problem.lot_ids, problem.lot_quantity.tolist(), strict=True))
    return {lot: total // quantity[lot] for lot, total in cost.items() if total}
