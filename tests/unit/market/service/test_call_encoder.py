"""Calls of one round share the encoding of their lots, and are encoded as if they did not."""

from __future__ import annotations

from market.adapters.codec import decode_envelope
from market.service.kernel import FEW_LOTS, CallEncoder
from takt_sdk.codec import encode
from takt_sdk.model.messages import CallForProposals
from tests.unit.market.engine.market import Market


def test_every_call_of_a_round_is_canonical() -> None:
    market = Market()
    for number in range(FEW_LOTS + 2):
        market.order(f"o{number}")
    market.tick()
    told = [message.body for one in market.handled if one.decided for message in one.decided.outbox]
    calls = [one for one in map(decode_envelope, told) if isinstance(one.body, CallForProposals)]
    assert max(len(one.body.lots) for one in calls if isinstance(one.body, CallForProposals)) > FEW_LOTS
    assert len(calls) > 1
    encoder = CallEncoder()
    for call in calls:
        assert encode(call) in told
        assert encoder.encode(call) == encode(call)  # type: ignore[arg-type]
