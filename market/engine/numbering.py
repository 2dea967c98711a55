"""Reports of a contract are numbered upwards: what a number may be, whatever the report. Decides only."""

from __future__ import annotations

from market.engine.decision import Decision, Inbound, refuse, repeat
from market.engine.signatures import equivocation
from market.engine.state import ContractRecord, State


def own_contract(state: State, inbound: Inbound, contract_id: str, now_us: int) -> ContractRecord | Decision:
    """Return the contract that a new report of its own participant is about, or how the report ends here.

    Another's contract does not exist. The same number again is a retry, with another content an
    equivocation, whose proof is kept; a number below the last is refused.
    """
    record = state.contracts.get(contract_id)
    if record is None or record.contract.participant != inbound.sender:
        return refuse("unknown", "no such contract", field="contract_id", value=contract_id)
    seen = record.reports.get(inbound.sequence)
    if seen is not None:
        if seen[0] == inbound.digest:
            return repeat(seen[1], contract_id)
        twice = refuse(
            "equivocation", "another report has this number", field="sequence", value=inbound.sequence
        )
        return equivocation(state, inbound, contract_id, seen, twice, now_us)
    if record.reports and inbound.sequence < max(record.reports):
        return refuse("sequence", f"last was {max(record.reports)}", field="sequence", value=inbound.sequence)
    return record
