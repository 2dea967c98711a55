"""Random walks after the award: what must hold holds, replay is live, read models are those of a rebuild."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.adapters.codec import state_digest
from market.service.audit import audit
from market.service.recovery import recover
from tests.property.contract_walk import ContractWalk
from tests.simulation.invariants import rows_of


def _numbers(seed: int, length: int) -> list[int]:
    chance = Random(seed)
    return [chance.randrange(10_000) for _ in range(length)]


WALKS = st.builds(_numbers, st.integers(0, 2**32 - 1), st.integers(400, 2_000))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(numbers=WALKS)
def test_invariants_hold_after_every_message_and_every_view_can_be_made_anew(numbers: list[int]) -> None:
    walk = ContractWalk(numbers)
    market = walk.run()
    walk.invariants.check_receipts(market.journal)
    live = state_digest(market.state)
    assert state_digest(recover(market.journal)) == live
    assert audit(market.journal).state_digest == live
    rebuilt = {(row.model, row.key): (row.tenant, row.status, row.document) for row in market.kernel.rows()}
    assert rows_of(market.journal) == rebuilt
