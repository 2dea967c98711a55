"""Cost plus a margin; dearer the sooner."""

from __future__ import annotations

from collections.abc import Sequence

from agents.policies.policy import Ask, Policy, with_margin
from agents.profile import Pricing

STEP = 50
"""A price that won is undercut by a fiftieth."""


class CostPlus(Policy):
    """Prices at cost × (1 + margin + rush); rush fades evenly from the soonest to the latest.

    Where the market tells what would have won, it stays with what it asked if that is no more, and else goes
    below it, never below cost.
    """

    def __init__(self, participant: str, pricing: Pricing) -> None:
        super().__init__(participant, pricing)
        self._asked: dict[tuple[str, ...], list[int]] = {}

    def prices(self, costs_minor: Sequence[int], ask: Ask) -> list[int]:
        """Return the prices. A single alternative pays no rush: there is nothing later to compare it with."""
        margin = self.margin_ppm(ask)
        steps = len(costs_minor) - 1
        rush = self.pricing.rush_margin_ppm
        prices = [
            with_margin(cost, margin + (rush * (steps - rank) // steps if steps else 0))
            for rank, cost in enumerate(costs_minor)
        ]
        return self._answered(costs_minor, prices, ask)

    def margin_ppm(self, ask: Ask) -> int:  # noqa: ARG002 - those that learn use it
        """Return the margin on the work that is asked for."""
        return self.pricing.margin_ppm

    def _answered(self, costs_minor: Sequence[int], prices: list[int], ask: Ask) -> list[int]:
        """Return what is asked for in view of what the market has told."""
        if ask.told_minor is None:
            if ask.iteration == 1:
                self._asked.clear()
            return prices
        lots = tuple(lot.id for lot in ask.lots)
        asked = self._asked.get(lots, prices)
        if len(asked) != len(prices) or min(asked) > ask.told_minor:
            lower = ask.told_minor - ask.told_minor // STEP
            asked = [max(cost, min(price, lower)) for cost, price in zip(costs_minor, prices, strict=True)]
        self._asked[lots] = asked
        return asked
