"""What becomes of orders that a round did not serve, and of a round that is given up. Decides only."""

from __future__ import annotations

from market.engine.decision import Decision, accept, refuse
from market.engine.orders import cancellation
from market.engine.snapshot import cleared_orders
from market.engine.state import OrderRecord, RoundRecord, State
from market.model import events
from market.model.commands import VoidRound
from market.model.events import Event
from takt_sdk.model.messages import UnservedReason


def void(state: State, command: VoidRound, now_us: int) -> Decision:
    """Give a closed round up; its orders are called again while they are good for it."""
    round_ = state.round
    if round_ is None or round_.id != command.round_id or round_.state != "clearing":
        return refuse("state", "no such round is being cleared", field="round_id", value=command.round_id)
    reason = UnservedReason(code="void", detail=command.reason)
    passed = [
        event
        for record in cleared_orders(state, round_)
        for event in pass_over(state, round_, record, (reason,), now_us)
    ]
    voided = events.RoundVoided(round_id=round_.id, at_us=now_us, reason=command.reason)
    return accept(voided, *passed, subject_id=round_.id)


def pass_over(
    state: State, round_: RoundRecord, record: OrderRecord, reasons: tuple[UnservedReason, ...], now_us: int
) -> list[Event]:
    """Return what becomes of an order that a round did not serve."""
    cancelled = record.cancel_position is not None
    good = len(record.rounds) < record.order.terms.good_for_takts
    passed = events.OrderPassedOver(
        order_id=record.order.id,
        round_id=round_.id,
        at_us=now_us,
        reasons=reasons,
        final=not (cancelled or good or record.state == "reallocating"),
    )
    return [passed, *cancellation(state, record, now_us)] if cancelled else [passed]
