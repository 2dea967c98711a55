"""Cost plus a margin; dearer the sooner."""

from __future__ import annotations

from collections.abc import Sequence

from agents.profile import ONE_PPM, Pricing


def prices(costs_minor: Sequence[int], load_ppm: int, pricing: Pricing) -> list[int]:  # noqa: ARG001
    """Return cost × (1 + margin + rush), rounded up; rush fades evenly from the soonest to the latest.

    A single alternative pays no rush: there is nothing later to compare it with.
    """
    steps = len(costs_minor) - 1
    base = ONE_PPM + pricing.margin_ppm
    if not steps:
        return [-(-costs_minor[0] * base // ONE_PPM)]
    rush = pricing.rush_margin_ppm
    return [
        -(-cost * (base + rush * (steps - rank) // steps) // ONE_PPM) for rank, cost in enumerate(costs_minor)
    ]
