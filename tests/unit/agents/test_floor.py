"""The shop floor against its plan: drawn from a seed, known when it begins, reported as it goes."""

from __future__ import annotations

from dataclasses import replace

from agents.profile import Disruption, Floor, PlantProfile, Shift, WorkCentre
from agents.roles.plant import PlantRole
from agents.shopfloor.floor import ShopFloor
from takt_sdk.model.capability import Capability
from takt_sdk.model.contract import Contract, ContractItem, ResourceUse, Shipment
from takt_sdk.model.execution import NotifyDisruption, ReportProgress
from takt_sdk.model.messages import ReportMilestone, RoundResult, Tick
from takt_sdk.model.values import DAY_US, HOUR_US, Window
from takt_sdk.role import Outgoing

START_US = 20_605 * DAY_US


def contract(number: int = 1) -> Contract:
    """Return ten pieces in eight hours of milling, promised for the first day."""
    return Contract(
        id=f"c-{number}",
        order_id="o-1",
        round_id="r-1",
        participant="mill-a",
        bid_id="b",
        site="bonn",
        items=(ContractItem(lot_id="o-1.mill", quantity=10),),
        payment_minor=100,
        start_us=START_US,
        end_us=START_US + DAY_US,
        uses=(ResourceUse(resource="w", period=0, amount=480),),
        shipments=(
            Shipment(
                arc_id="o-1.0",
                to_site="bonn",
                to_contract=None,
                quantity=10,
                transit_minutes=0,
                cost_minor=0,
                emissions_g=0,
            ),
        ),
    )


def floor(**changes: int) -> ShopFloor:
    made = Floor(seed=7, from_us=START_US, until_us=START_US + 400 * DAY_US)
    return ShopFloor(replace(made, **changes), "mill-a", ("w", "v"))


def test_without_figures_work_goes_by_plan() -> None:
    shop = floor()
    assert shop.ends_us(contract()) == contract().end_us
    assert shop.scrapped(contract()) == 0
    assert shop.breakdowns() == shop.maintenance() == ()


def test_the_same_seed_gives_the_same_floor_and_another_one_another() -> None:
    figures = {"cycle_spread_ppm": 200_000, "mtbf_us": 100 * HOUR_US, "mttr_us": 8 * HOUR_US}
    ends = [floor(**figures).ends_us(contract(n)) for n in range(20)]
    assert ends == [floor(**figures).ends_us(contract(n)) for n in range(20)]
    assert ends != [floor(**{**figures, "seed": 8}).ends_us(contract(n)) for n in range(20)]
    assert floor(**figures).breakdowns() == floor(**figures).breakdowns()


def test_cycle_times_spread_around_the_plan_within_their_bound() -> None:
    shop = floor(cycle_spread_ppm=250_000)
    late = [shop.ends_us(contract(n)) - contract().end_us for n in range(300)]
    assert -2 * HOUR_US <= min(late) < -HOUR_US < HOUR_US < max(late) <= 2 * HOUR_US
    assert abs(sum(late)) < 300 * HOUR_US // 4


def test_breakdowns_come_and_go_in_their_mean_times() -> None:
    shop = floor(mtbf_us=100 * HOUR_US, mttr_us=10 * HOUR_US)
    found = [one for one in shop.breakdowns() if one.resource == "w"]
    down_us = sum(one.window.end_us - one.window.start_us for one in found)
    assert 60 <= len(found) <= 120, "9,600 hours at one in 110"
    assert 6 <= down_us / len(found) / HOUR_US <= 14


def test_pieces_that_are_scrapped_are_made_again_and_take_their_time() -> None:
    shop = floor(scrap_ppm=200_000)
    many = [shop.scrapped(contract(n)) for n in range(200)]
    assert 1.5 <= sum(many) / len(many) <= 2.5
    number = many.index(3)
    work_us = 8 * HOUR_US
    assert shop.ends_us(contract(number)) == contract().end_us + work_us * 3 // 10


def test_a_breakdown_moves_the_end_of_the_work_in_it_once_it_has_begun() -> None:
    shop = floor()
    shop.stop("v", Window(start_us=START_US, end_us=START_US + DAY_US))
    assert shop.ends_us(contract()) == contract().end_us
    shop.stop("w", Window(start_us=START_US + 4 * HOUR_US, end_us=START_US + 10 * HOUR_US))
    assert shop.ends_us(contract()) == contract().end_us + 6 * HOUR_US


# --- the plant -------------------------------------------------------------------------------


def plant(**figures: int) -> PlantRole:
    down = Window(start_us=START_US + 12 * HOUR_US, end_us=START_US + 18 * HOUR_US)
    return PlantRole(
        PlantProfile(
            participant="mill-a",
            site="bonn",
            work_centres=(
                WorkCentre(
                    id="w",
                    capabilities=(Capability(process="milling", materials=("any",)),),
                    shifts=(Shift(start_minute=0, end_minute=1440, weekdays=(0, 1, 2, 3, 4, 5, 6)),),
                    rate_minor_per_hour=100,
                ),
            ),
            disruptions=(Disruption(resource="w", window=down),),
            floor=replace(Floor(report_every_us=6 * HOUR_US), **figures),
        )
    )


def at(role: PlantRole, hours: float) -> tuple[Outgoing, ...]:
    now_us = START_US + int(hours * HOUR_US)
    return role.handle(Tick(now_us=now_us), now_us)


def awarded() -> PlantRole:
    role = plant()
    result = RoundResult(round_id="r-1", participant="mill-a", awards=(contract(),), rejected=())
    out = role.handle(result, START_US)
    assert [o.body.milestone for o in out if isinstance(o.body, ReportMilestone)] == ["confirmed", "started"]
    return role


def test_a_plant_reports_its_work_its_breakdown_and_its_repair() -> None:
    role = awarded()
    (first,) = at(role, 6.5)
    assert isinstance(first.body, ReportProgress)
    assert (first.body.done, first.body.at_us) == (2, START_US + 6 * HOUR_US)
    assert first.body.expected_end_us == contract().end_us
    assert at(role, 7) == (), "once per time to report"
    down, second = at(role, 12.5)
    assert isinstance(down.body, NotifyDisruption)
    assert (down.body.cause, down.body.status) == ("breakdown", "open")
    assert isinstance(second.body, ReportProgress)
    assert second.body.expected_end_us == contract().end_us + 6 * HOUR_US
    repaired, _ = at(role, 18)
    assert isinstance(repaired.body, NotifyDisruption)
    assert (repaired.body.status, repaired.body.source_id) == ("resolved", down.body.notice_id)


def test_what_is_late_is_finished_late() -> None:
    role = awarded()
    at(role, 13)
    assert not [o for o in at(role, 24.5) if isinstance(o.body, ReportMilestone)]
    done = [o.body for o in at(role, 30) if isinstance(o.body, ReportMilestone)]
    assert [(body.milestone, body.at_us) for body in done] == [
        (name, contract().end_us + 6 * HOUR_US) for name in ("finished", "shipped", "delivered")
    ]


def test_a_plant_that_lost_its_memory_sees_the_same_floor() -> None:
    role, again = awarded(), awarded()
    at(role, 6.5)
    (first,) = at(again, 6.5)
    (once_more,) = (o for o in at(awarded(), 6.9) if isinstance(o.body, ReportProgress))
    assert first.body == once_more.body
