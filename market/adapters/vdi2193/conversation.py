"""What a bare frame refers to: the call of its conversation, and the contracts that came of it. A value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from market.engine.transitions import next_contract_state
from takt_sdk.model.contract import Contract, ContractState
from takt_sdk.model.messages import CallForProposals


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One bidding instance: ``conversationId`` is the round's id."""

    round_id: str
    call: CallForProposals | None = None
    contracts: tuple[tuple[Contract, ContractState], ...] = ()

    def called(self, call: CallForProposals) -> Self:
        """Return it after a call."""
        return replace(self, call=call)

    def awarded(self, contract: Contract, state: ContractState = "awarded") -> Self:
        """Return it with a contract, new or in another state."""
        others = tuple(known for known in self.contracts if known[0].id != contract.id)
        return replace(self, contracts=(*others, (contract, state)))

    def moved(self, contract_id: str, trigger: str) -> Self:
        """Return it after a report or notice about a contract; one that does not fit changes nothing."""
        for contract, state in self.contracts:
            following = next_contract_state(state, trigger)
            if contract.id == contract_id and following is not None:
                return self.awarded(contract, following)
        return self
