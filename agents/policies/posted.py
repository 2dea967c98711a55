"""Takes posted prices or leaves them: offers at the list's price where that covers the cost.

The list is the market's (a scenario's), the same for all: per process an hour's price and, for materials, a
unit's. Packages are not on the list.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.policies.policy import Ask, Policy
from takt_sdk.model.values import HOUR_US


class Posted(Policy):
    """Prices at the list."""

    def prices(self, costs_minor: Sequence[int], ask: Ask) -> list[int]:
        """Return the list's price for every alternative, or nothing where it does not cover the dearest."""
        if len(ask.lots) != 1:
            return []
        lot = ask.lots[0]
        wanted = (lot.requirement.process, lot.requirement.material)
        for entry in self.pricing.posted:
            if entry.process == wanted[0] and entry.material in {"", wanted[1]}:
                units = 0 if ask.part == "fixed" else ask.quantity
                price = -(-entry.minor_per_hour * lot.run_time_us * units // HOUR_US)
                price += entry.minor_per_unit * units + (0 if ask.part == "unit" else entry.fixed_minor)
                return [price] * len(costs_minor) if price >= max(costs_minor) else []
        return []
