"""A simulation with participants who try what they must not: late, forged, repeated and altered messages.

None of it may have an effect: the outcome is that of the same run without them.
"""

from __future__ import annotations

from dataclasses import replace

from market.engine.decision import Inbound, Refusal, Repeated
from market.model.commands import Command
from market.service.kernel import Handled
from scenarios.chance import stream
from scenarios.faults import Faults
from scenarios.population import Population
from takt_sdk.codec import digest_of, encode
from takt_sdk.model.messages import Envelope, Milestone, ReportMilestone
from takt_sdk.model.sheet import BidSheet
from tests.simulation.watched import Watched

ATTACKS_PER_RUN = 60


class Hostile(Watched):
    """Sends an attack after some steps, each from the state as it is then."""

    def __init__(self, population: Population, *, faults: Faults, fault_seed: int = 0) -> None:
        super().__init__(population, faults=faults, fault_seed=fault_seed)
        self._chance = stream(fault_seed, "attacks")
        self._left = ATTACKS_PER_RUN
        self._attacking = False
        self.attacks = 0
        self.harmless = 0

    def _take(self, inbound: Inbound, source: str, raw: bytes, signature: bytes = b"") -> Handled:
        handled = super()._take(inbound, source, raw, signature)
        if not self._attacking and self._left and self._chance.random() < 0.5:
            self._attacking = True
            try:
                for sender, body, sequence in self._attack():
                    self._left -= 1
                    self._try(sender, body, sequence)
            finally:
                self._attacking = False
        return handled

    def _try(self, sender: str, body: Command, sequence: int) -> None:
        envelope = Envelope(
            message_id=f"attack-{self.attacks}",
            correlation_id="",
            causation_id="",
            sender=sender,
            sequence=sequence,
            occurred_us=self.now_us,
            body=body,
        )
        inbound = Inbound(sender=sender, sequence=sequence, digest=digest_of(body), body=body)
        handled = super()._take(inbound, "attack", encode(envelope))
        self.attacks += 1
        self.harmless += isinstance(handled.decision.reply, Refusal | Repeated)

    def _attack(self) -> list[tuple[str, Command, int]]:
        state = self.kernel.state
        attacks: list[tuple[str, Command, int]] = []
        for submitted in self.population.orders:
            if any(o.idempotency_key == submitted.command.idempotency_key for o in state.orders.values()):
                terms = submitted.command.terms
                attacks.append((submitted.customer, submitted.command, 0))
                attacks.append(
                    (
                        submitted.customer,
                        replace(submitted.command, terms=replace(terms, quantity=terms.quantity + 1)),
                        0,
                    )
                )
                break
        for contract in list(state.contracts.values())[-2:]:
            others = [name for name in sorted(self.companies) if name != contract.contract.participant]
            milestone: Milestone = self._chance.choice(("refused", "started", "finished", "confirmed"))
            forged = ReportMilestone(contract_id=contract.contract.id, milestone=milestone, at_us=self.now_us)
            attacks.append((self._chance.choice(others), forged, max(contract.reports, default=0) + 1))
        round_ = state.round
        if round_ is not None and round_.state != "open":
            for participant, answer in sorted(round_.answers.items()):
                if answer.sheet is not None and len(answer.sheet.bids):
                    attacks.append((participant, _cheaper(answer.sheet), answer.sequence + 1))
        return attacks


def _cheaper(sheet: BidSheet) -> BidSheet:
    """Return a sheet that would win everything, were it in time."""
    bids = sheet.bids
    free = (0,) * len(bids)
    return replace(sheet, bids=replace(bids, fixed_price_minor=free, unit_price_minor=free))
