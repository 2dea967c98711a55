"""Answers to participants' questions, from the state. Decides nothing."""

from __future__ import annotations

from typing import assert_never

from market.engine.contract_views import risks, timeline
from market.engine.decision import Refusal
from market.engine.scorecards import scorecard
from market.engine.state import State
from market.engine.statements import statement
from market.engine.views import sync_reply
from takt_sdk.model import execution
from takt_sdk.model.messages import QuerySync, SyncReply


def answer(
    state: State, participant: str, query: QuerySync | execution.ContractQuery, now_us: int
) -> SyncReply | execution.ContractReply | Refusal:
    """Return what a participant asked for; nothing of anybody else's."""
    match query:
        case QuerySync():
            return sync_reply(state, participant, now_us)
        case execution.QueryStatement():
            return statement(state, participant, query.after, now_us)
        case execution.QueryScorecard():
            return scorecard(state, participant, now_us)
        case execution.QueryRisks():
            return risks(state, participant, now_us)
        case execution.QueryTimeline():
            record = state.orders.get(query.order_id)
            if record is None or record.order.customer != participant:
                return Refusal(code="unknown", detail="no such order", field="order_id", value=query.order_id)
            return timeline(state, record, now_us)
        case _:
            assert_never(query)
