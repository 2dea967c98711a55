"""Plans in order, and an order's dates sliced over its lots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.model.order import Order, expand, order_id
from takt_sdk.model.capability import Requirement
from takt_sdk.model.errors import OutOfRangeError
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.values import DAY_US, HOUR_US, MAX_QUANTITY, MINUTE_US

STEEL = Requirement(process="supply", material="steel")


def made(
    plan: ProcessPlan, *, days: int = 10, quantity: int = 10, transit_us: int = HOUR_US, **terms: object
) -> Order:
    fields: dict[str, object] = {
        "quantity": quantity,
        "destination": "bonn",
        "release_us": DAY_US,
        "due_us": DAY_US + days * DAY_US,
        "deadline_us": DAY_US + days * DAY_US,
        "reservation_value_minor": 1,
    }
    return expand(
        order_id="o-1",
        customer="ada",
        part_id="part",
        plan=plan,
        terms=OrderTerms(**(fields | terms)),  # type: ignore[arg-type]
        transit_us=transit_us,
    )


def lot(name: str, minutes: int = 0, per_piece: int = 1) -> PlannedLot:
    return PlannedLot(
        id=name,
        kind="operation",
        requirement=STEEL,
        quantity_per_piece=per_piece,
        run_time_us=minutes * MINUTE_US,
    )


def plan(lots: tuple[PlannedLot, ...], *arcs: str) -> ProcessPlan:
    return ProcessPlan(lots=lots, arcs=tuple(PlannedArc(source=arc[0], target=arc[1]) for arc in arcs))


DIAMOND = plan((lot("d"), lot("b", 10), lot("c", 30), lot("a", 5, 2)), "ab", "ac", "bd", "cd")


def test_lots_stand_in_an_order_in_which_each_follows_what_flows_into_it() -> None:
    assert DIAMOND.topological_order == ("a", "b", "c", "d")
    assert DIAMOND.final_lot == "d"
    assert plan((lot("a"),)).final_lot == "a"


def test_a_plan_is_multiplied_into_lots_and_arcs() -> None:
    order = made(DIAMOND)
    assert [(one.id, one.quantity) for one in order.lots] == [
        ("o-1.d", 10), ("o-1.b", 10), ("o-1.c", 10), ("o-1.a", 20)
    ]  # fmt: skip
    assert {one.id: one.inputs for one in order.lots}["o-1.d"] == ("o-1.b", "o-1.c")
    assert [(arc.id, arc.source, arc.target) for arc in order.arcs] == [
        ("o-1.0", "o-1.a", "o-1.b"),
        ("o-1.1", "o-1.a", "o-1.c"),
        ("o-1.2", "o-1.b", "o-1.d"),
        ("o-1.3", "o-1.c", "o-1.d"),
        ("o-1.4", "o-1.d", None),
    ]


def test_dates_are_shared_in_proportion_to_estimated_times() -> None:
    order = made(plan((lot("a", 60), lot("b", 180)), "ab"), quantity=1, days=4, transit_us=0)
    first, second = order.lots
    assert first.earliest_start_us == DAY_US
    assert abs(first.latest_end_us - 2 * DAY_US) < 100
    assert abs(second.earliest_start_us - 2 * DAY_US) < 100
    assert second.latest_end_us == 5 * DAY_US


def test_transit_is_reserved_after_each_lot() -> None:
    first, second = made(plan((lot("a", 60), lot("b", 60)), "ab"), quantity=1, days=4).lots
    assert second.earliest_start_us - first.latest_end_us >= HOUR_US
    assert second.latest_end_us <= 5 * DAY_US - HOUR_US


def test_certificates_of_the_order_are_required_of_every_lot() -> None:
    order = made(DIAMOND, certificates=("iso", "en"))
    assert {one.requirement.certificates for one in order.lots} == {("en", "iso")}


def test_a_lot_that_would_be_too_large_is_named() -> None:
    with pytest.raises(OutOfRangeError) as caught:
        made(plan((lot("a", 0, 2**20),)), quantity=2**12)
    assert (caught.value.field, caught.value.value) == ("quantity", 2**12)
    assert "lot a would need 4294967296 units" in str(caught.value)
    assert made(plan((lot("a", 0, 1),)), quantity=MAX_QUANTITY).lots[0].quantity == MAX_QUANTITY


@given(
    minutes=st.lists(st.integers(0, 10_000), min_size=4, max_size=4),
    quantity=st.integers(1, 10_000),
    span_us=st.integers(1, 400 * DAY_US),
    transit_us=st.integers(0, 3 * DAY_US),
)
def test_every_slice_is_a_window_and_slices_of_a_chain_follow_each_other(
    minutes: list[int], quantity: int, span_us: int, transit_us: int
) -> None:
    lots = tuple(lot(name, run) for name, run in zip("abcd", minutes, strict=True))
    diamond = plan(lots, "ab", "ac", "bd", "cd")
    order = made(
        diamond,
        quantity=quantity,
        transit_us=transit_us,
        due_us=DAY_US + span_us,
        deadline_us=DAY_US + span_us,
    )
    slices = {one.id: one for one in order.lots}
    for one in order.lots:
        assert DAY_US <= one.earliest_start_us < one.latest_end_us <= DAY_US + span_us + 1
    for arc in order.arcs:
        if arc.target is not None:
            # One microsecond: a slice is never empty, even where there is no time for one.
            assert slices[arc.source].latest_end_us <= slices[arc.target].earliest_start_us + 1


def test_an_orders_id_follows_from_its_content() -> None:
    one = order_id("m", "ada", "k1", "")
    assert one == order_id("m", "ada", "k1", "")
    others = {order_id("m", "ada", "k2", ""), order_id("m", "bob", "k1", ""), order_id("n", "ada", "k1", "")}
    assert len(others | {one, order_id("m", "ada", "k1", "salt")}) == 5
