"""What events show of who is on time, once per contract. Decides; changes nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from market.engine.contesting import LATE
from market.engine.ledger import BREACHES, BREAKDOWN
from market.engine.posterior import base_rate_ppm
from market.engine.state import ContractRecord, State
from market.model import events
from market.model.contract_events import ContractReduced, ReliabilityObserved
from market.model.events import Event

_LATE = (BREAKDOWN, LATE)
"""How the reasons begin for which work is lost because it would be late."""


def processes(state: State, record: ContractRecord) -> tuple[str, ...]:
    """Return the processes that a contract's lots ask for, sorted."""
    lots = {item.lot_id for item in record.contract.items}
    order = state.orders[record.contract.order_id].order
    return tuple(sorted({lot.requirement.process for lot in order.lots if lot.id in lots}))


def observations(state: State, happened: Iterable[Event], now_us: int) -> Iterator[Event]:
    """Yield what events show of reliability; every contract counts once."""
    seen: set[str] = set()
    for event in happened:
        found = _observed(state, event)
        if found is None or found[0] in seen or found[0] in state.contracting.observed:
            continue
        contract_id, on_time = found
        record = state.contracts.get(contract_id)
        if record is None:
            continue
        seen.add(contract_id)
        terms = state.contracting.terms.get(contract_id)
        yield ReliabilityObserved(
            participant=record.contract.participant,
            contract_id=contract_id,
            processes=processes(state, record),
            on_time=on_time,
            forecast_ppm=base_rate_ppm(state) if terms is None else terms.on_time_ppm,
            base_ppm=base_rate_ppm(state),
            at_us=now_us,
        )


def _observed(state: State, event: Event) -> tuple[str, bool] | None:
    """Return the contract that an event shows to be on time or late."""
    match event:
        case events.MilestoneReported(milestone="finished"):
            return event.contract_id, event.at_us <= state.contracts[event.contract_id].contract.end_us
        case events.MilestoneReported(milestone="refused"):
            return event.contract_id, False
        case events.ContractEnded() if event.reason in BREACHES or event.reason.startswith(_LATE):
            return event.contract_id, False
        case events.ContractAtRisk() if event.cause.startswith(_LATE):
            return event.contract_id, False
        case ContractReduced() if not event.by_customer:
            return event.contract.id, False
        case _:
            return None
