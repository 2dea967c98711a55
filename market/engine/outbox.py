"""What participants are told about events: calls and notices, from the state after them.

Ids derive from content, so that a message made again is the same message. Sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Literal

from market.engine.audience import is_hidden
from market.engine.contract_views import touched_by
from market.engine.price_rounds import REASON
from market.engine.state import OrderRecord, RoundRecord, State
from market.engine.tape import tape
from market.model import contract_events, events
from market.model.events import Event
from takt_sdk.model.contract import Contract
from takt_sdk.model.messages import (
    BidsRefused,
    CallForProposals,
    ContractAmended,
    ContractNotice,
    Downlink,
    LossEstimate,
    OrderNotice,
    RoundResult,
    Tape,
)
from takt_sdk.model.quickly_built import quickly_built
from takt_sdk.model.sealed import smallest_size

NOTHING: Mapping[str, int] = MappingProxyType({})

QUIET: frozenset[type] = frozenset(
    {
        events.OrderSubmitted,
        events.SheetReceived,
        events.SealedReceived,
        events.CallDeclined,
        events.MilestoneReported,
        contract_events.ContractsPriced,
        contract_events.LedgerPosted,
    }
)
"""Frequent kinds, of which nobody is told anything."""


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message for one participant; on the tape, for everybody (``participant`` is the market).

    ``correlation_id`` is the round, contract or order it is about.
    """

    message_id: str
    channel: Literal["cfp", "notice", "tape"]
    participant: str
    correlation_id: str
    body: Downlink | Tape


def outgoing(state: State, happened: Sequence[Event], position: int) -> list[Outgoing]:
    """Return what must reach participants because of the events of the entry at ``position``.

    ``state`` is the state after them. Orders and contracts are told of once, in their latest state.
    """
    told: list[Outgoing] = []
    orders: dict[str, int] = {}
    contracts: dict[str, tuple[int, str]] = {}
    amended: dict[str, int] = {}
    for event in happened:
        if type(event) in QUIET:
            continue
        match event:
            case events.RoundOpened():
                told += _calls(state, state.rounds[event.round_id])
            case events.ClearingPublished():
                told += _results(state, state.rounds[event.round_id], estimates=dict(event.estimates))
                if not is_hidden(event.round_id):
                    told.append(_tape(state, event))
            case events.RoundVoided():
                told += _results(state, state.rounds[event.round_id], void=event.reason)
            case events.RoundPriced():
                told += _results(state, state.rounds[event.round_id], void=REASON)
            case events.AnswerOpened():
                told += _refused_bids(state, event)
            case events.OrderAwarded() | contract_events.BackupAwarded():
                orders[event.order_id] = event.at_us
                amended |= {id_: event.at_us for id_, _ in event.kept}
            case events.OrderSettled() | events.OrderExpired():
                orders[event.order_id] = event.at_us
            case (
                events.OrderCancelled()
                | events.OrderPassedOver()
                | events.OrderProgressed()
                | events.OrderReturned()
            ):
                orders[event.order_id] = event.at_us
            case contract_events.ContractReduced():
                amended[event.contract.id] = event.at_us
            case contract_events.ChangeQuoted():
                told.append(_quote(state, event))
            case _:
                touched = touched_by(state, event)
                at_us = state.now_us
                orders |= {key: at_us for model, key in touched if model == "orders" and _says(event)}
        if isinstance(event, contract_events.BackupAwarded):
            told += [_stood_by(state, contract) for contract in event.contracts]
        contracts |= _ended(event)
    told += [_amended(state, id_, at_us, position) for id_, at_us in amended.items()]
    told += [_contract_notice(state, id_, at_us, why, position) for id_, (at_us, why) in contracts.items()]
    changed = ((state.orders[id_], at_us) for id_, at_us in orders.items())
    told += [
        _order_notice(one, at_us, position) for one, at_us in changed if _reads(state, one.order.customer)
    ]
    return [message for message in told if message.channel == "tape" or _reads(state, message.participant)]


