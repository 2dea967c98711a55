"""A random walk through the market: every command, valid or not, in any order, with the real clearing.

Choices come from a list of integers, so that a failing walk shrinks to a short one. The solver works on
a snapshot outside the writer: other messages come between the close and its decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar, get_args

from market.engine.admission import HOST, OPERATOR
from market.engine.decision import Accepted, Repeated
from market.engine.transitions import UNSTARTED
from market.model.commands import (
    AdmitParticipant,
    ChangeRules,
    Command,
    ReinstateParticipant,
    ReportClearing,
    SuspendParticipant,
)
from market.service.kernel import Handled
from takt_sdk.model.capability import Capability, Qualification
from takt_sdk.model.messages import DeclineCall, Milestone
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US
from tests.simulation.invariants import Invariants
from tests.unit.market.engine.market import (
    CHAIN,
    MILL,
    START_US,
    Market,
    Offer,
    breakdown,
    cancellation,
    milestone_of,
    sheet,
    submission,
)

MAX_STEPS = 120
_T = TypeVar("_T")
USUAL: dict[str, Milestone] = {
    "awarded": "confirmed",
    "confirmed": "started",
    "in_production": "finished",
    "finished": "shipped",
    "shipped": "delivered",
}
"""What a contract's participant reports next."""


