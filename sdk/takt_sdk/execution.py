"""The contracts of a company and the milestones that it owes the market for them.

Milestones of a contract come in one order, confirmed → started → finished → shipped → delivered,
at the contract's planned times. Knows no costs and no capacity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from takt_sdk.model.contract import Contract, ContractState
from takt_sdk.model.messages import ContractNotice, ContractStatus, Milestone, ReportMilestone
from takt_sdk.model.values import MAX_QUANTITY, MINUTE_US
from takt_sdk.role import Outgoing

MILESTONE_ORDER: tuple[Milestone, ...] = ("confirmed", "started", "finished", "shipped", "delivered")
CONFIRMED, STARTED, FINISHED, SHIPPED, DELIVERED = range(1, len(MILESTONE_ORDER) + 1)
STAGES: dict[ContractState, int] = {
    "awarded": 0,
    "confirmed": CONFIRMED,
    "in_production": STARTED,
    "finished": FINISHED,
    "shipped": SHIPPED,
    "delivered": DELIVERED,
}
"""How many milestones a contract in this state has behind it."""

Booking = Callable[[Contract, int], None]
"""Take (+1) or give back (-1) what a contract uses of the company's capacity."""


@dataclass(slots=True, kw_only=True)
class Running:
    """A contract and how many of its milestones are reported.

    ``halted`` says that the market has put it at risk: it must not be started. ``ready_us`` is since when its
    goods can leave, once they are finished: work may have ended early, or where they go was said later.
    """

    contract: Contract
    stage: int
    halted: bool = False
    ready_us: int | None = None


def due_us(contract: Contract, stage: int, end_us: int | None = None) -> int | None:
    """Return when the milestone after ``stage`` is due, or None if there is none.

    ``end_us`` is when the work ends, by default as planned.
    """
    end_us = contract.end_us if end_us is None else end_us
    if stage < FINISHED:
        return (0, contract.start_us, end_us)[stage]
    if stage == FINISHED:
        return end_us if contract.shipments else None
    if stage == SHIPPED:
        last = [s.transit_minutes for s in contract.shipments if s.to_contract is None]
        return end_us + max(last) * MINUTE_US if last else None
    return None


def _quantity(contract: Contract, stage: int) -> int:
    if stage < FINISHED:
        return 0
    made = min(MAX_QUANTITY, sum(item.quantity for item in contract.items))
    if stage == FINISHED:
        return made
    return min(made, sum(s.quantity for s in contract.shipments if stage == SHIPPED or s.to_contract is None))


