"""The two state machines of the bidding procedure, and where each step of theirs is in Takt's tables.

States and steps are those of open implementations; what they leave undefined is marked so, with what
Takt does instead. Tables only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from market.adapters.vdi2193.frame import Type

Machine = Literal["participant_round", "participant_contract", "round", "order", "contract"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a 2193 machine, and the steps of Takt's tables that happen with it.

    ``takt`` holds (table, state, trigger, next state). Empty: the step happens inside the participant or
    the market and no message is seen. ``defined_by_takt`` marks what the open sources leave open.
    """

    state: str
    event: str
    target: str
    sends: Type | None = None
    takt: tuple[tuple[Machine, str, str, str], ...] = ()
    defined_by_takt: bool = False


_DECLINED: tuple[Machine, str, str, str] = (
    "participant_round", "called", "decline_call has a receipt", "declined",
)  # fmt: skip

PROVIDER: tuple[Step, ...] = (
    Step(
        state="WaitForCall", event="callForProposals in", target="CapabilityCheck",
        takt=(("participant_round", "waiting", "call_for_proposals in", "called"),),
    ),
    Step(
        state="CapabilityCheck", event="unknown property or vocabulary", target="WaitForCall",
        sends="notUnderstood", takt=(_DECLINED,),
    ),
    Step(state="CapabilityCheck", event="ok", target="FeasibilityCheck"),
    Step(
        state="FeasibilityCheck", event="out of range", target="WaitForCall",
        sends="refusal", takt=(_DECLINED,),
    ),
    Step(state="FeasibilityCheck", event="ok", target="ScheduleCheck"),
    Step(
        state="ScheduleCheck", event="no slot", target="WaitForCall",
        sends="refusal", takt=(_DECLINED,),
    ),
    Step(state="ScheduleCheck", event="ok", target="PriceCalculation"),
    Step(
        state="PriceCalculation", event="done", target="WaitForAnswer", sends="offer",
        takt=(("participant_round", "called", "bid_sheet has a receipt", "answered"),),
    ),
    Step(
        state="WaitForAnswer", event="new price", target="WaitForAnswer", sends="offer",
        takt=(("participant_round", "answered", "bid_sheet has a receipt", "answered"),),
        defined_by_takt=True,
    ),
    Step(
        state="WaitForAnswer", event="withdrawn", target="WaitForCall", sends="cancelling",
        takt=(("participant_round", "answered", "decline_call has a receipt", "declined"),),
        defined_by_takt=True,
    ),
    Step(
        state="WaitForAnswer", event="offerRejection in", target="WaitForCall",
        takt=(("participant_round", "answered", "round_result without awards in", "lost"),),
    ),
    Step(
        state="WaitForAnswer", event="offerAcceptance in", target="PlausibilityCheck",
        takt=(("participant_round", "answered", "round_result with awards in", "won"),),
    ),
    Step(
        state="PlausibilityCheck", event="no longer possible", target="WaitForCall", sends="refusal",
        takt=(("participant_contract", "awarded", "report refused", "ended"),),
    ),
    Step(
        state="PlausibilityCheck", event="ok", target="ServiceProvision", sends="confirming",
        takt=(("participant_contract", "awarded", "report confirmed", "confirmed"),),
    ),
    Step(
        state="PlausibilityCheck", event="cancelling in", target="WaitForCall",
        takt=(("participant_contract", "awarded", "notice ended in", "ended"),),
        defined_by_takt=True,
    ),
    Step(
        state="ServiceProvision", event="finished", target="WaitForCall", sends="confirming",
        takt=(
            ("participant_contract", "confirmed", "report started", "in_production"),
            ("participant_contract", "in_production", "report finished", "finished"),
        ),
    ),
    Step(
        state="ServiceProvision", event="given back before the work began", target="WaitForCall",
        sends="refusal", takt=(("participant_contract", "confirmed", "report refused", "ended"),),
        defined_by_takt=True,
    ),
    Step(
        state="ServiceProvision", event="breakdown", target="ServiceProvision", sends="informing",
        takt=(("participant_contract", "confirmed", "notice at_risk in", "at_risk"),),
        defined_by_takt=True,
    ),
    Step(
        state="ServiceProvision", event="cancelling in", target="WaitForCall",
        takt=(
            ("participant_contract", "at_risk", "notice ended in", "ended"),
            ("participant_contract", "confirmed", "notice ended in", "ended"),
        ),
        defined_by_takt=True,
    ),
)  # fmt: skip
"""The service provider: a plant or supplier."""

REQUESTER: tuple[Step, ...] = (
    Step(state="WaitForOrder", event="order", target="ConfigureCall"),
    Step(
        state="ConfigureCall", event="done", target="CollectOffers", sends="callForProposals",
        takt=(("order", "submitted", "called", "calling"),),
    ),
    Step(
        state="CollectOffers", event="all answers in or replyBy passed", target="EvaluateOffers",
        takt=(("round", "open", "closed", "clearing"), ("order", "calling", "closed", "clearing")),
    ),
    Step(
        state="EvaluateOffers", event="none", target="NoOffer", sends="offerRejection",
        takt=(
            ("round", "clearing", "published", "cleared"),
            ("order", "clearing", "unserved", "unserved"),
            ("order", "clearing", "passed_over", "submitted"),
        ),
    ),
    Step(
        state="EvaluateOffers", event="winner", target="WaitForConfirm", sends="offerAcceptance",
        takt=(("round", "clearing", "published", "cleared"), ("order", "clearing", "awarded", "awarded")),
    ),
    Step(
        state="WaitForConfirm", event="confirming in", target="Done",
        takt=(
            ("contract", "awarded", "confirmed", "confirmed"),
            ("order", "awarded", "confirmed", "confirmed"),
        ),
    ),
    Step(
        state="WaitForConfirm", event="refusal in or time passed", target="ConfigureCall",
        takt=(
            ("contract", "awarded", "refused", "ended"),
            ("contract", "awarded", "ended", "ended"),
            ("order", "awarded", "at_risk", "at_risk"),
            ("order", "at_risk", "called", "reallocating"),
        ),
        defined_by_takt=True,
    ),
    Step(
        state="Done", event="breach", target="ConfigureCall",
        takt=(
            ("contract", "confirmed", "at_risk", "at_risk"),
            ("order", "confirmed", "at_risk", "at_risk"),
            ("order", "in_production", "at_risk", "at_risk"),
            ("order", "at_risk", "called", "reallocating"),
            ("contract", "at_risk", "ended", "ended"),
        ),
        defined_by_takt=True,
    ),
)  # fmt: skip
"""The service requester: the market, for its customers."""
