"""Customers' commands: what is taken, what is refused and why, what a retry and a cancellation do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from market.engine.decision import Repeated
from market.model.commands import SuspendParticipant
from takt_sdk.model.capability import WorkEnvelope
from takt_sdk.model.messages import PublishPart
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import Document, Part, PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.values import DAY_US
from tests.unit.market.engine.market import (
    CHAIN,
    MILL,
    MILLING,
    RULES,
    START_US,
    STEEL,
    Market,
    Offer,
    cancellation,
    submission,
)

SECRETLY_LARGE = 10**12 + 1
SHA = "ab" * 32


@pytest.mark.parametrize(
    ("changes", "code", "field", "value"),
    [
        ({"destination": "atlantis"}, "unknown", "terms.destination", "atlantis"),
        ({"due_us": START_US + 1, "release_us": START_US}, None, "", ""),
        ({"due_us": START_US, "release_us": 0}, "dates", "terms.due_us", str(START_US)),
        (
            {"reservation_value_minor": SECRETLY_LARGE},
            "limit",
            "terms.reservation_value_minor",
            str(SECRETLY_LARGE),
        ),
        (
            {"lateness_penalty_minor_per_day": SECRETLY_LARGE},
            "limit",
            "terms.lateness_penalty_minor_per_day",
            str(SECRETLY_LARGE),
        ),
        (
            {"deadline_us": START_US + 1101 * DAY_US},
            "dates",
            "terms.deadline_us",
            str(START_US + 1101 * DAY_US),
        ),
    ],
)
def test_terms_are_held_against_market_and_rules(
    changes: dict[str, Any], code: str | None, field: str, value: str
) -> None:
    market = Market()
    if code is None:
        market.accept("ada", submission(**changes))
        return
    refusal = market.refuse("ada", submission(**changes))
    assert (refusal.code, refusal.field, refusal.value) == (code, field, value)


@pytest.mark.parametrize("sender", ["mill-a", "steel-s"])
def test_only_customers_order(sender: str) -> None:
    refusal = Market().refuse(sender, submission())
    assert (refusal.code, refusal.field, refusal.value) == ("not_allowed", "sender", sender)


def test_a_stranger_is_not_admitted() -> None:
    refusal = Market().refuse("nobody", submission())
    assert (refusal.code, refusal.detail) == ("not_allowed", "not admitted to this market")


def test_a_suspended_customer_orders_nothing_new_but_its_retries_are_known() -> None:
    market = Market()
    market.order("o1")
    market.accept("operator", SuspendParticipant(participant="ada"))
    assert isinstance(market.reply("ada", submission("o1")), Repeated)
    refusal = market.refuse("ada", submission("o2"))
    assert (refusal.code, refusal.state) == ("not_allowed", "suspended")


def test_a_part_is_named_from_ones_own_catalogue_only() -> None:
    market = Market()
    part = Part(id="part", name="A part", plan=MILL, documents=(Document(sha256=SHA, name="drawing"),))
    refusal = market.refuse("ada", submission(plan=None))
    assert (refusal.code, refusal.field, refusal.value) == ("unknown", "part_id", "part")
    market.accept("bob", PublishPart(part=part))
    assert market.refuse("ada", submission(plan=None)).code == "unknown"
    market.accept("bob", submission(plan=None))
    assert market.order_of("o1").order.documents == part.documents


def test_a_part_is_replaced_and_the_same_part_again_is_a_retry() -> None:
    market = Market()
    part = Part(id="part", name="A part", plan=MILL)
    first = market.accept("ada", PublishPart(part=part))
    again = market.reply("ada", PublishPart(part=part))
    assert again == Repeated(position=first.position, subject_id="part")
    second = market.accept("ada", PublishPart(part=replace(part, name="Better")))
    assert second.position > first.position
    assert market.state.parts["ada"]["part"].part.name == "Better"
    assert market.refuse("mill-a", PublishPart(part=part)).code == "not_allowed"


def test_a_retry_is_answered_as_the_first_and_another_content_is_a_conflict() -> None:
    market = Market()
    first = market.accept("ada", submission("o1"))
    market.order("o2")
    again = market.reply("ada", submission("o1"))
    assert isinstance(again, Repeated)
    assert again.position == first.position
    refusal = market.refuse("ada", submission("o1", quantity=11))
    assert (refusal.code, refusal.field, refusal.value) == ("conflict", "idempotency_key", "o1")
    assert len(market.state.orders) == 2


def test_keys_belong_to_a_customer() -> None:
    market = Market()
    assert market.order("o1", customer="ada") != market.order("o1", customer="bob")


def test_a_retry_is_a_retry_even_when_the_part_has_changed() -> None:
    market = Market()
    market.accept("ada", PublishPart(part=Part(id="part", name="A part", plan=MILL)))
    market.accept("ada", submission("o1", plan=None))
    market.accept("ada", PublishPart(part=Part(id="part", name="Changed", plan=MILL)))
    assert isinstance(market.reply("ada", submission("o1", plan=None)), Repeated)


def test_quantities_that_no_lot_can_hold_are_refused() -> None:
    huge = PlannedLot(id="mill", kind="operation", requirement=MILLING, quantity_per_piece=2**30)
    refusal = Market().refuse("ada", submission(plan=ProcessPlan(lots=(huge,)), quantity=3))
    assert (refusal.code, refusal.field, refusal.value) == ("invalid", "terms.quantity", "3")


def test_an_order_is_not_served_in_parts_of_a_piece() -> None:
    three = PlannedLot(id="mill", kind="operation", requirement=MILLING, quantity_per_piece=3)
    refusal = Market().refuse("ada", submission(plan=ProcessPlan(lots=(three,)), partial=True))
    assert (refusal.code, refusal.field, refusal.value) == ("invalid", "terms.partial", "True")
    Market().accept("ada", submission(plan=ProcessPlan(lots=(three,))))
    Market().accept("ada", submission(plan=CHAIN, partial=True))


def test_documents_of_part_and_order_have_one_limit() -> None:
    market = Market()
    documents = tuple(Document(sha256=f"{index:064x}", name=f"d{index}") for index in range(60))
    market.accept("ada", PublishPart(part=Part(id="part", name="A part", plan=MILL, documents=documents)))
    refusal = market.refuse("ada", replace(submission(plan=None), documents=documents))
    assert (refusal.code, refusal.field) == ("invalid", "terms.documents")


def test_open_orders_of_a_customer_are_limited_and_the_limit_is_lifted_when_they_end() -> None:
    market = Market(rules=replace(RULES, max_open_orders_per_customer=2))
    first = market.order("o1")
    market.order("o2")
    refusal = market.refuse("ada", submission("o3"))
    assert (refusal.code, refusal.field, refusal.value, refusal.retryable) == ("limit", "orders", "2", True)
    market.order("o3", customer="bob")
    market.accept("ada", cancellation(first))
    market.order("o3")


# --- cancellation ----------------------------------------------------------------------------


def bid_everything(market: Market) -> None:
    for index, name in enumerate(sorted(market.state.orders)):
        lot = market.state.orders[name].order.lots[0].id
        market.bid("mill-a", {f"b{index}": Offer(lots={lot: 10}, price=100)}, sequence=index + 1)


def test_anothers_order_does_not_exist() -> None:
    market = Market()
    order = market.order("o1")
    for sender, target in (("bob", order), ("ada", "o-none")):
        refusal = market.refuse(sender, cancellation(target))
        assert (refusal.code, refusal.field, refusal.value) == ("unknown", "order_id", target)


def test_a_cancellation_before_the_close_takes_the_order_out_of_the_round() -> None:
    market = Market()
    order = market.order("o1")
    market.tick()
    bid_everything(market)
    market.accept("ada", cancellation(order))
    assert isinstance(market.reply("ada", cancellation(order)), Repeated)
    clearing = market.clear()
    assert clearing.accepted == ()
    assert market.order_of("o1").state == "cancelled"
    assert not market.state.contracts


def test_a_cancellation_after_the_close_does_not_change_the_clearing_and_takes_effect_after_it() -> None:
    market = Market()
    order = market.order("o1")
    market.tick()
    bid_everything(market)
    market.close()
    clearing, report = market.solve()
    market.accept("ada", cancellation(order))
    again, _ = market.solve()
    assert again.digest == clearing.digest
    assert isinstance(market.reply("ada", cancellation(order)), Repeated)
    market.accept("host", report)
    record = market.order_of("o1")
    assert (record.state, record.charge_minor, record.pieces) == ("cancelled", None, 0)
    assert market.contract_of("mill-a").state == "ended"
    assert [entry.state for entry in record.history] == [
        "submitted",
        "calling",
        "clearing",
        "awarded",
        "cancelled",
    ]


def test_a_cancelled_order_that_was_not_served_is_cancelled_not_unserved() -> None:
    market = Market()
    order = market.order("o1")
    market.tick()
    market.close()
    _, report = market.solve()
    market.accept("ada", cancellation(order))
    market.accept("host", report)
    assert market.order_of("o1").state == "cancelled"


def test_an_awarded_order_is_cancelled_with_its_contracts_a_confirmed_one_is_not() -> None:
    market = Market()
    order = market.order("o1")
    market.tick()
    bid_everything(market)
    market.clear()
    market.accept("ada", cancellation(order))
    assert market.contract_of("mill-a").state == "ended"

    market = Market()
    order = market.order("o1")
    market.tick()
    bid_everything(market)
    market.clear()
    market.report("mill-a", "confirmed")
    refusal = market.refuse("ada", cancellation(order))
    assert (refusal.code, refusal.state) == ("state", "confirmed")


def test_terms_and_plans_say_what_they_break() -> None:
    """Impossible values never become messages; here only that their errors name field and value."""
    with pytest.raises(ValueError, match="due_us must end after it starts: after release_us 5; was 5"):
        OrderTerms(
            quantity=1, destination="a", release_us=5, due_us=5, deadline_us=5, reservation_value_minor=0
        )
    with pytest.raises(ValueError, match="arcs must be acyclic; was 'a -> b'"):
        ProcessPlan(
            lots=tuple(PlannedLot(id=name, kind="material", requirement=STEEL) for name in "ab"),
            arcs=(PlannedArc(source="a", target="b"), PlannedArc(source="b", target="a")),
        )
    assert WorkEnvelope(x_um=1, y_um=2, z_um=3).fits(WorkEnvelope(x_um=3, y_um=1, z_um=2))