@dataclass(slots=True, kw_only=True)
class Execution:
    """All contracts that are not over, and a queue of the milestones that are due.

    ``book`` is told of every contract from its award until its work is done. Where work uses up what it
    is booked on (``uses_up``: stock, unlike machine time) only a contract that ends early gives it back;
    ``spent`` are those that are settled. Without ``by_plan`` contracts are confirmed only, and the company
    reports the rest itself. ``ends_us`` says when the work on a contract ends as far as is known, by default
    as planned; `replan` after it changed.
    """

    book: Booking = field(compare=False, repr=False)
    uses_up: bool = False
    by_plan: bool = True
    ends_us: Callable[[Contract], int] | None = field(default=None, compare=False, repr=False)
    spent: dict[str, Contract] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    _queue: list[tuple[int, str]] = field(default_factory=list, compare=False, repr=False)

    def restore(self, statuses: Iterable[ContractStatus]) -> None:
        """Forget everything and take over what the market says."""
        for running in self.running.values():
            self._release(running)
        for contract in self.spent.values():
            self.book(contract, -1)
        self.running, self.spent = {}, {}
        self._queue = []
        for status in statuses:
            if status.state == "settled":
                self._spend(status.contract)
            if status.state in {"ended", "settled"}:
                continue
            halted = status.state == "at_risk"
            running = Running(
                contract=status.contract,
                stage=STAGES.get(status.state, CONFIRMED),
                halted=halted,
                ready_us=status.ready_us,
            )
            self.running[status.contract.id] = running
            if self._holds(running):
                self.book(running.contract, 1)
            self._enqueue(running)

    def award(self, contracts: Iterable[Contract]) -> None:
        """Take on contracts; one that is known is replaced, its milestones stand."""
        for contract in contracts:
            known = self.running.get(contract.id)
            if known is None:
                running = Running(contract=contract, stage=0)
                self.running[contract.id] = running
                self.book(contract, 1)
            else:
                running = known
                if self._holds(running):
                    self.book(running.contract, -1)
                    self.book(contract, 1)
                running.contract = contract
            self._enqueue(running)

    def amend(self, contract: Contract, at_us: int) -> None:
        """Take over new shipments of a contract that is not over, as said at ``at_us``."""
        running = self.running.get(contract.id)
        if running is not None:
            if running.ready_us is not None and running.stage == FINISHED:
                running.ready_us = max(running.ready_us, at_us)
            self.award((contract,))

    def notice(self, notice: ContractNotice) -> None:
        """Take a change of state that the market has made."""
        running = self.running.get(notice.contract_id)
        if running is None:
            return
        if notice.state in {"ended", "settled"}:
            self._release(running)
            if notice.state == "settled":
                self._spend(running.contract)
            del self.running[notice.contract_id]
        elif notice.state == "at_risk":
            running.halted = True
        else:
            running.halted = False
            reached = STAGES.get(notice.state, 0)
            if reached >= FINISHED > running.stage and not self.uses_up:
                self.book(running.contract, -1)
            if reached == FINISHED > running.stage:
                running.ready_us = notice.at_us
            running.stage = max(running.stage, reached)
            self._enqueue(running)

    def replan(self) -> None:
        """Take over that work ends at other times than it did."""
        for running in self.running.values():
            self._enqueue(running)

    def due(self, now_us: int) -> tuple[Outgoing, ...]:
        """Return the milestones due by ``now_us``, in order of their times (ties by contract id)."""
        reports: list[Outgoing] = []
        while self._queue and self._queue[0][0] <= now_us:
            at_us, contract_id = heappop(self._queue)
            running = self.running.get(contract_id)
            if running is None or at_us != self._due_us(running):
                continue
            if running.halted and running.stage < STARTED:
                continue
            running.stage += 1
            if running.stage == FINISHED:
                running.ready_us = at_us
                if not self.uses_up:
                    self.book(running.contract, -1)
            reports.append(_report(running, at_us if running.stage > CONFIRMED else now_us))
            self._enqueue(running)
        return tuple(reports)

    def next_due_us(self) -> int | None:
        """Return when the next milestone may be due, None if there is nothing to do."""
        return self._queue[0][0] if self._queue else None

    def _enqueue(self, running: Running) -> None:
        at_us = self._due_us(running)
        if at_us is not None and (self.by_plan or running.stage < CONFIRMED):
            heappush(self._queue, (at_us, running.contract.id))

    def _due_us(self, running: Running) -> int | None:
        end_us = running.ready_us
        if end_us is None and self.ends_us is not None:
            end_us = self.ends_us(running.contract)
        return due_us(running.contract, running.stage, end_us)

    def _holds(self, running: Running) -> bool:
        return self.uses_up or running.stage < FINISHED

    def _release(self, running: Running) -> None:
        if self._holds(running):
            self.book(running.contract, -1)

    def _spend(self, contract: Contract) -> None:
        if self.uses_up:
            self.book(contract, 1)
            self.spent[contract.id] = contract


def _report(running: Running, at_us: int) -> Outgoing:
    contract = running.contract
    return Outgoing(
        channel="report",
        correlation_id=contract.id,
        body=ReportMilestone(
            contract_id=contract.id,
            milestone=MILESTONE_ORDER[running.stage - 1],
            at_us=at_us,
            quantity=_quantity(contract, running.stage),
        ),
    )
