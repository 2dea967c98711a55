"""Cost plus a margin that grows with the load: a full shop asks more."""

from __future__ import annotations

from collections.abc import Sequence

from agents.policies.cost_plus import CostPlus
from agents.policies.policy import Ask
from agents.profile import ONE_PPM


class Scarcity(CostPlus):
    """Raises the part above cost by the load, up to twice when full."""

    def prices(self, costs_minor: Sequence[int], ask: Ask) -> list[int]:
        """Return cost-plus prices with the part above cost raised."""
        return [
            cost + -(-(price - cost) * (ONE_PPM + ask.load_ppm) // ONE_PPM)
            for cost, price in zip(costs_minor, super().prices(costs_minor, ask), strict=True)
        ]
