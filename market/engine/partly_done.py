"""What is done of a contract, and the contract that it is then. Pure."""

from __future__ import annotations

from dataclasses import replace

from market.engine.state import ContractRecord, Kept, State
from takt_sdk.model.contract import Contract, ContractItem


def done_items(state: State, record: ContractRecord) -> tuple[ContractItem, ...]:
    """Return what is done of a contract, lot by lot as reported."""
    work = state.contracting.work.get(record.contract.id, {})
    if not work and len(record.contract.items) == 1 and record.finished_quantity:
        item = record.contract.items[0]
        return (ContractItem(lot_id=item.lot_id, quantity=min(item.quantity, record.finished_quantity)),)
    return tuple(
        ContractItem(lot_id=item.lot_id, quantity=min(item.quantity, work[item.lot_id].done))
        for item in record.contract.items
        if item.lot_id in work and work[item.lot_id].done
    )


def reduced(contract: Contract, items: tuple[ContractItem, ...]) -> Contract:
    """Return a contract over fewer units, at the same price per unit, rounded down; nothing to ship yet."""
    before = sum(item.quantity for item in contract.items)
    now = sum(item.quantity for item in items)
    return replace(
        contract,
        items=items,
        payment_minor=contract.payment_minor * now // before,
        emissions_g=-(-contract.emissions_g * now // before),
        shipments=(),
    )


def settled_minor(kept: Kept) -> int:
    """Return what is owed for a contract whatever the round brings: its payment, or that of what is done."""
    if not kept.contested:
        return kept.contract.payment_minor
    return reduced(kept.contract, kept.done).payment_minor
