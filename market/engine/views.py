"""The read models as functions of the state, and which rows an event touches. Stores nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from market.engine.audience import PUBLIC_ROUND, is_hidden
from market.engine.contract_views import touched_by
from market.engine.contracting import StatementLine
from market.engine.outbox import call, order_notice
from market.engine.state import ContractRecord, OrderRecord, PublicPart, RoundRecord, State
from market.engine.statements import statement_keys, statement_line
from market.engine.tape import FEWEST
from market.engine.transitions import STANDING
from market.model import contract_events, events
from market.model.views import ClearingView, ContractView, LotView, OrderView, ParticipantView
from takt_sdk.model.messages import ContractStatus, SheetStatus, SyncReply
from takt_sdk.model.plan import Part
from takt_sdk.model.quickly_built import quickly_built

if TYPE_CHECKING:
    from market.model.events import Event

SHOWN = STANDING | {"settled"}
"""Contracts of which an order's customer is told."""

RowModel = Literal["orders", "contracts", "ledger", "participants", "parts", "clearings"]


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a read model before encoding."""

    model: RowModel
    key: str
    tenant: str
    status: str
    view: OrderView | ContractView | ParticipantView | ClearingView | StatementLine | Part


def touched(state: State, happened: Iterable[Event]) -> list[Row]:
    """Return the rows that events changed, each once, as they are in ``state`` (after them)."""
    keys: dict[tuple[RowModel, str, str], None] = {}
    for event in happened:
        match event:
            case events.OrderSubmitted():
                keys["orders", event.order.id, ""] = None
            case events.ParticipantAdmitted():
                keys["participants", event.admission.participant, ""] = None
            case (
                events.ParticipantSuspended()
                | events.ParticipantReinstated()
                | events.KeyRotated()
                | events.ParticipantRevoked()
            ):
                keys["participants", event.participant, ""] = None
            case events.PartPublished():
                keys["parts", event.part.id, event.customer] = None
            case events.SheetReceived():
                keys["clearings", event.sheet.round_id, ""] = None
            case events.OrderAwarded():
                touched_contracts = [
                    *(c.id for c in event.contracts),
                    *(id_ for id_, _ in event.kept),
                    *event.ended,
                ]
                keys |= {("contracts", contract_id, ""): None for contract_id in touched_contracts}
                keys["orders", event.order_id, ""] = None
                keys["clearings", event.round_id, ""] = None
            case events.RoundOpened() | events.RoundClosed():
                keys["clearings", event.round_id, ""] = None
                keys |= {("orders", order_id, ""): None for order_id in state.rounds[event.round_id].orders}
            case (
                events.CallDeclined()
                | events.ClearingPublished()
                | events.RoundVoided()
                | events.RoundPriced()
                | events.SealsOpened()
                | events.ClearingVoided()
            ):
                keys["clearings", event.round_id, ""] = None
            case events.MilestoneReported() | events.ContractAtRisk() | events.ContractEnded():
                keys["contracts", event.contract_id, ""] = None
                order_id = state.contracts[event.contract_id].contract.order_id
                keys["orders", order_id, ""] = None
            case events.OrderSettled() | events.OrderExpired():
                keys |= {("contracts", contract_id, ""): None for contract_id, _ in event.payments}
                keys["orders", event.order_id, ""] = None
            case (
                events.OrderCancelled()
                | events.CancellationNoted()
                | events.OrderPassedOver()
                | events.OrderProgressed()
                | events.OrderReturned()
            ):
                keys["orders", event.order_id, ""] = None
            case contract_events.LedgerPosted():
                keys |= {("ledger", key, ""): None for key in statement_keys(event)}
            case _:
                keys |= {(model, key, ""): None for model, key in touched_by(state, event)}
    return [_row(state, *key) for key in keys if not (key[0] == "clearings" and is_hidden(key[1]))]


def all_rows(state: State) -> list[Row]:
    """Return every row: what the read models must hold after a rebuild."""
    return [
        *(_row(state, "participants", id_) for id_ in state.participants),
        *(
            _row(state, "parts", part_id, customer)
            for customer, parts in state.parts.items()
            for part_id in parts
        ),
        *(_row(state, "orders", id_) for id_ in state.orders),
        *(_row(state, "contracts", id_) for id_ in state.contracts),
        *(_row(state, "clearings", id_) for id_ in state.rounds if not is_hidden(id_)),
        *(
            _row(state, "ledger", f"{participant}/{line.posting_id}")
            for participant, lines in state.contracting.statements.items()
            for line in lines
        ),
    ]


def _row(state: State, model: RowModel, key: str, owner: str = "") -> Row:
    if model == "orders":
        order = state.orders[key]
        return Row(
            model=model,
            key=key,
            tenant=order.order.customer,
            status=order.state,
            view=order_view(state, order),
        )
    if model == "contracts":
        contract = state.contracts[key]
        tenant = contract.contract.participant
        return Row(model=model, key=key, tenant=tenant, status=contract.state, view=contract_view(contract))
    if model == "participants":
        participant = state.participants[key]
        view = ParticipantView(
            admission=participant.admission, suspended=participant.suspended, revoked=participant.revoked
        )
        status = "active"
        if participant.suspended:
            status = "revoked" if participant.revoked else "suspended"
        return Row(model=model, key=key, tenant=key, status=status, view=view)
    if model == "parts":
        part = state.parts[owner][key].part
        return Row(model=model, key=f"{owner}/{key}", tenant=owner, status="active", view=part)
    if model == "ledger":
        tenant, line = statement_line(state, key)
        return Row(model=model, key=key, tenant=tenant, status=line.kind, view=line)
    round_ = state.rounds[key]
    return Row(model=model, key=key, tenant="", status=round_.state, view=clearing_view(state, round_))


def order_view(state: State, record: OrderRecord) -> OrderView:
    """Return an order as its customer sees it."""
    order, terms = record.order, record.order.terms
    standing = [id_ for id_ in record.contracts if state.contracts[id_].state in SHOWN]
    by_lot: dict[str, list[str]] = {}
    emissions_g = 0
    for contract_id in standing:
        contract = state.contracts[contract_id].contract
        emissions_g += contract.emissions_g + sum(shipment.emissions_g for shipment in contract.shipments)
        for item in contract.items:
            by_lot.setdefault(item.lot_id, []).append(contract_id)
    return OrderView(
        order_id=order.id,
        customer=order.customer,
        part_id=order.part_id,
        quantity=terms.quantity,
        destination=terms.destination,
        release_us=terms.release_us,
        due_us=terms.due_us,
        deadline_us=terms.deadline_us,
        reservation_value_minor=terms.reservation_value_minor,
        state=record.state,
        submitted_us=record.submitted_us,
        charge_minor=record.charge_minor,
        production_minor=record.production_minor,
        transport_minor=record.transport_minor,
        fee_minor=record.fee_minor,
        emissions_g=emissions_g if standing else None,
        pieces=record.pieces,
        promised_us=record.promised_us,
        lots=tuple(
            [
                LotView(
                    lot_id=lot.id,
                    process=lot.requirement.process,
                    quantity=lot.quantity,
                    contracts=tuple(by_lot.get(lot.id, ())),
                )
                for lot in order.lots
            ]
        ),
        reasons=record.reasons,
        rounds=tuple(record.rounds),
        history=tuple(record.history),
    )


def contract_view(record: ContractRecord) -> ContractView:
    """Return a contract as its participant sees it."""
    return ContractView(
        contract=record.contract,
        state=record.state,
        finished_quantity=record.finished_quantity,
        payment_due_minor=record.payment_due_minor,
        history=tuple(record.history),
    )


def clearing_view(state: State, round_: RoundRecord) -> ClearingView:
    """Return the public part of a round: no participant, no bid, no price of a loser.

    Its money is told only where at least `FEWEST` customers and bidders took part: from less, one of
    them could compute another's sealed value. How many answered is told once it has closed. Orders that
    not everybody may know of are in none of it (`market.engine.audience`).
    """
    part = round_.public
    if part is None:
        part = PublicPart(
            orders=len(round_.orders),
            customers=0 if round_.digest is None else _customers(state, round_),
            called=(),
            figures=True,
            answered=round_.answered,
            served=round_.served,
        )
    told = part.figures and min(part.customers, part.answered) >= FEWEST
    gap = None
    if part.figures and round_.objective is not None and round_.bound is not None:
        gap = -(-1_000_000 * (round_.bound - round_.objective) // max(1, abs(round_.objective)))
    return ClearingView(
        round_id=round_.id,
        number=int(round_.id.removeprefix(PUBLIC_ROUND)),
        opened_us=round_.opened_us,
        deadline_us=round_.deadline_us,
        closed_us=round_.closed_us,
        called=round_.called if round_.public is None else len(part.called),
        answered=0 if round_.closed_us is None else part.answered,
        orders=part.orders,
        served=part.served,
        clearing_status=round_.clearing_status,
        objective=round_.objective if told else None,
        bound=round_.bound if told else None,
        gap_ppm=gap,
        greedy_objective=round_.greedy_objective if told else None,
        digest=round_.digest if told else None,
    )


def _customers(state: State, round_: RoundRecord) -> int:
    """Return how many customers have orders in a round; asked only once it has figures to tell."""
    return len({state.orders[order_id].order.customer for order_id in round_.orders})


def sync_reply(state: State, participant: str, now_us: int) -> SyncReply:
    """Return everything a participant needs to catch up; nothing of anybody else's."""
    round_ = state.round
    is_open = round_ is not None and round_.state == "open" and participant in round_.eligible
    received = {} if round_ is None else round_.received.get(participant, {})
    contracts = sorted(state.index.active_contracts.get(participant, ()))
    contracts += _settled_lately(state, participant, now_us)
    return SyncReply(
        participant=participant,
        now_us=now_us,
        calls=(call(state, round_, participant),) if round_ is not None and is_open else (),
        sheets=tuple(
            SheetStatus(
                round_id="" if round_ is None else round_.id,
                sequence=sequence,
                position=received[sequence][1],
            )
            for sequence in sorted(received)
        ),
        contracts=tuple(
            ContractStatus(
                contract=state.contracts[id_].contract,
                state=state.contracts[id_].state,
                report_sequence=max(state.contracts[id_].reports, default=0),
                ready_us=_ready_us(state, state.contracts[id_]),
            )
            for id_ in contracts
        ),
        orders=tuple(
            order_notice(state.orders[id_], now_us)
            for id_ in sorted(state.index.open_orders)
            if state.orders[id_].order.customer == participant
        ),
    )


def _ready_us(state: State, record: ContractRecord) -> int | None:
    """Return since when finished goods can leave: they are made, and where they go has been said."""
    if record.state not in {"finished", "shipped", "delivered"}:
        return None
    if record.state != "finished":
        return record.expected_end_us
    history = state.orders[record.contract.order_id].history
    said_us = max((entry.at_us for entry in history if entry.state == "awarded"), default=0)
    return max(record.expected_end_us, said_us)


def _settled_lately(state: State, participant: str, now_us: int) -> list[str]:
    """Return settled contracts with uses in this period or later: their stock is gone for good."""
    period = state.rules.periods.index(now_us)
    return sorted(
        id_
        for id_, record in state.contracts.items()
        if record.state == "settled"
        and record.contract.participant == participant
        and any(use.period >= period for use in record.contract.uses)
    )
