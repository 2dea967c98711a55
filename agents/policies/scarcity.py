"""Cost plus a margin that grows with the load: a full shop asks more."""

from __future__ import annotations

from collections.abc import Sequence

from agents.policies.cost_plus import prices as cost_plus_prices
from agents.profile import ONE_PPM, Pricing


def prices(costs_minor: Sequence[int], load_ppm: int, pricing: Pricing) -> list[int]:
    """Return cost-plus prices with the part above cost raised by the load, up to twice when full."""
    return [
        cost + -(-(price - cost) * (ONE_PPM + load_ppm) // ONE_PPM)
        for cost, price in zip(costs_minor, cost_plus_prices(costs_minor, load_ppm, pricing), strict=True)
    ]
