"""An order's contracts with others in the places of some: where goods go to and come from then. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from market.engine.state import OrderRecord, State
from market.engine.transitions import UNSTARTED
from market.engine.ways import logistics
from takt_sdk.model.contract import Contract, Shipment
from takt_sdk.model.values import MINUTE_US


def joined(
    state: State, record: OrderRecord, before: Mapping[str, Contract], places: Mapping[str, Contract]
) -> dict[str, Contract] | None:
    """Return an order's contracts by id, their goods going to and from who takes a place.

    None where goods have left for who was lost, no way leads there, or they would come too late for who
    waits for them.
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
            if id_ in state.contracting.moved:
                return None
            if shipment.to_contract == id_:
                shipments.append(replace(shipment, to_contract=maker.id, to_site=maker.site))
                continue
            new = _way(state, maker, shipment, target)
            if new is None or _ready_us(state, maker, new) > _awaited_us(
                state, record, target or before.get(shipment.to_contract or "")
            ):
                return None
            shipments.append(new)
        joined[maker.id] = replace(maker, shipments=tuple(shipments))
    return joined


def _way(state: State, maker: Contract, shipment: Shipment, target: Contract | None) -> Shipment | None:
    to_site = shipment.to_site if target is None else target.site
    route = logistics(state.network).route(maker.site, to_site)
    if route is None:
        return None
    return replace(
        shipment,
        to_site=to_site,
        to_contract=shipment.to_contract if target is None else target.id,
        transit_minutes=route.transit_minutes,
        cost_minor=route.cost_minor(shipment.quantity),
        emissions_g=route.total_emissions_g(shipment.quantity),
    )


def _ready_us(state: State, maker: Contract, shipment: Shipment) -> int:
    known = state.contracts.get(maker.id)
    end_us = maker.end_us if known is None else known.expected_end_us
    return end_us + shipment.transit_minutes * MINUTE_US


def _awaited_us(state: State, record: OrderRecord, receiver: Contract | None) -> int:
    """Return when goods must be there: before their receiver begins; 0 if it has begun without them."""
    if receiver is None:
        return record.order.terms.deadline_us
    known = state.contracts.get(receiver.id)
    return receiver.start_us if known is None or known.state in UNSTARTED else 0
