"""A simulation whose every step is held against the invariants."""

from __future__ import annotations

from market.adapters.codec import decode_envelope
from market.adapters.manual_clock import ManualClock
from market.ports import Request
from scenarios.faults import NO_FAULTS, Faults
from scenarios.population import Population
from scenarios.simulator import Simulation
from takt_sdk.codec import decode_reply
from takt_sdk.model.messages import Receipt
from tests.simulation.invariants import Invariants, require, rows_of


class Watched(Simulation):
    """Checks what must hold after every step, and at the end that everything came to an end."""

    def __init__(
        self,
        population: Population,
        *,
        faults: Faults = NO_FAULTS,
        fault_seed: int = 0,
        check_every_step: bool = True,
    ) -> None:
        self.invariants = Invariants()
        super().__init__(
            population,
            stopwatch=ManualClock(population.start_us),
            faults=faults,
            fault_seed=fault_seed,
            watch=(lambda _: self.check()) if check_every_step else None,
        )

    def check(self) -> None:
        """Raise `Violation` if something does not hold now."""
        self.invariants.check(self.kernel.state, self.journal)

    def finish(self) -> None:
        """Run to the end; raise `Violation` if something did not hold on the way or does not in the end."""
        self.run()
        self.check()
        state = self.kernel.state
        self.invariants.check_receipts(self.journal)
        self.invariants.check_capacity_over_rounds()
        for submitted in self.population.orders:
            key = submitted.command.idempotency_key
            require(any(o.idempotency_key == key for o in state.orders.values()), f"order {key} is lost")
        unfinished = [f"{o.order.id} {o.state}" for o in state.orders.values() if o.is_open]
        require(not unfinished, f"not over at the horizon: {unfinished}")
        waiting = [(message.participant, message.channel) for message in self.journal.open_outbox()]
        require(not waiting, f"messages never delivered: {waiting}")
        rebuilt = {(row.model, row.key): (row.tenant, row.status, row.document) for row in self.kernel.rows()}
        require(rows_of(self.journal) == rebuilt, "the read models are not what a rebuild gives")

    def _request(self, request: Request) -> bytes:
        reply = super()._request(request)
        said = decode_reply(reply)
        if isinstance(said, Receipt):
            envelope = decode_envelope(request.body)
            self.invariants.acknowledge(request.participant, envelope.sequence, envelope.body, said.position)
        return reply
