"""The participant's side of the state machines; the market's own is `market.engine.transitions`.

A message or time that has no entry for a state changes nothing. Tables only.
"""

from __future__ import annotations

from collections.abc import Mapping

from market.engine.transitions import CONTRACT_TRANSITIONS
from takt_sdk.model.messages import MILESTONES

PARTICIPANT_ROUND: Mapping[tuple[str, str], str] = {
    ("waiting", "call_for_proposals in"): "called",
    ("called", "bid_sheet has a receipt"): "answered",
    ("called", "decline_call has a receipt"): "declined",
    ("called", "deadline passes"): "missed",
    ("answered", "bid_sheet has a receipt"): "answered",
    ("answered", "decline_call has a receipt"): "declined",
    ("declined", "bid_sheet has a receipt"): "answered",
    ("answered", "round_result with awards in"): "won",
    ("answered", "round_result without awards in"): "lost",
}
"""A round as one participant sees it, but for bids that stand by: who lost can win one later."""

PARTICIPANT_CONTRACT: Mapping[tuple[str, str], str] = {
    (state, f"report {trigger}" if trigger in MILESTONES else f"notice {trigger} in"): target
    for (state, trigger), target in CONTRACT_TRANSITIONS.items()
}
"""A contract as its participant sees it: its own reports that have a receipt, and the market's notices."""
