"""Asks what it costs: the yardstick of every other policy."""

from __future__ import annotations

from collections.abc import Sequence

from agents.policies.policy import Ask, Policy


class Truthful(Policy):
    """Prices at cost."""

    def prices(self, costs_minor: Sequence[int], ask: Ask) -> list[int]:  # noqa: ARG002
        """Return the costs."""
        return list(costs_minor)
