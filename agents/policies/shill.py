"""A buyer's straw man: bids like a seller to push payments down, and refuses what it wins.

Bites where payments depend on losing bids (second price, VCG, core, uniform); under pay-as-bid it only
wins what it then refuses.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.policies.policy import Ask, Policy, with_margin


class Shill(Policy):
    """Asks cost plus its margin and delivers nothing."""

    accepts_awards = False

    def prices(self, costs_minor: Sequence[int], ask: Ask) -> list[int]:  # noqa: ARG002
        """Return prices that look like a seller's."""
        return [with_margin(cost, self.pricing.margin_ppm) for cost in costs_minor]