def _says(event: Event) -> bool:
    """Return whether an event of a contract changes what its order's customer is told."""
    return isinstance(
        event,
        contract_events.OrderHeld
        | contract_events.ReallocationApproved
        | contract_events.PromiseChanged
        | contract_events.OrderChanged,
    )


def _ended(event: Event) -> dict[str, tuple[int, str]]:
    """Return whose contracts an event ends, cuts or questions: when, and why."""
    match event:
        case events.ContractAtRisk():
            return {event.contract_id: (event.at_us, event.cause)}
        case events.ContractEnded():
            return {event.contract_id: (event.at_us, event.reason)}
        case contract_events.ContractReduced():
            return {event.contract.id: (event.at_us, event.reason)}
        case contract_events.ContractContested():
            return {event.contract_id: (event.at_us, f"{event.reason}: the rest is on offer")}
        case events.OrderAwarded() | contract_events.BackupAwarded():
            return dict.fromkeys(event.ended, (event.at_us, "replaced by a new award"))
        case events.OrderSettled() | events.OrderExpired():
            return {id_: (event.at_us, "order settled") for id_, _ in event.payments}
        case _:
            return {}


def _quote(state: State, event: contract_events.ChangeQuoted) -> Outgoing:
    return Outgoing(
        message_id=_message_id(state.market, "quote", event.quote.quote_id),
        channel="notice",
        participant=event.quote.participant,
        correlation_id=event.quote.order_id,
        body=event.quote,
    )


def _reads(state: State, participant: str) -> bool:
    return state.participants[participant].admission.agent


def _tape(state: State, event: events.ClearingPublished) -> Outgoing:
    return Outgoing(
        message_id=_message_id(state.market, "tape", event.round_id),
        channel="tape",
        participant=state.market,
        correlation_id=event.round_id,
        body=tape(state, event),
    )


def _message_id(*parts: object) -> str:
    return "m-" + sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def call(state: State, round_: RoundRecord, participant: str) -> CallForProposals:
    """Return the call of a round to one participant."""
    rules = state.rules
    lots = tuple(round_.lots[index] for index in round_.eligible[participant])
    called = {lot.id for lot in lots} if state.lot_prices else set()
    return CallForProposals(
        market=state.market,
        round_id=round_.id,
        participant=participant,
        opened_us=round_.opened_us,
        deadline_us=round_.deadline_us,
        currency=rules.currency,
        periods=rules.periods,
        max_periods=rules.max_periods,
        rules_version=round_.rules_version,
        seed_commitment=round_.seed_commitment,
        lots=lots,
        sealing_key=round_.sealing_key,
        sealed_size=smallest_size(len(round_.eligible[participant])) if round_.sealing_key else 0,
        sites=state.participants[participant].admission.sites,
        max_bids=rules.max_bids_per_sheet,
        max_price_minor=rules.max_price_minor,
        emissions_minor_per_tonne=rules.emissions_minor_per_tonne,
        iteration=state.price_iteration,
        prices=tuple(price for price in state.lot_prices if price.lot_id in called),
    )


def _calls(state: State, round_: RoundRecord) -> list[Outgoing]:
    return [
        Outgoing(
            message_id=_message_id(state.market, "cfp", round_.id, participant),
            channel="cfp",
            participant=participant,
            correlation_id=round_.id,
            body=call(state, round_, participant),
        )
        for participant in round_.eligible
    ]


def _backups_of(state: State, round_: RoundRecord) -> set[tuple[str, str]]:
    """Return the bids of a round that stand by, as (participant, bid)."""
    return {
        (one.contract.participant, one.contract.bid_id)
        for order_id in round_.orders
        for one in state.contracting.backups.get(order_id, ())
        if one.contract.round_id == round_.id
    }


