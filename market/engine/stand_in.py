"""Backups that take the places of contracts lost before their work began. Decides only.

A backup reserves nothing: whether it still fits is decided when it is needed, against what its bidder has
been awarded since. It takes over the lost contract's goods and ways, at its own price.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product

from market.engine.contesting import agreed_us
from market.engine.contracting import Disruption
from market.engine.decision import Decision, accept
from market.engine.execution import reallocates
from market.engine.ledger import CHANGED
from market.engine.posterior import probation_left_minor
from market.engine.pricing import forecast_ppm
from market.engine.replanning import joined
from market.engine.risks import cause_of, open_risks
from market.engine.snapshot import fee_minor
from market.engine.state import OrderRecord, State
from market.engine.transitions import BEGUN, STANDING
from market.engine.uses import used, uses_within
from market.model.contract_events import (
    Backup,
    BackupAwarded,
    ContractsPriced,
    ContractTerms,
    PromiseChanged,
)
from market.model.contract_rules import PPM
from market.model.events import Event
from takt_sdk.model.contract import Contract
from takt_sdk.model.values import DAY_US, MINUTE_US

MOST_PLANS = 100
"""Most ways of filling an order's gaps that are compared, where several contracts were lost at once."""


def fill(state: State, now_us: int) -> Decision | None:
    """Award to backups what they fill of orders at risk; None where there is nothing to do."""
    if state.paused_us is not None or not state.contracting.backups or not reallocates(state):
        return None
    happened = _awards(state, now_us)
    return accept(*happened) if happened else None


def _awards(state: State, now_us: int) -> list[Event]:
    happened: list[Event] = []
    taken: list[Backup] = []
    for order_id in sorted(state.index.callable_orders):
        record = state.orders[order_id]
        if record.state == "at_risk" and order_id in state.contracting.backups:
            known = open_risks(state, order_id)
            changed = any(risk.cause == CHANGED for risk in known)
            if not changed and record.order.terms.deadline_us > now_us:
                lost = _lost(state, record, {id_ for risk in known for id_ in risk.lost})
                plan = _best(state, record, lost, taken, now_us) if lost else None
                if plan is not None and not any(_is_on_offer(state, one) for one in plan.backups):
                    taken += plan.backups
                    happened += _awarded(state, record, plan, cause_of(known), now_us)
    return happened


def _lost(state: State, record: OrderRecord, lost: set[str]) -> list[str]:
    """Return the contracts lost before their work began that are all that an order misses; else none."""
    if any(id_ in state.contracting.contested for id_ in record.contracts):
        return []
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
        if _has_room(state, chosen, taken)
        and (plan := _plan(state, record, chosen, lost, now_us)) is not None
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
    if set(contract.items) != set(
        state.contracts[backup.backs].contract.items
    ):  # its customer made it smaller
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


def _is_on_offer(state: State, backup: Backup) -> bool:
    """Return whether the round under way may award what a backup needs, or what its bidder may still win."""
    round_, name = state.round, backup.contract.participant
    if round_ is None or name not in round_.eligible:
        return False
    if round_.state != "clearing":
        return True
    answer = round_.answers.get(name)
    if answer is None or answer.sheet is None:
        return False
    rows = answer.sheet.capacities
    offered = set(zip(rows.resource, rows.period, strict=True))
    return probation_left_minor(state, name) is not None or any(
        (use.resource, use.period) in offered for use in backup.contract.uses
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
    """Return whether the bidders still have what they declared and may earn so much.

    No bid stands in twice (one may stand by for several contracts), and no group is shared.
    """
    names = [name for one in (*chosen, *taken) for name in (one.contract.id, *one.groups)]
    if len(set(names)) < len(names):
        return False
    for participant in {one.contract.participant for one in chosen}:
        own = [one for one in (*chosen, *taken) if one.contract.participant == participant]
        left = probation_left_minor(state, participant)
        if left is not None and sum(one.contract.payment_minor for one in own) > left:
            return False
        for one in own:
            sold = Counter[tuple[str, int]]()
            for other in own:
                sold += used(other.contract)
            for known in state.contracts.values():
                if known.contract.participant == participant and known.awarded_us >= one.at_us:
                    sold += used(known.contract)
            if any(
                sold[use.resource, use.period] > most
                for use, most in zip(one.contract.uses, one.declared, strict=True)
            ):
                return False
    return True


def _plan(
    state: State, record: OrderRecord, chosen: tuple[Backup, ...], lost: list[str], now_us: int
) -> _Plan | None:
    """Return the order with backups in the places of lost contracts; None where it does not hold together."""
    places = {id_: one.contract for id_, one in zip(lost, chosen, strict=True)}
    terms = record.order.terms
    standing = [id_ for id_ in record.contracts if state.contracts[id_].state in STANDING]
    before = {id_: state.contracts[id_].contract for id_ in (*standing, *lost)}
    after = joined(state, record, before, places, now_us)
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
    transport += sum(  # spent already, whatever way the goods go on
        old.cost_minor
        for id_ in before.keys() & state.contracting.moved.keys()
        for old, new in zip(before[id_].shipments, after[id_].shipments, strict=True)
        if old != new
    )
    fee = fee_minor(state.rules, production + transport)
    charge = production + transport + fee
    if charge > terms.reservation_value_minor * record.pieces // terms.quantity:
        return None
    promised_us = max(
        agreed_us(state, contract) + shipment.transit_minutes * MINUTE_US
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
