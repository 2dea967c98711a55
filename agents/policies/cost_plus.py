"""Cost plus a margin; dearer the sooner."""

from __future__ import annotations

from collections.abc import Sequence

from agents.policies.policy import Ask, Policy, with_margin


class CostPlus(Policy):
    """Prices at cost × (1 + margin + rush); rush fades evenly from the soonest to the latest."""

    def prices(self, costs_minor: Sequence[int], ask: Ask) -> list[int]:
        """Return the prices. A single alternative pays no rush: there is nothing later to compare it with."""
        margin = self.margin_ppm(ask)
        steps = len(costs_minor) - 1
        rush = self.pricing.rush_margin_ppm
        return [
            with_margin(cost, margin + (rush * (steps - rank) // steps if steps else 0))
            for rank, cost in enumerate(costs_minor)
        ]

    def margin_ppm(self, ask: Ask) -> int:  # noqa: ARG002 - those that learn use it
        """Return the margin on the work that is asked for."""
        return self.pricing.margin_ppm
