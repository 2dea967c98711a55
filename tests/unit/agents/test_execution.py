from __future__ import annotations

from dataclasses import replace

from takt_sdk.execution import Execution
from takt_sdk.model.contract import Contract, ContractItem, ContractState, ResourceUse, Shipment
from takt_sdk.model.messages import ContractNotice, ContractStatus, ReportMilestone
from takt_sdk.model.values import MINUTE_US
from takt_sdk.role import Outgoing

LAST = Shipment(
    arc_id="a-2",
    to_site="berlin",
    to_contract=None,
    quantity=4,
    transit_minutes=10,
    cost_minor=1,
    emissions_g=1,
)
NEXT = replace(LAST, arc_id="a-1", to_site="lyon", to_contract="c-next", quantity=6, transit_minutes=99)


def contract(name: str = "c-1", start_us: int = 100, end_us: int = 200) -> Contract:
    return Contract(
        id=name,
        order_id="o-1",
        round_id="r-1",
        participant="acme",
        bid_id="b0",
        site="ulm",
        items=(ContractItem(lot_id="o-1.a", quantity=10),),
        payment_minor=1,
        start_us=start_us,
        end_us=end_us,
        uses=(ResourceUse(resource="mill", period=3, amount=60),),
        shipments=(NEXT, LAST),
    )


def notice(state: ContractState, name: str = "c-1") -> ContractNotice:
    return ContractNotice(contract_id=name, participant="acme", state=state, at_us=1)


class Shop:
    """Keeps what is booked, as a calendar would."""

    def __init__(self) -> None:
        self.minutes = 0
        self.execution = Execution(book=self.book)

    def book(self, booked: Contract, sign: int) -> None:
        self.minutes += sign * sum(use.amount for use in booked.uses)


def said(outgoing: tuple[Outgoing, ...]) -> list[tuple[str, str, int, int]]:
    reports = [out.body for out in outgoing if isinstance(out.body, ReportMilestone)]
    assert len(reports) == len(outgoing)
    return [(report.contract_id, report.milestone, report.at_us, report.quantity) for report in reports]


def test_quantities_are_those_of_the_work_the_shipments_and_the_last_one() -> None:
    shop = Shop()
    shop.execution.award([contract()])
    assert said(shop.execution.due(10**9)) == [
        ("c-1", "confirmed", 10**9, 0),
        ("c-1", "started", 100, 0),
        ("c-1", "finished", 200, 10),
        ("c-1", "shipped", 200, 10),
        ("c-1", "delivered", 200 + 10 * MINUTE_US, 4),
    ]
    assert shop.execution.next_due_us() is None
    assert shop.minutes == 0


def test_milestones_of_several_contracts_come_in_order_of_time_then_id() -> None:
    shop = Shop()
    shop.execution.award([contract("c-2"), contract("c-1"), contract("c-3", start_us=50)])
    shop.execution.due(1)
    assert shop.minutes == 180
    assert [name for name, _, _, _ in said(shop.execution.due(100))] == ["c-3", "c-1", "c-2"]


def test_a_contract_at_risk_is_not_started_but_one_that_runs_goes_on() -> None:
    shop = Shop()
    shop.execution.award([contract("c-1"), contract("c-2", start_us=10)])
    shop.execution.due(50)
    shop.execution.notice(notice("at_risk", "c-1"))
    shop.execution.notice(notice("at_risk", "c-2"))
    assert {name for name, _, _, _ in said(shop.execution.due(300))} == {"c-2"}
    shop.execution.notice(notice("confirmed", "c-1"))
    assert said(shop.execution.due(300))[0] == ("c-1", "started", 100, 0)


def test_what_is_ended_or_unknown_is_forgotten_and_frees_its_capacity_once() -> None:
    shop = Shop()
    shop.execution.award([contract()])
    shop.execution.notice(notice("ended"))
    shop.execution.notice(notice("ended"))
    shop.execution.notice(notice("settled", "c-9"))
    assert shop.minutes == 0
    assert shop.execution.due(10**9) == ()


def test_an_award_of_a_known_contract_replaces_it_and_keeps_its_milestones() -> None:
    shop = Shop()
    shop.execution.award([contract()])
    shop.execution.due(150)
    moved = replace(contract(end_us=400), uses=(ResourceUse(resource="mill", period=3, amount=90),))
    shop.execution.award([moved])
    assert shop.minutes == 90
    assert shop.execution.due(399) == ()
    assert [name for _, name, _, _ in said(shop.execution.due(400))] == ["finished", "shipped"]
    shop.execution.award([replace(moved, shipments=(replace(LAST, transit_minutes=20),))])
    assert shop.minutes == 0
    assert said(shop.execution.due(10**12)) == [("c-1", "delivered", 400 + 20 * MINUTE_US, 4)]


def test_goods_of_work_that_the_market_cut_off_leave_as_soon_as_they_are_told_where_to() -> None:
    shop = Shop()
    shop.execution.ends_us = lambda _: 10**9  # the floor would need for ever
    shop.execution.award([replace(contract(), shipments=())])
    shop.execution.due(150)
    shop.execution.notice(replace(notice("finished"), at_us=160))
    assert shop.execution.due(170) == ()
    shop.execution.amend(contract(), 180)
    last_us = 180 + LAST.transit_minutes * MINUTE_US
    shipped = [(name, at_us) for _, name, at_us, _ in said(shop.execution.due(last_us))]
    assert shipped == [("shipped", 180), ("delivered", last_us)]
    shop.execution.restore(
        [ContractStatus(contract=contract(), state="finished", report_sequence=2, ready_us=180)]
    )
    assert [(name, at_us) for _, name, at_us, _ in said(shop.execution.due(last_us))] == shipped


def test_what_the_market_says_replaces_what_was_known() -> None:
    shop = Shop()
    shop.execution.award([contract("c-1"), contract("c-2")])
    shop.execution.due(1)
    statuses = [
        ContractStatus(contract=contract("c-2"), state="finished", report_sequence=3),
        ContractStatus(contract=contract("c-3"), state="at_risk", report_sequence=1),
        ContractStatus(contract=contract("c-4"), state="ended", report_sequence=1),
        ContractStatus(contract=contract("c-5"), state="awarded", report_sequence=0),
    ]
    shop.execution.restore(statuses)
    assert shop.minutes == 120
    assert [(name, what) for name, what, _, _ in said(shop.execution.due(200))] == [
        ("c-5", "confirmed"),
        ("c-5", "started"),
        ("c-2", "shipped"),
        ("c-5", "finished"),
        ("c-5", "shipped"),
    ]
    assert shop.minutes == 60
