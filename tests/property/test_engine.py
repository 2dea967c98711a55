"""Random walks through the market: whatever is said in whatever order, what must hold holds."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.adapters.codec import decode_state, encode_state, state_digest
from market.engine.decision import Inbound
from market.engine.engine import decide
from market.engine.snapshot import snapshot
from market.engine.state import State
from market.model.events import ClearingPublished, OrderAwarded
from market.service.audit import audit
from market.service.kernel import Handled
from market.service.recovery import recover, take_snapshot
from tests.property.engine_walk import Walk
from tests.simulation.invariants import rows_of


def _numbers(seed: int, length: int) -> list[int]:
    chance = Random(seed)
    return [chance.randrange(10_000) for _ in range(length)]


WALKS = st.builds(_numbers, st.integers(0, 2**32 - 1), st.integers(400, 2_000))
"""A seed and a length: hypothesis' own lists are too short to come to a second round."""
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
FEWER = settings(FEW, max_examples=25)


@FEW
@given(numbers=WALKS)
def test_invariants_hold_after_every_message(numbers: list[int]) -> None:
    walk = Walk(numbers)
    walk.run()
    walk.invariants.check_receipts(walk.market.journal)


@FEWER
@given(numbers=WALKS)
def test_deciding_changes_nothing(numbers: list[int]) -> None:
    def decide_again(walk: Walk, _handled: Handled) -> None:
        market = walk.market
        sender, body, sequence = walk.sent[-1]
        before = state_digest(market.state)
        for changed in (0, 1):
            inbound = Inbound(sender=sender, sequence=sequence + changed, digest=f"{changed}", body=body)
            decide(market.state, inbound, market.now_us)
        assert state_digest(market.state) == before

    Walk(numbers, decide_again).run()


@FEWER
@given(numbers=WALKS, at=st.integers(0, 200))
def test_replay_is_live_from_the_start_and_from_any_snapshot(numbers: list[int], at: int) -> None:
    def keep(walk: Walk, _handled: Handled) -> None:
        if walk.market.state.size == at:
            walk.market.journal.save_snapshot(take_snapshot(walk.market.state))

    walk = Walk(numbers, keep)
    market = walk.run()
    live = state_digest(market.state)
    assert state_digest(recover(market.journal)) == live
    found = audit(market.journal)
    assert (found.state_digest, found.decided, found.skipped) == (live, market.state.size, 0)


@FEWER
@given(numbers=WALKS)
def test_read_models_written_on_the_way_are_those_of_a_rebuild(numbers: list[int]) -> None:
    market = Walk(numbers).run()
    rebuilt = {(row.model, row.key): (row.tenant, row.status, row.document) for row in market.kernel.rows()}
    assert rows_of(market.journal) == rebuilt


@FEWER
@given(numbers=WALKS, order=st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter_to_a_clearing(numbers: list[int], order: object) -> None:
    """Permute what arrived before the close: the problem is the same, so its clearing is."""

    def permute(walk: Walk, _handled: Handled) -> None:
        round_ = walk.market.state.round
        if round_ is None or round_.state != "clearing" or len(round_.answers) < 2:
            return
        other: State = decode_state(encode_state(walk.market.state))
        twin = other.rounds[round_.id]
        names = list(twin.answers)
        order.shuffle(names)  # type: ignore[attr-defined]
        twin.answers = {name: twin.answers[name] for name in names}
        other.orders = dict(reversed(other.orders.items()))
        other.participants = dict(reversed(other.participants.items()))
        assert _columns(snapshot(other, twin, 5)) == _columns(snapshot(walk.market.state, round_, 5))

    Walk(numbers, permute).run()


def _columns(problem: object) -> dict[str, str]:
    return {name: repr(getattr(problem, name)) for name in type(problem).__slots__}  # type: ignore[attr-defined]


@FEW
@given(numbers=WALKS)
def test_money_adds_up_in_every_clearing(numbers: list[int]) -> None:
    """Individual rationality and budget: nobody is paid below its price, charges are what is paid."""
    prices: dict[tuple[str, str, str], tuple[int, int, int]] = {}

    def watch(walk: Walk, handled: Handled) -> None:
        round_ = walk.market.state.round
        for participant, answer in ({} if round_ is None else round_.answers).items():
            for bid in answer.sheet or ():
                full = sum(q for _, q in bid.items)
                prices[round_.id, participant, bid.id] = (bid.fixed_price_minor, bid.unit_price_minor, full)  # type: ignore[union-attr]
        del handled

    def check(market_handled: list[Handled]) -> None:
        for handled in market_handled:
            awarded = [event for event in handled.events if isinstance(event, OrderAwarded)]
            if not any(isinstance(event, ClearingPublished) for event in handled.events):
                continue
            paid = sum(c.payment_minor for event in awarded for c in event.contracts)
            kept = {id_ for event in awarded for id_, _ in event.kept}
            owed = sum(state.contracts[id_].contract.payment_minor for id_ in kept)
            moved = sum(event.transport_minor for event in awarded)
            charged = sum(event.charge_minor - event.fee_minor for event in awarded)
            lost = any(event.kind == "takt.order_progressed.v1" for event in handled.events)
            assert charged == paid + owed + moved or lost
            for event in awarded:
                for contract in event.contracts:
                    fixed, unit, full = prices[contract.round_id, contract.participant, contract.bid_id]
                    quantity = sum(item.quantity for item in contract.items)
                    assert quantity <= full
                    assert contract.payment_minor >= fixed + unit * quantity

    walk = Walk(numbers, watch)
    state = walk.market.state
    market = walk.run()
    state = market.state
    check(market.handled)