class Choices:
    """Numbers that decide a walk, one after the other; 0 when they run out."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = iter(numbers)
        self.spent = False

    def below(self, limit: int) -> int:
        number = next(self._numbers, None)
        if number is None:
            self.spent = True
            return 0
        return number % limit

    def among(self, options: Sequence[_T]) -> _T:
        return options[self.below(len(options))]


class Walk:
    """One walk; ``watch`` is called after every message that was stored."""

    def __init__(self, numbers: Sequence[int], watch: Callable[[Walk, Handled], None] | None = None) -> None:
        self.choose = Choices(numbers)
        self.market = Market()
        self.invariants = Invariants()
        self.watch = watch
        self.sent: list[tuple[str, Command, int]] = []
        self.solved: ReportClearing | None = None
        self.orders = 0

    def run(self) -> Market:
        steps: tuple[Callable[[], None], ...] = (
            *(self.answer_all, self.publish) * 4,
            *(self.report_all, self.pass_time) * 3,
            self.lose,
            *(self.order, self.bid, self.report) * 2,
            *(self.solve, self.cancel, self.break_down, self.operate, self.repeat, self.restart),
        )
        for _ in range(MAX_STEPS):
            steps[self.choose.below(len(steps))]()
            if self.choose.spent:
                break
        return self.market

    # --- steps -------------------------------------------------------------------------------

    def say(self, sender: str, body: Command, sequence: int = 0) -> None:
        """Send a message and check that what must hold still does, whatever is answered."""
        handled = self.market.handle(sender, body, sequence=sequence)
        self.sent.append((sender, body, sequence))
        if isinstance(handled.decision.reply, Accepted | Repeated) and sender != OPERATOR:
            self.invariants.acknowledge(sender, sequence, body, handled.position)
        self.invariants.check(self.market.state, self.market.journal)
        if self.watch is not None:
            self.watch(self, handled)

    def order(self) -> None:
        self.orders += 1
        customer = self.choose.among(("ada", "bob"))
        due = self.choose.among((20, 10, 4, 1))
        self.say(
            customer,
            submission(
                f"o{self.orders}",
                plan=self.choose.among((CHAIN, CHAIN, MILL)),
                quantity=self.choose.among((1, 6, 10)),
                destination=self.choose.among(("bonn", "lyon")),
                due_us=self.market.now_us + due * DAY_US,
                deadline_us=self.market.now_us + (due + self.choose.among((0, 1, 5))) * DAY_US,
                release_us=self.market.now_us,
                reservation_value_minor=self.choose.among((10_000, 10_000, 1_000)),
                lateness_penalty_minor_per_day=self.choose.among((0, 50)),
                partial=self.choose.among((False, True)),
                max_suppliers=self.choose.among((None, 1, 2)),
                good_for_takts=self.choose.among((1, 2, 5)),
            ),
        )

    def answer_all(self) -> None:
        """Let everybody who is called bid on everything, as bidders do."""
        state = self.market.state
        round_ = state.round
        if round_ is None or round_.state != "open":
            self.pass_time()
            return
        for participant in sorted(set(round_.eligible) - set(round_.answers)):
            lots = [round_.lots[index] for index in round_.eligible[participant]]
            self.say(participant, self.sheet(participant, round_.id, lots), 1)

    def report_all(self) -> None:
        """Let every contract take its next step."""
        for contract_id in sorted(self.market.state.contracts):
            known = self.market.state.contracts[contract_id]
            if known.state in USUAL:
                body = milestone_of(known, USUAL[known.state], self.market.now_us)
                self.say(known.contract.participant, body, max(known.reports, default=0) + 1)

    def lose(self) -> None:
        """Let a participant refuse a contract that it has not begun."""
        contracts = self.market.state.contracts
        unstarted = sorted(id_ for id_, known in contracts.items() if known.state in UNSTARTED)
        if unstarted:
            known = contracts[self.choose.among(unstarted)]
            body = milestone_of(known, "refused", self.market.now_us)
            self.say(known.contract.participant, body, max(known.reports, default=0) + 1)

    def bid(self) -> None:
        state = self.market.state
        if not state.rounds:
            return
        round_ = self.market.round
        if not round_.eligible:
            return
        participant = self.choose.among(sorted(round_.eligible))
        sequence = len(round_.received.get(participant, {})) + self.choose.among((1, 1, 1, 0, 3))
        lots = [round_.lots[index] for index in round_.eligible[participant]] if round_.lots else []
        if self.choose.below(8) == 0 or not lots:
            self.say(participant, DeclineCall(round_id=round_.id, code="other"), sequence)
        else:
            self.say(participant, self.sheet(participant, round_.id, lots), sequence)

    def sheet(self, participant: str, round_id: str, lots: list[Lot]) -> BidSheet:
        offers: dict[str, Offer] = {}
        for index, lot in enumerate(lots):
            for copy in range(self.choose.among((1, 1, 2, 0))):
                room_us = lot.latest_end_us - lot.earliest_start_us
                way_us = min(room_us // 3, self.choose.among((0, HOUR_US, 3 * HOUR_US)))
                start = (lot.earliest_start_us + way_us - START_US) / DAY_US
                length = (room_us - 2 * way_us) / DAY_US
                share = self.choose.among((1, 0.5))
                period = max(0, int(start))
                divisible = self.choose.below(3) == 0
                offers[f"b{index}.{copy}"] = Offer(
                    lots={lot.id: lot.quantity if share == 1 else max(1, lot.quantity // 2)},
                    price=self.choose.among((50, 150, 300, 1_200)),
                    unit=self.choose.among((0, 3)),
                    least=1 if divisible else 0,
                    days=(start, start + max(length * share, 2e-11 + 1e-7)),
                    uses=(("w", period, 10, 1 if divisible else 0),),
                    groups=self.choose.among(((), ("g",), ("x",))),
                    emissions_g=self.choose.among((0, 1_000)),
                )
        site = self.market.state.participants[participant].admission.sites[0]
        wanted = {("w", use[1]) for offer in offers.values() for use in offer.uses}
        return sheet(
            round_id,
            offers,
            site=site,
            capacity=dict.fromkeys(sorted(wanted), self.choose.among((480, 480, 25))),
            groups={"g": (None, 70), "x": (1, 0)},
        )

    def report(self) -> None:
        contracts = sorted(self.market.state.contracts)
        if not contracts:
            return
        known = self.market.state.contracts[self.choose.among(contracts)]
        milestone = USUAL.get(known.state, "delayed")
        if self.choose.below(6) == 0:
            milestone = self.choose.among(get_args(Milestone))
        late = self.choose.among((None, None, None, DAY_US, 30 * DAY_US))
        body = milestone_of(
            known,
            milestone,
            self.market.now_us,
            expected_end_us=None if late is None else known.contract.end_us + late,
        )
        sequence = max(known.reports, default=0) + self.choose.among((1, 1, 1, 1, 0))
        self.say(known.contract.participant, body, sequence)

    def pass_time(self) -> None:
        market = self.market
        if self.choose.below(2) and market.state.rounds:
            market.now_us = max(market.now_us, market.round.deadline_us)
        else:
            market.now_us += self.choose.among((MINUTE_US, HOUR_US, 2 * HOUR_US, 6 * HOUR_US, DAY_US))
        market.tick()
        self.invariants.check(market.state, market.journal)

    def solve(self) -> None:
        round_ = self.market.state.round
        if round_ is not None and round_.state == "clearing":
            _, self.solved = self.market.solve()

    def publish(self) -> None:
        if self.solved is None:
            self.solve()
        if self.solved is not None:
            round_ = self.market.state.round
            waiting = round_ is not None and round_.id == self.solved.round_id
            handled = self.market.handle(HOST, self.solved)
            self.invariants.check(self.market.state, self.market.journal)
            if waiting:
                assert isinstance(handled.decision.reply, Accepted), handled.decision.reply
            self.solved = None

    def cancel(self) -> None:
        orders = sorted(self.market.state.orders)
        if orders and self.choose.below(3) == 0:
            self.say(self.choose.among(("ada", "bob")), cancellation(self.choose.among(orders)))

    def break_down(self) -> None:
        first = (self.market.now_us - START_US) / DAY_US
        participant = self.choose.among(("mill-a", "mill-b", "steel-s"))
        notice = f"n{self.choose.below(4)}"
        self.say(participant, breakdown("w", (first, first + self.choose.among((1, 5, 30))), notice))

    def operate(self) -> None:
        state = self.market.state
        participant = self.choose.among(sorted(state.participants))
        known = state.participants[participant].admission
        able = Qualification(capabilities=(Capability(process="milling", materials=("any",)),))
        bodies: tuple[Command, ...] = (
            SuspendParticipant(participant=participant),
            ReinstateParticipant(participant=participant),
            known,
            replace(known, qualification=able),
            AdmitParticipant(participant="newcomer", roles=("plant",), sites=("lyon",), qualification=able),
            ChangeRules(rules=replace(state.rules, version=state.rules.version + 1, fee_ppm=20_000)),
        )
        self.say(OPERATOR, self.choose.among(bodies))

    def repeat(self) -> None:
        """Send an earlier message again: it must not have its effect twice."""
        if not self.sent:
            return
        sender, body, sequence = self.choose.among(self.sent)
        size = self.market.state.size
        handled = self.market.handle(sender, body, sequence=sequence)
        if isinstance(handled.decision.reply, Repeated):
            assert self.market.state.size == size
        self.invariants.check(self.market.state, self.market.journal)

    def restart(self) -> None:
        self.market.restart()
        self.invariants.check(self.market.state, self.market.journal)
