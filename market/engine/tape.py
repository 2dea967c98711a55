"""The public tape: what a clearing tells everybody, anonymised. Pure.

A line stands for a process in a period and is printed only where at least `FEWEST` participants were
eligible: from less, somebody's capacity or price could be read off it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from market.clearing.documents.result_json import resource_prices
from market.engine.audience import is_open_order
from market.engine.state import RoundRecord, State
from takt_sdk.model.messages import Tape, TapeLine

if TYPE_CHECKING:
    from market.model.events import ClearingPublished
    from takt_sdk.model.contract import Contract

FEWEST = 3
"""Fewest participants of whom figures are published together."""


def tape(state: State, event: ClearingPublished) -> Tape:
    """Return the tape of a clearing, of its open orders only; ``state`` is the one after it.

    Shadow prices are means over the resources in use, weighted by use, of the clearing's resource
    prices: from duals or multipliers, in 10^-6 minor units per minute or unit of stock.
    """
    round_ = state.rounds[event.round_id]
    bidders = _bidders(state, round_)
    price = resource_prices(event.result)
    used: dict[tuple[str, int], int] = defaultdict(int)
    worth: dict[tuple[str, int], int] = defaultdict(int)
    orders = [order_id for order_id in round_.orders if is_open_order(state, order_id)]
    contracts = [contract for order_id in orders for contract in _won(state, round_, order_id)]
    for contract in contracts:
        process = _process(state, contract)
        for use in contract.uses:
            used[process, use.period] += use.amount
            resource = f"{contract.participant}/{use.resource}/{use.period}"
            worth[process, use.period] += use.amount * price.get(resource, 0)
    lines = tuple(
        TapeLine(
            process=process,
            period=period,
            bidders=bidders[process],
            used=amount,
            shadow_price_micro=worth[process, period] // amount,
        )
        for (process, period), amount in sorted(used.items())
        if bidders[process] >= FEWEST and amount
    )
    return Tape(
        market=state.market,
        round_id=event.round_id,
        at_us=event.at_us,
        rules_version=event.rules_version,
        status=event.status,
        orders=len(orders),
        served=round_.served if round_.public is None else round_.public.served,
        lines=lines,
    )


def _bidders(state: State, round_: RoundRecord) -> dict[str, int]:
    """Return how many participants were called per process, for orders that everybody may know of."""
    told = [lot.requirement.process if is_open_order(state, lot.order_id) else None for lot in round_.lots]
    called: dict[str, int] = defaultdict(int)
    for indices in round_.eligible.values():
        for process in {told[index] for index in indices}:
            if process is not None:
                called[process] += 1
    return called


def _won(state: State, round_: RoundRecord, order_id: str) -> list[Contract]:
    contracts = (state.contracts[id_].contract for id_ in state.orders[order_id].contracts)
    return [contract for contract in contracts if contract.round_id == round_.id]


def _process(state: State, contract: Contract) -> str:
    """Return the process of a contract's first lot: a package's minutes are not told apart."""
    first = contract.items[0].lot_id
    return next(
        lot.requirement.process for lot in state.orders[contract.order_id].order.lots if lot.id == first
    )
