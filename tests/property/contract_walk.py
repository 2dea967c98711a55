"""A random walk through what follows an award: progress, disruptions, changes, approval, money, appeals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from market.engine.admission import HOST, OPERATOR
from market.model.contract_commands import ApproveReallocation, NoteSilence, RecordPayment, ResolveAppeal
from market.model.contract_rules import ContractRules
from market.service.kernel import Handled
from takt_sdk.model.execution import (
    AcceptChange,
    AppealScore,
    NotifyDisruption,
    ReportProgress,
    RequestChange,
)
from takt_sdk.model.order import Lot
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import DAY_US, HOUR_US, Window
from tests.property.engine_walk import MAX_STEPS, Walk
from tests.unit.market.engine.market import RULES, START_US, Market


class ContractWalk(Walk):
    """`Walk` under rules that act, and with everything that can be said after an award."""

    def __init__(self, numbers: Sequence[int], watch: Callable[[Walk, Handled], None] | None = None) -> None:
        super().__init__(numbers, watch)
        among = self.choose.among
        rules = ContractRules(
            cancel_awarded_ppm=among((0, 20_000)),
            cancel_confirmed_ppm=100_000,
            cancel_begun_ppm=300_000,
            breach_ppm=50_000,
            breakdown_ppm=among((0, 20_000)),
            penalty_cap_ppm=200_000,
            on_account_ppm=among((0, 300_000)),
            tolerance_us=among((None, 0, 6 * HOUR_US)),
            recall_at_once=among((False, True)),
            release_after=among((0, 1, 2)),
            preempt_after=among((0, 1)),
            approve_above_minor=among((None, None, 200)),
            reliability_weight_ppm=among((0, 1_000_000)),
            probation_contracts=among((0, 2)),
            probation_value_minor=1_000,
            backups=among((0, 2)),
            keep_late=among((False, True)),
            pay_moved=among((False, True)),
        )
        self.market = Market(rules=replace(RULES, fee_ppm=among((0, 10_000)), contracts=rules))
        self.notices = 0

    def sheet(self, participant: str, round_id: str, lots: list[Lot]) -> BidSheet:
        answer = super().sheet(participant, round_id, lots)
        return replace(answer, stands_by=self.choose.among((True, False)))

    def run(self) -> Market:
        steps: tuple[Callable[[], None], ...] = (
            *(self.answer_all, self.publish) * 4,
            *(self.report_all, self.pass_time) * 3,
            *(self.order, self.progress, self.notify, self.change) * 2,
            *(self.lose, self.report, self.bid, self.solve, self.cancel, self.break_down),
            *(
                self.be_silent,
                self.close_lane,
                self.approve,
                self.appeal,
                self.pay,
                self.repeat,
                self.restart,
            ),
        )
        for _ in range(MAX_STEPS):
            steps[self.choose.below(len(steps))]()
            if self.choose.spent:
                break
        return self.market

    def _contract(self, *states: str) -> str | None:
        known = self.market.state.contracts
        found = sorted(id_ for id_, record in known.items() if record.state in states)
        return self.choose.among(found) if found else None

    def _order(self) -> str | None:
        orders = sorted(self.market.state.orders)
        return self.choose.among(orders) if orders else None

    def _notice(self) -> str:
        self.notices += 1
        return f"w-{self.notices}"

    def progress(self) -> None:
        id_ = self._contract("in_production")
        if id_ is None:
            return
        known = self.market.state.contracts[id_]
        item = self.choose.among(known.contract.items)
        body = ReportProgress(
            contract_id=id_,
            lot_id=item.lot_id,
            done=item.quantity * self.choose.below(5) // 4,
            scrapped=self.choose.below(3),
            at_us=self.market.now_us,
            expected_end_us=known.contract.end_us + self.choose.among((0, 0, DAY_US, 30 * DAY_US)),
            confidence_ppm=self.choose.among((1_000_000, 500_000, 0)),
        )
        self.say(known.contract.participant, body, max(known.reports, default=0) + 1)

    def notify(self) -> None:
        start_us = self.market.now_us + self.choose.among((0, DAY_US))
        body = NotifyDisruption(
            notice_id=self._notice(),
            cause="breakdown",
            effect="capacity_reduction",
            resource="w",
            window=Window(start_us=start_us, end_us=start_us + self.choose.among((1, 10)) * DAY_US),
        )
        self.say(self.choose.among(("mill-a", "mill-b", "steel-s", "ada")), body)

    def close_lane(self) -> None:
        lanes = self.market.state.network.lanes
        opened = [
            id_ for id_, known in self.market.state.contracting.disruptions.items()
            if known.lane is not None and known.resolved_us is None and known.notice.status == "open"
        ]  # fmt: skip
        if opened and self.choose.below(2):
            body = NotifyDisruption(
                notice_id=self._notice(),
                cause="logistics",
                effect="lane_closed",
                status="resolved",
                source_id=self.choose.among(sorted(opened)),
            )
        elif lanes:
            lane = self.choose.among(lanes)
            body = NotifyDisruption(
                notice_id=self._notice(),
                cause="logistics",
                effect=self.choose.among(("lane_closed", "lane_slower")),
                lane_source=lane.source,
                lane_target=lane.target,
                transit_minutes=10_000,
            )
        else:
            return
        self.say(OPERATOR, body)

    def be_silent(self) -> None:
        name = self.choose.among(("mill-a", "mill-b", "steel-s"))
        silent = name not in self.market.state.contracting.silent
        self.notices += 1
        heard_us = self.market.now_us - self.notices
        self.say(HOST, NoteSilence(participant=name, last_heard_us=heard_us, silent=silent))

    def change(self) -> None:
        id_ = self._order()
        if id_ is None:
            return
        record = self.market.state.orders[id_]
        customer = record.order.customer
        quotes = sorted(self.market.state.contracting.quotes.get(id_, ()))
        if quotes and self.choose.below(3):
            self.say(customer, AcceptChange(order_id=id_, quote_id=self.choose.among(quotes)))
            return
        what = self.choose.below(3)
        moved_us = max(START_US, record.order.terms.due_us + self.choose.among((-3, 3)) * DAY_US)
        self.say(
            customer,
            RequestChange(
                order_id=id_,
                cancel=what == 0,
                quantity=self.choose.among((1, 3, 5, 12)) if what == 1 else None,
                due_us=moved_us if what == 2 else None,
            ),
        )

    def approve(self) -> None:
        id_ = self._order()
        if id_ is not None:
            self.say(OPERATOR, ApproveReallocation(order_id=id_, approve=self.choose.below(3) > 0))

    def appeal(self) -> None:
        id_ = self._contract("ended", "settled", "finished")
        if id_ is None:
            return
        participant = self.market.state.contracts[id_].contract.participant
        self.say(participant, AppealScore(contract_id=id_, reason="x"))
        self.say(OPERATOR, ResolveAppeal(contract_id=id_, upheld=self.choose.below(2) == 0))

    def pay(self) -> None:
        name = self.choose.among(("ada", "bob", "mill-a"))
        amount = self.choose.among((100, -50))
        self.say(
            OPERATOR,
            RecordPayment(participant=name, amount_minor=amount, reference=f"r{self.choose.below(5)}"),
        )
