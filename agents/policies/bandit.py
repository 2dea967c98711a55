"""Learns which margin earns most: upper confidence bounds (UCB1) over a grid of margins.

Auer, Cesa-Bianchi and Fischer (2002), "Finite-time analysis of the multiarmed bandit problem", Machine
Learning 47. One arm is played per round; its reward is the profit of the round as a share of the cost
of the work that was bid on, between 0 and 1.
"""

from __future__ import annotations

from math import isqrt

from agents.policies.cost_plus import CostPlus
from agents.policies.policy import Ask, Lesson
from agents.profile import ONE_PPM, Pricing

ARMS_PPM = (0, 50_000, 100_000, 200_000, 300_000, 450_000, 600_000, 800_000)
WIDTH_PPM = 300_000
"""Scale of the confidence bound: rewards are far below 1."""


class Bandit(CostPlus):
    """Plays every margin once, then the one with the highest upper confidence bound."""

    def __init__(self, participant: str, pricing: Pricing) -> None:
        super().__init__(participant, pricing)
        self.plays = [0] * len(ARMS_PPM)
        self.rewards_ppm = [0] * len(ARMS_PPM)
        self._arms: dict[str, int] = {}

    def margin_ppm(self, ask: Ask) -> int:
        """Return the margin played in the round."""
        if ask.round_id not in self._arms:
            self._arms = {ask.round_id: self._next_arm()}
        return ARMS_PPM[self._arms[ask.round_id]]

    def learn(self, lesson: Lesson) -> None:
        """Credit the margin of the round with its profit."""
        arm = self._arms.pop(lesson.round_id, None)
        if arm is None or not lesson.offers:
            return
        at_stake = max(1, sum(offer.cost_minor for offer in lesson.offers))
        profit = lesson.payment_minor - lesson.cost_minor
        self.plays[arm] += 1
        self.rewards_ppm[arm] += min(ONE_PPM, max(0, profit * ONE_PPM // at_stake))

    def _next_arm(self) -> int:
        waiting = set(self._arms.values())
        untried = [arm for arm, plays in enumerate(self.plays) if not plays and arm not in waiting]
        if untried:
            return untried[self.draw(f"arm {sum(self.plays)}", len(untried))]
        total = sum(self.plays) + len(self._arms)
        return max(range(len(ARMS_PPM)), key=lambda arm: (self._bound_ppm(arm, total), -arm))

    def _bound_ppm(self, arm: int, total: int) -> int:
        """Return mean reward + width × √(2 ln total / plays), in integers (ln ≈ 0.693 × bit length)."""
        plays = max(1, self.plays[arm])
        spread = isqrt(2 * 693_147 * max(1, total.bit_length() - 1) * ONE_PPM // plays)
        return self.rewards_ppm[arm] // plays + WIDTH_PPM * spread // ONE_PPM
