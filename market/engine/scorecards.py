"""What a participant's record says, as a view of the state. Decides nothing."""

from __future__ import annotations

from market.engine.posterior import on_probation, on_time_ppm
from market.engine.state import State
from market.model.ledger import participant_account
from takt_sdk.model.execution import CapabilityScore, ScorecardReply

_AWARDED = frozenset(
    {"awarded", "confirmed", "in_production", "at_risk", "reallocating", "shipped", "delivered", "settled"}
)


def scorecard(state: State, participant: str, now_us: int) -> ScorecardReply:
    """Return a participant's record as a bidder and as a buyer."""
    book = state.contracting
    scores = book.scores.get(participant, {})
    forecasts = book.forecasts.get(participant)
    orders = [record for record in state.orders.values() if record.order.customer == participant]
    return ScorecardReply(
        participant=participant,
        now_us=now_us,
        capabilities=tuple(
            CapabilityScore(
                process=process,
                on_time_ppm=on_time_ppm(state, participant, process, now_us),
                observed=scores[process].observed,
            )
            for process in sorted(scores)
        ),
        observed=sum(score.observed for score in scores.values()),
        on_probation=on_probation(state, participant),
        brier_ppm=None if forecasts is None else forecasts.squares_ppm // forecasts.count,
        base_brier_ppm=None if forecasts is None else forecasts.base_squares_ppm // forecasts.count,
        appeals=tuple(
            f"{id_}: {appeal.status}"
            for id_, appeal in sorted(book.appeals.items())
            if appeal.participant == participant
        ),
        orders=len(orders),
        awarded=sum(record.state in _AWARDED for record in orders),
        cancelled=sum(record.state == "cancelled" for record in orders),
        balance_minor=book.balances.get(participant_account(participant), 0),
    )
