"""Where the goods of contracts are: what stands takes part in a clearing from there.

Goods that were shipped lie where they were shipped to; what moved is paid and never priced again. All
of it as it was at the close, so that nothing logged later changes the problem.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from market.engine.partly_done import reduced, settled_minor
from market.engine.state import Kept, OrderRecord, RoundRecord, State
from takt_sdk.model.contract import Contract, ContractItem, Shipment
from takt_sdk.model.values import MINUTE_US

KEPT = "="
"""Marks the bid that stands for a contract of an earlier round; no bidder's id can hold it."""

_PLACE = "@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a standing contract's goods that lies in one place; a bid without a price.

    ``start_us`` None: its inputs are there already. ``moved`` are the shipments that
    brought it there. ``late_minor`` is what the rest of a late contract costs, if this piece is all of it.
    """

    local_id: str
    contract: Contract
    site: str
    items: tuple[ContractItem, ...]
    start_us: int | None
    end_us: int
    moved: tuple[Shipment, ...] = ()
    late_minor: int | None = None


def contract_of(local_id: str) -> str:
    """Return the contract that a piece's bid stands for."""
    return local_id.removeprefix(KEPT).split(_PLACE, 1)[0]


def sunk_minor(state: State, order_id: str) -> int:
    """Return what an order's goods had cost to move by the close of its round."""
    return state.contracting.closed_sunk.get(order_id, 0)


def kept_of(round_: RoundRecord, record: OrderRecord) -> list[Kept]:
    """Return the contracts of an order that stood at the close of a round, by id."""
    if not round_.kept:
        return []
    return [
        round_.kept[contract_id] for contract_id in sorted(record.contracts) if contract_id in round_.kept
    ]


def pieces(state: State, round_: RoundRecord, record: OrderRecord) -> list[Piece]:
    """Return the goods of an order's standing contracts by place, in order of their ids.

    Goods that were used up are where what became of them is: they go nowhere any more.
    """
    found = [piece for kept in kept_of(round_, record) for piece in _pieces_of(state, record, kept)]
    begun = state.contracting.closed_begun
    first: dict[str, Piece] = {}
    for piece in found:
        first.setdefault(piece.contract.id, piece)

    def place(piece: Piece) -> str:
        users = {s.to_contract for s in piece.moved if s.to_contract != piece.contract.id}
        (user, *others) = users or {None}
        if user is None or others or user not in begun or user not in first:
            return piece.site
        return place(first[user])

    return [replace(piece, site=place(piece)) for piece in found]


def _pieces_of(state: State, record: OrderRecord, kept: Kept) -> list[Piece]:
    contract, book = kept.contract, state.contracting
    begun = contract.id in book.closed_begun
    start_us = None if begun else contract.start_us
    moved = book.closed_moved.get(contract.id)
    if kept.contested:
        return _contested(kept, start_us)
    if moved is None:
        return [
            Piece(
                local_id=f"{KEPT}{contract.id}",
                contract=contract,
                site=contract.site,
                items=contract.items,
                start_us=start_us,
                end_us=kept.expected_end_us,
            )
        ]
    found = []
    for number, (site, shipments) in enumerate(_by_place(record, contract, moved).items()):
        carried = {item.lot_id: 0 for item in contract.items}
        for lot_id, shipment in shipments:
            carried[lot_id] += shipment.quantity
        inner = {
            item.lot_id: item.quantity
            for item in contract.items
            if not _leaves(record, contract, item, moved)
        }
        items = {**carried, **(inner if number == 0 else {})}
        found.append(
            Piece(
                local_id=f"{KEPT}{contract.id}{_PLACE}{number}",
                contract=contract,
                site=site,
                items=tuple(
                    ContractItem(lot_id=lot_id, quantity=quantity)
                    for lot_id, quantity in items.items()
                    if quantity
                ),
                start_us=start_us,
                end_us=kept.expected_end_us
                + max((s.transit_minutes for _, s in shipments), default=0) * MINUTE_US,
                moved=tuple(shipment for _, shipment in shipments),
            )
        )
    return found


def _contested(kept: Kept, start_us: int | None) -> list[Piece]:
    """Return a late contract whole and, another choice, what is done of it."""
    contract, whole_us = kept.contract, kept.expected_end_us
    if start_us is not None:
        start_us += max(0, whole_us - contract.end_us)
    whole = Piece(
        local_id=f"{KEPT}{contract.id}",
        contract=contract,
        site=contract.site,
        items=contract.items,
        start_us=start_us,
        end_us=whole_us,
        late_minor=contract.payment_minor - settled_minor(kept),
    )
    if not kept.done:
        return [whole]
    done = reduced(contract, kept.done)
    return [
        whole,
        Piece(
            local_id=f"{KEPT}{contract.id}{_PLACE}done",
            contract=done,
            site=contract.site,
            items=done.items,
            start_us=start_us,
            end_us=min(whole_us, contract.end_us),
        ),
    ]


def _by_place(
    record: OrderRecord, contract: Contract, moved: tuple[Shipment, ...]
) -> dict[str, list[tuple[str, Shipment]]]:
    """Return (lot, shipment) per site, by the first arc that leaves each lot."""
    source = {arc.id: arc.source for arc in record.order.arcs}
    first: dict[str, str] = {}
    for arc in record.order.arcs:
        first.setdefault(arc.source, arc.id)
    places: dict[str, list[tuple[str, Shipment]]] = {}
    for shipment in moved:
        lot_id = source[shipment.arc_id]
        if first[lot_id] == shipment.arc_id and shipment.to_contract != contract.id:
            places.setdefault(shipment.to_site, []).append((lot_id, shipment))
    return places or {contract.site: []}


def _leaves(record: OrderRecord, contract: Contract, item: ContractItem, moved: tuple[Shipment, ...]) -> bool:
    """Return whether a lot's goods were shipped, and not used up inside the contract."""
    arcs = {arc.id for arc in record.order.arcs if arc.source == item.lot_id}
    return any(s.arc_id in arcs and s.to_contract != contract.id for s in moved)
