"""What is passed over for speed has no consequences: nothing in the engine reacts to its kind."""

from __future__ import annotations

import pytest

from market.engine import consequences
from market.engine.decision import Inbound, accept
from market.engine.engine import decide
from market.engine.state import State
from market.model.events import Event, MilestoneReported, OrderProgressed
from takt_sdk.codec import digest_of
from tests.property.wire_examples import examples
from tests.unit.market.engine.market import Market, Offer, milestone_of

QUIET = [event for event in examples()[1] if type(event) in consequences.UNEVENTFUL]


def test_there_is_an_example_of_each() -> None:
    assert {type(event) for event in QUIET} == consequences.UNEVENTFUL


@pytest.mark.parametrize("event", QUIET, ids=lambda event: event.kind)
def test_nothing_follows_from_an_uneventful_kind(event: Event) -> None:
    """Whoever reacts to the kind would look for its subject in a state that has none, or add an event."""
    assert consequences._told(State(), (event,), 0) == (event,)
    decision = accept(event)
    assert consequences.with_consequences(State(), decision, 0) is decision


def test_nothing_follows_from_a_confirmation() -> None:
    """What the engine would find behind it, were it to look, in a market with an award."""
    market = Market()
    market.order("o1")
    market.tick()
    market.bid("mill-a", {"b1": Offer(lots={market.lot("o1", "mill"): 10}, price=100)})
    market.clear()
    record = market.contract_of("mill-a")
    word = milestone_of(record, "confirmed", market.now_us)
    inbound = Inbound(sender="mill-a", sequence=1, digest=digest_of(word), body=word)
    happened = decide(market.state, inbound, market.now_us).events
    assert [type(event) for event in happened] == [MilestoneReported, OrderProgressed]
    assert all(map(consequences.is_uneventful, happened))
    assert consequences._told(market.state, happened, market.now_us) == happened
