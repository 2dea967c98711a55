"""What a contract's payment is made of: set-up, shares of group prices, the rest. Decides no amount."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from market.engine.posterior import on_time_ppm
from market.engine.state import State
from market.model import events
from market.model.contract_events import ContractsPriced, ContractTerms
from market.model.events import Event
from takt_sdk.model.contract import Contract
from takt_sdk.model.sheet import BidSheet


def terms(state: State, happened: Iterable[Event], now_us: int) -> Iterator[Event]:
    """Yield the terms of the contracts that events award; ``state`` is the one before them."""
    awarded = [event for event in happened if isinstance(event, events.OrderAwarded)]
    contracts = [contract for event in awarded for contract in event.contracts]
    sheets = {(one.round_id, one.participant): _sheet(state, one) for one in contracts}
    rows = {place: {bid: row for row, bid in enumerate(sheet.bids.id)} for place, sheet in sheets.items()}
    found = tuple(
        _terms(state, one, sheets[place], rows[place][one.bid_id], now_us)
        for one in contracts
        for place in [(one.round_id, one.participant)]
    )
    if found:
        promises = tuple((event.order_id, event.promised_us) for event in awarded)
        yield ContractsPriced(terms=found, promises=promises)


def _sheet(state: State, contract: Contract) -> BidSheet:
    """Return the sheet that a contract was won with."""
    sheet = state.rounds[contract.round_id].answers[contract.participant].sheet
    assert sheet is not None
    return sheet


def _terms(state: State, contract: Contract, sheet: BidSheet, row: int, now_us: int) -> ContractTerms:
    """Return the terms of a contract that was won with the bid in a row of a sheet."""
    bids = sheet.bids
    fixed = bids.fixed_price_minor[row]
    units = sum(item.quantity for item in contract.items)
    price = fixed + bids.unit_price_minor[row] * units
    groups = [
        sheet.groups.id[group]
        for group in bids.group_index[bids.group_offset[row] : bids.group_offset[row + 1]]
        if sheet.groups.fixed_price_minor[group]
    ]
    beyond = max(0, contract.payment_minor - price)
    return ContractTerms(
        contract_id=contract.id,
        fixed_minor=min(fixed, contract.payment_minor),
        group_minor=beyond if groups else 0,
        groups=tuple(f"{contract.round_id}/{contract.participant}/{name}" for name in groups),
        on_time_ppm=forecast_ppm(state, contract, now_us),
    )


def forecast_ppm(state: State, contract: Contract, now_us: int) -> int:
    """Return how sure the market is that a contract will be on time: of its least reliable process."""
    lots = {item.lot_id for item in contract.items}
    order = state.orders[contract.order_id].order
    return min(
        on_time_ppm(state, contract.participant, lot.requirement.process, now_us)
        for lot in order.lots
        if lot.id in lots
    )


def shares(costs: Sequence[tuple[int, Sequence[str]]], owed: Mapping[str, int]) -> list[dict[str, int]]:
    """Split costs among the orders that use each, so that every order pays what it owes in all.

    Returns one mapping per cost. What an order owes beyond what its costs can take stays with nobody;
    a clearing's charges never leave such a rest. Augmenting paths: groups and their orders are few.
    """
    split: list[dict[str, int]] = [dict.fromkeys(users, 0) for _, users in costs]
    left = dict(owed)
    for index, (amount, _) in enumerate(costs):
        missing = amount
        while missing:
            path = _path(index, split, left)
            if path is None:
                break
            flow = min([missing, left[path[-1][1]], *(split[cost][order] for cost, order in path[1::2])])
            for step, (cost, order) in enumerate(path):
                split[cost][order] += -flow if step % 2 else flow
            left[path[-1][1]] -= flow
            missing -= flow
    return split


def _path(
    start: int, split: Sequence[Mapping[str, int]], left: Mapping[str, int]
) -> list[tuple[int, str]] | None:
    """Return steps (cost, order): forward at even places, taken back at odd ones; None if stuck."""
    paths: list[list[tuple[int, str]]] = [[(start, order)] for order in sorted(split[start])]
    seen = set(split[start])
    while paths:
        path = paths.pop(0)
        order = path[-1][1]
        if left.get(order, 0) > 0:
            return path
        for cost, taken in enumerate(split):
            if not taken.get(order):
                continue
            for other in sorted(set(taken) - seen):
                seen.add(other)
                paths.append([*path, (cost, order), (cost, other)])
    return None
