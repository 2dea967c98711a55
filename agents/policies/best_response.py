"""Best response to one's own record: the margin with the highest expected profit against the rivals met.

Estimates from its last offers how often a margin wins, with half an offer won and half an offer lost added to
each, and asks the margin that maximises margin × chance of winning. Friedman (1956), "A competitive-bidding
strategy", Operations Research 4.
"""

from __future__ import annotations

from collections import deque

from agents.policies.cost_plus import CostPlus
from agents.policies.policy import Ask, Lesson
from agents.profile import ONE_PPM, Pricing

MARGINS_PPM = (20_000, 50_000, 100_000, 150_000, 200_000, 300_000, 400_000, 600_000)
MEMORY = 200
"""Offers remembered."""
TRIALS = 24
"""Offers before it trusts its record; until then it draws a margin per round."""


class BestResponse(CostPlus):
    """Margins by the record of won and lost offers."""

    def __init__(self, participant: str, pricing: Pricing) -> None:
        super().__init__(participant, pricing)
        self._record: deque[tuple[int, bool]] = deque(maxlen=MEMORY)

    def margin_ppm(self, ask: Ask) -> int:
        """Return the margin that promises most, or one drawn for the round while the record is short."""
        if len(self._record) < TRIALS:
            return MARGINS_PPM[self.draw(f"trial {ask.round_id}", len(MARGINS_PPM))]
        return max(MARGINS_PPM, key=lambda margin: (margin * self._chance_ppm(margin), -margin))

    def learn(self, lesson: Lesson) -> None:
        """Remember at what margins one won and lost."""
        for offer in lesson.offers:
            if offer.cost_minor:
                margin = (offer.price_minor - offer.cost_minor) * ONE_PPM // offer.cost_minor
                self._record.append((margin, offer.won))

    def _chance_ppm(self, margin_ppm: int) -> int:
        """Return how often an offer at this margin or above won, or at this margin or below lost."""
        won = sum(1 for margin, success in self._record if success and margin >= margin_ppm)
        lost = sum(1 for margin, success in self._record if not success and margin <= margin_ppm)
        return (2 * won + 1) * ONE_PPM // (2 * (won + lost) + 2)
