"""What is passed over for speed has no consequences: nothing in the engine reacts to its kind."""

from __future__ import annotations

import pytest

from market.engine import consequences
from market.engine.decision import accept
from market.engine.state import State
from market.model.events import Event
from tests.property.wire_examples import examples

QUIET = [event for event in examples()[1] if type(event) in consequences.UNEVENTFUL]


def test_there_is_an_example_of_each() -> None:
    assert {type(event) for event in QUIET} == consequences.UNEVENTFUL


@pytest.mark.parametrize("event", QUIET, ids=lambda event: event.kind)
def test_nothing_follows_from_an_uneventful_kind(event: Event) -> None:
    """Whoever reacts to the kind would look for its subject in a state that has none, or add an event."""
    assert consequences._told(State(), (event,), 0) == (event,)
    decision = accept(event)
    assert consequences.with_consequences(State(), decision, 0) is decision
