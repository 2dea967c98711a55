"""Bids that lost and stand by: which are recorded, which takes a lost contract's place. Decides only.

A backup reserves nothing: whether it still fits is decided when it is needed, against what its bidder has
been awarded since. It takes over the lost contract's goods and ways, at its own price.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice, product

from market.engine.contracting import Disruption
from market.engine.decision import Decision, accept
from market.engine.execution import reallocates
from market.engine.ledger import CHANGED
from market.engine.posterior import probation_left_minor
from market.engine.pricing import forecast_ppm
from market.engine.snapshot import fee_minor, logistics
from market.engine.state import OrderRecord, RoundRecord, State
from market.engine.transitions import BEGUN, STANDING, UNSTARTED
from market.engine.uses import uses_within
from market.model import events
from market.model.contract_events import (
    Backup,
    BackupAwarded,
    BackupsRecorded,
    ContractsPriced,
    ContractTerms,
    PromiseChanged,
)
from market.model.contract_rules import PPM
from market.model.events import Event
from takt_sdk.model.contract import Contract, ContractItem, ResourceUse, Shipment, contract_id
from takt_sdk.model.sheet import Bid, BidSheet
from takt_sdk.model.values import DAY_US, MINUTE_US

MOST_PLANS = 100
"""Most ways of filling an order's gaps that are compared, where several contracts were lost at once."""


# --- at the award ----------------------------------------------------------------------------


