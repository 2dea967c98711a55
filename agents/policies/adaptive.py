"""A margin that rises while one wins and falls while one loses.

The rule of thumb of a seller who sees nothing but its own fate; for what such rules come to in repeated
auctions see Cliff (1997), "Minimal-intelligence agents for bargaining behaviors in market-based
environments", HP Laboratories report 97-91.
"""

from __future__ import annotations

from agents.policies.cost_plus import CostPlus
from agents.policies.policy import Ask, Lesson
from agents.profile import ONE_PPM

UP_PPM = 50_000
DOWN_PPM = 80_000
"""Margins fall faster than they rise: an idle machine costs more than a cheap order."""
MAX_MARGIN_PPM = 3 * ONE_PPM


class Adaptive(CostPlus):
    """Moves its margin by a share of price after every round in which it bid."""

    _margin_ppm: int | None = None

    def margin_ppm(self, ask: Ask) -> int:
        """Return the margin as it stands."""
        return super().margin_ppm(ask) if self._margin_ppm is None else self._margin_ppm

    def learn(self, lesson: Lesson) -> None:
        """Ask more after winning at least half of what was bid on, less after losing more than half."""
        if not lesson.offers:
            return
        margin = self.pricing.margin_ppm if self._margin_ppm is None else self._margin_ppm
        won = 2 * sum(offer.won for offer in lesson.offers) >= len(lesson.offers)
        step = UP_PPM if won else -DOWN_PPM
        margin += (ONE_PPM + margin) * step // ONE_PPM
        self._margin_ppm = min(MAX_MARGIN_PPM, max(0, margin))
