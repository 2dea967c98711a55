"""Answers to participants' questions, from the state. Decides nothing."""

from __future__ import annotations

from typing import assert_never

from market.engine.scorecards import scorecard
from market.engine.state import State
from market.engine.statements import statement
from market.engine.views import sync_reply
from takt_sdk.model.execution import QueryScorecard, QueryStatement, ScorecardReply, StatementReply
from takt_sdk.model.messages import QuerySync, SyncReply


def answer(
    state: State, participant: str, query: QuerySync | QueryStatement | QueryScorecard, now_us: int
) -> SyncReply | StatementReply | ScorecardReply:
    """Return what a participant asked for; nothing of anybody else's."""
    match query:
        case QuerySync():
            return sync_reply(state, participant, now_us)
        case QueryStatement():
            return statement(state, participant, query.after, now_us)
        case QueryScorecard():
            return scorecard(state, participant, now_us)
        case _:
            assert_never(query)
