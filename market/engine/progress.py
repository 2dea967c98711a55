"""Reports of work per lot, and the market's own forecast of a contract's end. Decides only."""

from __future__ import annotations

from market.engine.decision import Decision, Inbound, accept, refuse
from market.engine.numbering import own_contract
from market.engine.state import ContractRecord, State
from market.model.contract_events import ProgressReported
from market.model.contract_rules import PPM
from takt_sdk.model.execution import ReportProgress


def report(state: State, inbound: Inbound, command: ReportProgress, now_us: int) -> Decision:
    """Take how far a lot of an own contract is; counts never go back."""
    record = own_contract(state, inbound, command.contract_id, now_us)
    if isinstance(record, Decision):
        return record
    refused = _refused(state, record, command, now_us)
    if refused is not None:
        return refused
    return accept(
        ProgressReported(
            contract_id=command.contract_id,
            sequence=inbound.sequence,
            digest=inbound.digest,
            lot_id=command.lot_id,
            done=command.done,
            scrapped=command.scrapped,
            at_us=command.at_us,
            expected_end_us=command.expected_end_us,
            confidence_ppm=command.confidence_ppm,
            predicted_end_us=predicted_end_us(record, command),
        ),
        subject_id=command.contract_id,
    )


def _refused(state: State, record: ContractRecord, command: ReportProgress, now_us: int) -> Decision | None:
    if record.state != "in_production":
        return refuse(
            "state",
            f"a contract that is {record.state} makes nothing",
            field="contract_id",
            value=command.contract_id,
            state=record.state,
        )
    quantity = {item.lot_id: item.quantity for item in record.contract.items}.get(command.lot_id)
    if quantity is None:
        return refuse("unknown", "no such lot in the contract", field="lot_id", value=command.lot_id)
    if command.at_us > now_us:
        return refuse("dates", f"not after market time {now_us}", field="at_us", value=command.at_us)
    if command.done > quantity:
        return refuse("invalid", f"at most {quantity}", field="done", value=command.done)
    known = state.contracting.work.get(command.contract_id, {}).get(command.lot_id)
    if known is not None:
        for name in ("done", "scrapped", "at_us"):
            if getattr(command, name) < getattr(known, name):
                return refuse(
                    "invalid",
                    f"at least {getattr(known, name)}, as reported",
                    field=name,
                    value=getattr(command, name),
                )
    return None


def predicted_end_us(record: ContractRecord, command: ReportProgress) -> int:
    """Return the market's forecast: the participant's by its confidence, else the pace so far.

    Pace is the time since the start over the units done, good and scrapped, of this lot.
    """
    started = [entry.at_us for entry in record.history if entry.state == "in_production"]
    made = command.done + command.scrapped
    if not started or not command.done or command.confidence_ppm == PPM:
        return command.expected_end_us
    quantity = {item.lot_id: item.quantity for item in record.contract.items}[command.lot_id]
    elapsed_us = max(0, command.at_us - started[0])
    scrap_units = -(-(quantity - command.done) * made // command.done)
    paced_us = command.at_us + elapsed_us * scrap_units // made
    doubt = PPM - command.confidence_ppm
    return (command.expected_end_us * command.confidence_ppm + paced_us * doubt) // PPM
