"""Bidding policies, one a file, by name: each turns the costs of dated alternatives into prices.

A policy is a pure function. It never prices below cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from agents.policies import cost_plus, scarcity
from agents.profile import Pricing
from takt_sdk.model.errors import InvalidChoiceError


class Policy(Protocol):
    """How costs become prices."""

    def __call__(self, costs_minor: Sequence[int], load_ppm: int, pricing: Pricing) -> list[int]:
        """Return a price >= cost for each alternative, given soonest first.

        ``load_ppm`` is how much of the capacity in question is promised already, millionths.
        """
        ...


POLICIES: Mapping[str, Policy] = MappingProxyType(
    {"cost_plus": cost_plus.prices, "scarcity": scarcity.prices}
)


def policy_named(name: str) -> Policy:
    """Return a policy; raises `InvalidChoiceError` if there is none of that name."""
    policy = POLICIES.get(name)
    if policy is None:
        raise InvalidChoiceError("pricing.policy", name, ", ".join(POLICIES))
    return policy