def recorded(state: State, happened: Iterable[Event]) -> Iterator[Event]:
    """Yield the losing bids that stand by for the contracts just awarded; ``state`` is the one before."""
    if not state.rules.contracts.backups:
        return
    told = tuple(happened)
    published = next((event for event in told if isinstance(event, events.ClearingPublished)), None)
    if published is None:
        return
    round_ = state.rounds[published.round_id]
    awarded = [event for event in told if isinstance(event, events.OrderAwarded)]
    won = [contract for event in awarded for contract in event.contracts]
    losers = _losers(round_, won, published)
    found: list[Backup] = []
    for event in awarded if losers else ():
        record = state.orders[event.order_id]
        plan = {id_: replace(state.contracts[id_].contract, shipments=ways) for id_, ways in event.kept}
        plan |= {contract.id: contract for contract in event.contracts}
        for contract in event.contracts:
            fitting = (
                known
                for bid in losers.get(frozenset(item.lot_id for item in contract.items), ())
                if (known := _backup(bid, contract, published.at_us)) is not None
                and _joined(state, record, plan, {contract.id: known.contract}) is not None
            )
            ranked = sorted(fitting, key=lambda known: (known.contract.payment_minor, known.draw))
            found += ranked[: state.rules.contracts.backups]
    if found:
        yield BackupsRecorded(backups=tuple(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loser:
    """A bid of a sheet that stands by, with what its bidder won in the round."""

    participant: str
    sheet: BidSheet
    bid: Bid
    round_id: str
    taken: Counter[tuple[str, int]]
    digest: str


def _losers(
    round_: RoundRecord, won: list[Contract], published: events.ClearingPublished
) -> dict[frozenset[str], list[_Loser]]:
    """Return the bids that stand by, by their lots.

    Not a bid whose group has a fixed price, which depends on what else is accepted, or has room for no
    more than was accepted of it.
    """
    accepted = {(contract.participant, contract.bid_id) for contract in won}
    found: dict[frozenset[str], list[_Loser]] = {}
    for participant in sorted(round_.answers):
        sheet = round_.answers[participant].sheet
        if sheet is None or not sheet.stands_by:
            continue
        taken = Counter[tuple[str, int]]()
        for contract in won:
            if contract.participant == participant:
                taken += _uses(contract)
        used = Counter(group for bid in sheet if (participant, bid.id) in accepted for group in bid.groups)
        groups = sheet.groups
        full = {
            group
            for group in range(len(groups.id))
            if groups.fixed_price_minor[group]
            or ((limit := groups.max_accepted[group]) is not None and used[group] >= limit)
        }
        for bid in sheet:
            if (participant, bid.id) not in accepted and full.isdisjoint(bid.groups):
                loser = _Loser(
                    participant=participant,
                    sheet=sheet,
                    bid=bid,
                    round_id=round_.id,
                    taken=taken,
                    digest=published.digest,
                )
                found.setdefault(frozenset(lot for lot, _ in bid.items), []).append(loser)
    return found


def _backup(loser: _Loser, winner: Contract, at_us: int) -> Backup | None:
    """Return a bid as a backup of a contract; None if it is for other goods, or its bidder is full."""
    bid, sheet = loser.bid, loser.sheet
    wanted = {item.lot_id: item.quantity for item in winner.items}
    offered = dict(bid.items)
    units = sum(wanted.values())
    if bid.min_quantity:
        fits = all(bid.min_quantity <= quantity <= offered[lot] for lot, quantity in wanted.items())
    else:
        fits = wanted == offered
    if not fits or loser.participant == winner.participant:
        return None
    rows = sheet.capacities
    uses = tuple(
        ResourceUse(resource=rows.resource[row], period=rows.period[row], amount=fixed + per_unit * units)
        for row, fixed, per_unit in bid.uses
    )
    declared = tuple(rows.available[row] for row, _, _ in bid.uses)
    if any(
        loser.taken[use.resource, use.period] + use.amount > most
        for use, most in zip(uses, declared, strict=True)
    ):
        return None
    id_ = contract_id(loser.round_id, loser.participant, bid.id)
    return Backup(
        contract=Contract(
            id=id_,
            order_id=winner.order_id,
            round_id=loser.round_id,
            participant=loser.participant,
            bid_id=bid.id,
            site=bid.site,
            items=tuple(ContractItem(lot_id=lot, quantity=wanted[lot]) for lot, _ in bid.items),
            payment_minor=bid.price_minor(units),
            start_us=bid.start_us,
            end_us=bid.end_us,
            uses=uses,
            emissions_g=-(-bid.emissions_g * units // sum(offered.values())),
        ),
        backs=winner.id,
        at_us=at_us,
        expires_us=sheet.expires_us,
        fixed_minor=bid.fixed_price_minor,
        declared=declared,
        groups=tuple(
            f"{loser.round_id}/{loser.participant}/{sheet.groups.id[group]}" for group in bid.groups
        ),
        draw=sha256(f"{loser.digest}\n{id_}".encode()).hexdigest(),
    )


def _uses(contract: Contract) -> Counter[tuple[str, int]]:
    return Counter({(use.resource, use.period): use.amount for use in contract.uses})


# --- when a contract is lost -----------------------------------------------------------------


def fill(state: State, now_us: int) -> Decision | None:
    """Award to backups what they fill of orders at risk; None where there is nothing to do.

    Not while a round is under way, in which what a bidder has left may be on offer.
    """
    idle = state.round is None and state.paused_us is None
    if not idle or not state.contracting.backups or not reallocates(state):
        return None
    happened = _awards(state, now_us)
    return accept(*happened) if happened else None


def _awards(state: State, now_us: int) -> list[Event]:
    happened: list[Event] = []
    taken: list[Backup] = []
    for order_id in sorted(state.index.callable_orders):
        record = state.orders[order_id]
        known = state.contracting.risks.get(order_id)
        if record.state == "at_risk" and known and order_id in state.contracting.backups:
            cause = known[-1].cause
            if cause != CHANGED and record.order.terms.deadline_us > now_us:
                lost = _lost(state, record, known[-1].lost)
                plan = _best(state, record, lost, taken, now_us) if lost else None
                if plan is not None:
                    taken += plan.backups
                    happened += _awarded(state, record, plan, cause, now_us)
    return happened


def _lost(state: State, record: OrderRecord, lost: tuple[str, ...]) -> list[str]:
    """Return the contracts lost before their work began that are all that an order misses; else none."""
    covered: Counter[str] = Counter()
    gaps: list[str] = []
    for id_ in record.contracts:
        known = state.contracts[id_]
        if known.state not in STANDING:
            begun = any(entry.state in BEGUN for entry in known.history)
            if id_ not in lost or begun:
                continue
            gaps.append(id_)
        covered.update({item.lot_id: item.quantity for item in known.contract.items})
    due = {lot.id: lot.quantity * record.pieces // record.order.terms.quantity for lot in record.order.lots}
    return sorted(gaps) if covered == due else []


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """An order's contracts with backups in the places of those lost, and its money."""

    backups: tuple[Backup, ...]
    contracts: Mapping[str, Contract]
    production_minor: int
    transport_minor: int
    fee_minor: int
    promised_us: int
    cost: int

    @property
    def charge_minor(self) -> int:
        return self.production_minor + self.transport_minor + self.fee_minor


def _best(
    state: State, record: OrderRecord, lost: list[str], taken: list[Backup], now_us: int
) -> _Plan | None:
    """Return the plan that costs its customer least, lateness and emissions counted; ties by lot."""
    known = state.contracting.backups[record.order.id]
    choices = [[one for one in known if one.backs == id_ and _good(state, one, now_us)] for id_ in lost]
    plans = (
        plan
        for chosen in islice(product(*choices), MOST_PLANS)
        if _has_room(state, chosen, taken) and (plan := _plan(state, record, chosen, lost)) is not None
    )
    return min(plans, key=lambda plan: (plan.cost, [one.draw for one in plan.backups]), default=None)


def _good(state: State, backup: Backup, now_us: int) -> bool:
    """Return whether a bid still binds a bidder who may be called, and its resources are known to work."""
    contract = backup.contract
    bidder = state.participants[contract.participant]
    order = state.orders[contract.order_id].order
    lots = {lot.id: lot for lot in order.lots}
    if now_us >= backup.expires_us or contract.start_us < now_us:
        return False
    if bidder.suspended or contract.participant in state.contracting.silent:
        return False
    if contract.site not in bidder.admission.sites or contract.id in state.contracts:
        return False
    if any(
        not bidder.admission.qualification.eligible(lots[item.lot_id].requirement, order.terms.data_class)
        for item in contract.items
    ):
        return False
    return not any(
        known.sender == contract.participant and known.resolved_us is None and _stops(state, known, contract)
        for known in state.contracting.disruptions.values()
    )


def _stops(state: State, known: Disruption, contract: Contract) -> bool:
    notice = known.notice
    return (
        notice.cause == "breakdown"
        and notice.status == "open"
        and notice.window is not None
        and uses_within(contract, notice.resource, notice.window, state.rules.periods)
    )


def _has_room(state: State, chosen: tuple[Backup, ...], taken: list[Backup]) -> bool:
    """Return whether the bidders still have what they declared and may earn so much; no group is shared."""
    groups = [group for one in (*chosen, *taken) for group in one.groups]
    if len(set(groups)) < len(groups):
        return False
    for participant in {one.contract.participant for one in chosen}:
        own = [one for one in (*chosen, *taken) if one.contract.participant == participant]
        left = probation_left_minor(state, participant)
        if left is not None and sum(one.contract.payment_minor for one in own) > left:
            return False
        for one in own:
            used = Counter[tuple[str, int]]()
            for other in own:
                used += _uses(other.contract)
            for known in state.contracts.values():
                if known.contract.participant == participant and known.awarded_us >= one.at_us:
                    used += _uses(known.contract)
            if any(
                used[use.resource, use.period] > most
                for use, most in zip(one.contract.uses, one.declared, strict=True)
            ):
                return False
    return True


def _plan(state: State, record: OrderRecord, chosen: tuple[Backup, ...], lost: list[str]) -> _Plan | None:
    """Return the order with backups in the places of lost contracts; None where it does not hold together."""
    places = {id_: one.contract for id_, one in zip(lost, chosen, strict=True)}
    terms = record.order.terms
    standing = [id_ for id_ in record.contracts if state.contracts[id_].state in STANDING]
    before = {id_: state.contracts[id_].contract for id_ in (*standing, *lost)}
    after = _joined(state, record, before, places)
    if after is None:
        return None
    participants = {contract.participant for contract in after.values()}
    if terms.max_suppliers is not None and len(participants) > terms.max_suppliers:
        return None
    if record.order.customer in participants:
        return None
    production = (record.production_minor or 0) + sum(
        contract.payment_minor - before[id_].payment_minor for id_, contract in places.items()
    )
    transport = (record.transport_minor or 0) + _moving_minor(after) - _moving_minor(before)
    fee = fee_minor(state.rules, production + transport)
    charge = production + transport + fee
    if charge > terms.reservation_value_minor * record.pieces // terms.quantity:
        return None
    promised_us = max(
        contract.end_us + shipment.transit_minutes * MINUTE_US
        for contract in after.values()
        for shipment in contract.shipments
        if shipment.to_contract is None
    )
    late_days = -(-max(0, promised_us - terms.due_us) // DAY_US)
    grams = sum(contract.emissions_g for contract in places.values())
    return _Plan(
        backups=chosen,
        contracts=after,
        production_minor=production,
        transport_minor=transport,
        fee_minor=fee,
        promised_us=promised_us,
        cost=charge
        + late_days * terms.lateness_penalty_minor_per_day
        + -(-grams * state.rules.emissions_minor_per_tonne // PPM),
    )


def _moving_minor(contracts: Mapping[str, Contract]) -> int:
    return sum(shipment.cost_minor for contract in contracts.values() for shipment in contract.shipments)


def _joined(
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


def _awarded(state: State, record: OrderRecord, plan: _Plan, cause: str, now_us: int) -> Iterator[Event]:
    new = {one.contract.id: one for one in plan.backups}
    order_id = record.order.id
    yield BackupAwarded(
        order_id=order_id,
        at_us=now_us,
        cause=cause,
        replaced=tuple((one.backs, one.contract.id) for one in plan.backups),
        contracts=tuple(plan.contracts[id_] for id_ in new),
        kept=tuple(
            (id_, contract.shipments)
            for id_, contract in plan.contracts.items()
            if id_ not in new and contract.shipments != state.contracts[id_].contract.shipments
        ),
        ended=tuple(id_ for id_ in sorted(record.contracts) if state.contracts[id_].state == "at_risk"),
        charge_minor=plan.charge_minor,
        production_minor=plan.production_minor,
        transport_minor=plan.transport_minor,
        fee_minor=plan.fee_minor,
        promised_us=plan.promised_us,
    )
    yield ContractsPriced(
        terms=tuple(
            ContractTerms(
                contract_id=id_,
                fixed_minor=one.fixed_minor,
                group_minor=0,
                groups=(),
                on_time_ppm=forecast_ppm(state, one.contract, now_us),
            )
            for id_, one in new.items()
        )
    )
    yield PromiseChanged(
        order_id=order_id,
        at_us=now_us,
        before_us=record.promised_us or 0,
        promised_us=plan.promised_us,
        charge_before_minor=record.charge_minor or 0,
        charge_minor=plan.charge_minor,
        cause=cause,
    )
