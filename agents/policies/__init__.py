"""Bidding policies, one a file, by name: each turns the costs of dated alternatives into prices.

A policy of one's own is named by import path, ``my_module:MyPolicy``: a subclass of `policy.Policy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from agents.policies.adaptive import Adaptive
from agents.policies.bandit import Bandit
from agents.policies.best_response import BestResponse
from agents.policies.cost_plus import CostPlus
from agents.policies.policy import Policy
from agents.policies.posted import Posted
from agents.policies.ring import Ring
from agents.policies.scarcity import Scarcity
from agents.policies.shill import Shill
from agents.policies.truthful import Truthful
from agents.profile import Pricing
from takt_sdk.model.errors import InvalidChoiceError

POLICIES: Mapping[str, type[Policy]] = MappingProxyType(
    {
        "adaptive": Adaptive,
        "bandit": Bandit,
        "best_response": BestResponse,
        "cost_plus": CostPlus,
        "posted": Posted,
        "ring": Ring,
        "scarcity": Scarcity,
        "shill": Shill,
        "truthful": Truthful,
    }
)


def policy_named(name: str) -> type[Policy]:
    """Return a policy by name or import path; raises `InvalidChoiceError` if there is none."""
    policy = POLICIES.get(name)
    if policy is None and ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise InvalidChoiceError("pricing.policy", name, f"an importable policy ({error})") from error
        if isinstance(found, type) and issubclass(found, Policy):
            policy = found
    if policy is None:
        raise InvalidChoiceError("pricing.policy", name, f"{', '.join(POLICIES)} or module:Class")
    return policy


def policy_of(participant: str, pricing: Pricing) -> Policy:
    """Return the policy that a company's pricing names."""
    return policy_named(pricing.policy)(participant, pricing)