def _results(
    state: State, round_: RoundRecord, void: str = "", estimates: Mapping[str, int] = NOTHING
) -> list[Outgoing]:
    """Tell everybody whose sheet stood; of a void sealed round everybody who had sent something."""
    won: dict[str, list[Contract]] = {}
    for order_id in round_.orders:
        for contract_id in state.orders[order_id].contracts:
            contract = state.contracts[contract_id].contract
            if contract.round_id == round_.id:
                won.setdefault(contract.participant, []).append(contract)
    told = []
    unopened = round_.sealing_key and void and not round_.answers
    standing_by = _backups_of(state, round_)
    for participant in sorted(round_.received if unopened else round_.answers):
        sheet = None if unopened else round_.answers[participant].sheet
        if sheet is None and not unopened:
            continue
        awards = tuple(sorted(won.get(participant, ()), key=lambda contract: contract.id))
        accepted = {contract.bid_id for contract in awards}
        rejected = tuple(bid for bid in (sheet.bids.id if sheet else ()) if bid not in accepted)
        told.append(
            Outgoing(
                message_id=_message_id(state.market, "result", round_.id, participant),
                channel="notice",
                participant=participant,
                correlation_id=round_.id,
                body=RoundResult(
                    round_id=round_.id,
                    participant=participant,
                    awards=awards,
                    rejected=rejected,
                    void=void[:200],
                    estimates=tuple(
                        LossEstimate(bid=bid, threshold_minor=estimates[f"{participant}/{bid}"])
                        for bid in rejected
                        if f"{participant}/{bid}" in estimates
                    )
                    if estimates
                    else (),
                    standing_by=tuple(bid for bid in rejected if (participant, bid) in standing_by),
                ),
            )
        )
    return told


def _stood_by(state: State, contract: Contract) -> Outgoing:
    """Tell a bidder that its bid, which lost and stood by, is awarded after all."""
    return Outgoing(
        message_id=_message_id(state.market, "stood by", contract.id),
        channel="notice",
        participant=contract.participant,
        correlation_id=contract.round_id,
        body=RoundResult(
            round_id=contract.round_id, participant=contract.participant, awards=(contract,), rejected=()
        ),
    )


def _refused_bids(state: State, event: events.AnswerOpened) -> list[Outgoing]:
    if not event.refused:
        return []
    return [
        Outgoing(
            message_id=_message_id(state.market, "refused", event.round_id, event.participant),
            channel="notice",
            participant=event.participant,
            correlation_id=event.round_id,
            body=BidsRefused(
                round_id=event.round_id,
                participant=event.participant,
                sequence=event.sequence,
                refused=event.refused,
            ),
        )
    ]


def _amended(state: State, contract_id: str, at_us: int, position: int) -> Outgoing:
    contract = state.contracts[contract_id].contract
    return Outgoing(
        message_id=_message_id(state.market, "amended", contract_id, position),
        channel="notice",
        participant=contract.participant,
        correlation_id=contract_id,
        body=ContractAmended(participant=contract.participant, at_us=at_us, contract=contract),
    )


def _contract_notice(state: State, contract_id: str, at_us: int, reason: str, position: int) -> Outgoing:
    record = state.contracts[contract_id]
    return Outgoing(
        message_id=_message_id(state.market, "contract", contract_id, record.state, position),
        channel="notice",
        participant=record.contract.participant,
        correlation_id=contract_id,
        body=ContractNotice(
            contract_id=contract_id,
            participant=record.contract.participant,
            state=record.state,
            at_us=at_us,
            reason=reason,
            payment_minor=record.payment_due_minor,
        ),
    )


def order_notice(record: OrderRecord, at_us: int) -> OrderNotice:
    """Return what an order's customer is told of its state."""
    return OrderNotice(
        order_id=record.order.id,
        participant=record.order.customer,
        state=record.state,
        at_us=at_us,
        charge_minor=record.charge_minor,
        promised_us=record.promised_us,
        reasons=record.reasons,
    )


def _order_notice(record: OrderRecord, at_us: int, position: int) -> Outgoing:
    return Outgoing(
        message_id=_message_id("order", record.order.id, record.state, position),
        channel="notice",
        participant=record.order.customer,
        correlation_id=record.order.id,
        body=order_notice(record, at_us),
    )
