"""Every entry of the transition tables is taken by the engine; every absent one is refused or impossible."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from market.engine.apply import move_contract, move_order
from market.engine.state import ContractRecord
from market.engine.transitions import (
    BEGUN,
    CONTRACT_TRANSITIONS,
    ORDER_TRANSITIONS,
    ROUND_TRANSITIONS,
    STANDING,
    UNSTARTED,
    mermaid,
    next_contract_state,
    next_order_state,
    require,
)
from market.errors import InvariantError
from takt_sdk.model.contract import CONTRACT_STATES, Contract, ContractItem
from takt_sdk.model.messages import MILESTONES, ORDER_STATES, TERMINAL_ORDER_STATES
from tests.unit.market.engine.market import START_US, Market, cancellation, milestone_of

ORDER_TRIGGERS = sorted({trigger for _, trigger in ORDER_TRANSITIONS})
CONTRACT_TRIGGERS = sorted({trigger for _, trigger in CONTRACT_TRANSITIONS})


@pytest.mark.parametrize("trigger", ORDER_TRIGGERS)
@pytest.mark.parametrize("state", ORDER_STATES)
def test_an_order_moves_as_the_table_says_or_not_at_all(state: str, trigger: str) -> None:
    market = Market()
    order_id = market.order("o1")
    record = market.state.orders[order_id]
    record.state = state  # type: ignore[assignment]
    following = ORDER_TRANSITIONS.get((state, trigger))
    if following is None:
        assert next_order_state(record.state, trigger) is None
        with pytest.raises(InvariantError, match=f"in state '{state}' met '{trigger}'"):
            move_order(market.state, order_id, trigger, START_US, "")
        assert record.state == state
    else:
        move_order(market.state, order_id, trigger, START_US, "")
        assert record.state == following


@pytest.mark.parametrize("trigger", CONTRACT_TRIGGERS)
@pytest.mark.parametrize("state", CONTRACT_STATES)
def test_a_contract_moves_as_the_table_says_or_not_at_all(state: str, trigger: str) -> None:
    market, record = _with_contract(state)
    following = CONTRACT_TRANSITIONS.get((state, trigger))
    if following is None:
        assert next_contract_state(record.state, trigger) is None
        with pytest.raises(InvariantError, match=f"in state '{state}' met '{trigger}'"):
            move_contract(market.state, "c-1", trigger, START_US, "")
        assert record.state == state
    else:
        move_contract(market.state, "c-1", trigger, START_US, "")
        assert record.state == following


@pytest.mark.parametrize("milestone", MILESTONES)
@pytest.mark.parametrize("state", CONTRACT_STATES)
def test_a_milestone_without_an_entry_is_refused_with_the_state(state: str, milestone: str) -> None:
    market, record = _with_contract(state)
    report = milestone_of(record, milestone, market.now_us)  # type: ignore[arg-type]
    if (state, milestone) in CONTRACT_TRANSITIONS:
        market.accept("mill-a", report, sequence=1)
        assert record.state == CONTRACT_TRANSITIONS[state, milestone]
    else:
        refusal = market.refuse("mill-a", report, sequence=1)
        assert (refusal.code, refusal.field, refusal.value) == ("state", "milestone", milestone)
        assert refusal.state == record.state == state


@pytest.mark.parametrize("state", ORDER_STATES)
def test_a_cancellation_without_an_entry_is_refused_with_the_state(state: str) -> None:
    market = Market()
    order_id = market.order("o1")
    record = market.state.orders[order_id]
    record.state = state  # type: ignore[assignment]
    if state == "clearing":
        market.accept("ada", cancellation(order_id))
        assert (record.state, record.cancel_position) == ("clearing", market.state.size - 1)
    elif state in {"submitted", "calling", "awarded"}:  # others are priced first
        market.accept("ada", cancellation(order_id))
        assert record.state == "cancelled"
    else:
        refusal = market.refuse("ada", cancellation(order_id))
        assert (refusal.code, refusal.field, refusal.value) == ("state", "order_id", order_id)
        assert refusal.state == record.state == state


def test_the_tables_speak_the_words_of_the_model_and_leave_no_dead_end() -> None:
    assert {s for s, _ in ORDER_TRANSITIONS} | set(ORDER_TRANSITIONS.values()) <= set(ORDER_STATES)
    assert {s for s, _ in CONTRACT_TRANSITIONS} | set(CONTRACT_TRANSITIONS.values()) == set(CONTRACT_STATES)
    assert set(ORDER_STATES) - {s for s, _ in ORDER_TRANSITIONS} == TERMINAL_ORDER_STATES
    assert set(CONTRACT_STATES) - {s for s, _ in CONTRACT_TRANSITIONS} == {"ended", "settled"}
    assert UNSTARTED | BEGUN == STANDING
    assert not UNSTARTED & BEGUN


@pytest.mark.parametrize(
    ("table", "ends"),
    [(ORDER_TRANSITIONS, TERMINAL_ORDER_STATES), (CONTRACT_TRANSITIONS, {"ended", "settled"})],
)
def test_every_state_leads_to_an_end(table: Mapping[tuple[str, str], str], ends: set[str]) -> None:
    for start in {source for source, _ in table}:
        reached, grown = {start}, True
        while grown:
            grown = bool(
                new := {after for (before, _), after in table.items() if before in reached} - reached
            )
            reached |= new
        assert reached & ends, start


def test_require_names_what_has_no_entry() -> None:
    assert require(ROUND_TRANSITIONS, "open", "closed", "round r-1") == "clearing"
    with pytest.raises(
        InvariantError, match=r"round r-1 in state 'open' met 'published', which has no entry"
    ):
        require(ROUND_TRANSITIONS, "open", "published", "round r-1")


def test_a_table_is_drawn_in_its_own_order() -> None:
    assert mermaid(ROUND_TRANSITIONS).splitlines() == [
        "stateDiagram-v2",
        "    [*] --> open",
        "    open --> clearing: closed",
        "    open --> opening: closed_sealed",
        "    opening --> clearing: opened",
        "    opening --> void: voided",
        "    clearing --> cleared: published",
        "    clearing --> priced: priced",
        "    clearing --> void: voided",
        "    cleared --> void: voided",
        "    void --> [*]",
        "    priced --> [*]",
    ]


def _with_contract(state: str) -> tuple[Market, ContractRecord]:
    """Return a market with one contract of mill-a's, put into ``state``, for an order that is awarded."""
    market = Market()
    order_id = market.order("o1")
    order = market.state.orders[order_id]
    contract = Contract(
        id="c-1",
        order_id=order_id,
        round_id="r-1",
        participant="mill-a",
        bid_id="b",
        site="bonn",
        items=(ContractItem(lot_id=market.lot("o1", "mill"), quantity=10),),
        payment_minor=100,
        start_us=START_US,
        end_us=START_US + 1,
    )
    record = ContractRecord(contract=contract, state=state, expected_end_us=contract.end_us)  # type: ignore[arg-type]
    market.state.contracts["c-1"] = record
    order.contracts.append("c-1")
    order.state = "awarded"
    return market, record
