"""A bidding ring: of its members one is meant to win each lot, the others bid to cover it.

The designated member asks cost plus the ring's margin, the others much more. Who is designated is drawn per
lot from the members' names, so every member knows it without a word. McAfee and McMillan (1992), "Bidding
rings", American Economic Review 82: a weak cartel that cannot pay within itself rotates.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from agents.policies.policy import Ask, Policy, with_margin
from agents.profile import Pricing

COVER_PPM = 1_500_000
"""Margin of a covering bid over the designated one's."""


class Ring(Policy):
    """Prices as a member of ``pricing.ring``; a company that is not in it bids cost plus."""

    def __init__(self, participant: str, pricing: Pricing) -> None:
        super().__init__(participant, pricing)
        self._members = tuple(sorted({*pricing.ring, participant}))

    def prices(self, costs_minor: Sequence[int], ask: Ask) -> list[int]:
        """Return the ring's prices, or covering ones where another member is meant to win."""
        margin = self.pricing.margin_ppm
        if len(self._members) > 1:
            margin = self.pricing.ring_margin_ppm
            if self._designated(ask.lots[0].order_id) != self.participant:
                margin += COVER_PPM
        return [with_margin(cost, margin) for cost in costs_minor]

    def _designated(self, order_id: str) -> str:
        digest = sha256("\n".join((order_id, *self._members)).encode()).digest()
        return self._members[int.from_bytes(digest[:8], "big") % len(self._members)]
