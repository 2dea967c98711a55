"""An order's contracts with others in the places of some: where goods go to and come from then. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from market.engine.state import OrderRecord, State
from market.engine.transitions import UNSTARTED
from market.engine.ways import hurried, ways
from takt_sdk.model.contract import Contract, Shipment
from takt_sdk.model.values import MINUTE_US


def joined(
    state: State,
    record: OrderRecord,
    before: Mapping[str, Contract],
    places: Mapping[str, Contract],
    now_us: int,
) -> dict[str, Contract] | None:
    """Return an order's contracts by id, their goods going to and from who takes a place.

    Goods that have left for who was lost go on from there; such a shipment costs its new way alone. None
    where no way leads there in time for who waits.
    """
    joined: dict[str, Contract] = {}
    for id_, contract in before.items():
        maker = places.get(id_, contract)
        shipments: list[Shipment] = []
        for shipment in contract.shipments:
            target = places.get(shipment.to_contract or "")
            if maker is contract and target is None:
                shipments.append(shipment)
                continue
            if shipment.to_contract == id_:
                shipments.append(replace(shipment, to_contract=maker.id, to_site=maker.site))
                continue
            awaited_us = _awaited_us(state, record, target or before.get(shipment.to_contract or ""))
            new = _way(state, maker, shipment, target, awaited_us, now_us)
            if new is None:
                return None
            shipments.append(new)
        joined[maker.id] = replace(maker, shipments=tuple(shipments))
    return joined


def _way(
    state: State, maker: Contract, shipment: Shipment, target: Contract | None, awaited_us: int, now_us: int
) -> Shipment | None:
    """Return a shipment by the cheapest way that is in time; by the fastest only under the rule ``hurry``.

    What has left lies where it was going to, from when it came there, and leaves from now on.
    """
    moved = maker.id in state.contracting.moved
    site, known = shipment.to_site if moved else maker.site, state.contracts.get(maker.id)
    end_us = maker.end_us if known is None else known.expected_end_us
    gone_minutes = shipment.transit_minutes if moved else 0
    leaves_us = max(end_us + gone_minutes * MINUTE_US, now_us)
    to_site = shipment.to_site if target is None else target.site
    both = ways(state.network)
    for fast in (False, True) if state.rules.contracts.hurry else (False,):
        route = both.between(hurried(site) if fast else site, to_site)
        if route is not None and leaves_us + route.transit_minutes * MINUTE_US <= awaited_us:
            return replace(
                shipment,
                to_site=to_site,
                to_contract=shipment.to_contract if target is None else target.id,
                transit_minutes=gone_minutes + route.transit_minutes,
                cost_minor=route.cost_minor(shipment.quantity),
                emissions_g=route.total_emissions_g(shipment.quantity),
            )
    return None


def _awaited_us(state: State, record: OrderRecord, receiver: Contract | None) -> int:
    """Return when goods must be there: before their receiver begins; 0 if it has begun without them."""
    if receiver is None:
        return record.order.terms.deadline_us
    known = state.contracts.get(receiver.id)
    return receiver.start_us if known is None or known.state in UNSTARTED else 0
