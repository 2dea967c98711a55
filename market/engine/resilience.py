"""How well a market carries on: from loss to knowledge, from knowledge to a new award, and what it cost.

Figures of the state, for summaries and metrics. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from market.engine.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Resilience:
    """Sums over all risks that the state holds; times in microseconds of market time.

    ``detection_us`` is from what was lost to when the market knew, ``award_us`` from there to the new
    award, over the ``awarded`` only. ``extra_minor`` is what new awards cost more than the old charge.
    """

    risks: int
    awarded: int
    detection_us: int
    award_us: int
    extra_minor: int


def resilience(state: State) -> Resilience:
    """Return the figures of all orders that the state holds."""
    known = [risk for risks in state.contracting.risks.values() for risk in risks]
    awarded = [(risk.awarded_us - risk.at_us, risk) for risk in known if risk.awarded_us is not None]
    return Resilience(
        risks=len(known),
        awarded=len(awarded),
        detection_us=sum(max(0, risk.at_us - risk.occurred_us) for risk in known),
        award_us=sum(taken_us for taken_us, _ in awarded),
        extra_minor=sum(risk.extra_minor for _, risk in awarded),
    )
