"""Strategies of a scenario, laid over its companies: policies, bidding rings, false names.

Pure functions of profiles; what a policy does is in `agents.policies`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from agents.policies import policy_named
from agents.profile import PlantProfile, PostedPrice, Pricing, Profile, Shift, SupplierProfile, WorkCentre
from scenarios.errors import ScenarioFileError
from scenarios.scenario import Scenario
from scenarios.sections import StrategySection
from takt_sdk.model.errors import InvalidChoiceError

Seller = PlantProfile | SupplierProfile


def with_strategies(scenario: Scenario, profiles: Iterable[Profile], seed: int) -> list[Profile]:
    """Return the profiles with every strategy of the scenario applied, in the order of the file.

    Raises
    ------
    ScenarioFileError
        If a strategy names an unknown policy or matches nobody.
    """
    changed = [_seeded(profile, seed) for profile in profiles]
    for index, strategy in enumerate(scenario.strategies):
        try:
            policy_named(strategy.policy)
        except InvalidChoiceError as error:
            field = f"strategies[{index}].policy"
            detail = f"must be {error.detail}"
            raise ScenarioFileError(scenario.name, field, strategy.policy, detail) from error
        chosen = [profile.participant for profile in changed if _matches(profile, strategy)]
        if not chosen:
            field = f"strategies[{index}].sellers"
            raise ScenarioFileError(scenario.name, field, strategy.sellers, "matches nobody")
        ring = tuple(sorted(chosen)) if strategy.policy == "ring" else ()
        changed = [
            one
            for profile in changed
            for one in (_play(profile, strategy, ring) if profile.participant in chosen else (profile,))
        ]
    return changed


def by_the_list(profiles: Iterable[Profile], posted: tuple[PostedPrice, ...]) -> list[Profile]:
    """Return the profiles with every seller selling by a posted list."""
    return [
        replace(profile, pricing=replace(profile.pricing, policy="posted", posted=posted, alternatives=1))
        if isinstance(profile, Seller)
        else profile
        for profile in profiles
    ]


def _seeded(profile: Profile, seed: int) -> Profile:
    if isinstance(profile, Seller):
        return replace(profile, pricing=replace(profile.pricing, seed=seed))
    return profile


def _matches(profile: Profile, strategy: StrategySection) -> bool:
    return isinstance(profile, Seller) and fnmatchcase(profile.participant, strategy.sellers)


def _play(profile: Profile, strategy: StrategySection, ring: tuple[str, ...]) -> Sequence[Profile]:
    assert isinstance(profile, Seller)
    pricing = profile.pricing
    margin = pricing.margin_ppm if strategy.margin_ppm is None else strategy.margin_ppm
    pricing = replace(
        pricing,
        policy=strategy.policy,
        margin_ppm=margin,
        chain_discount_ppm=min(margin, pricing.chain_discount_ppm),
        ring=ring,
        ring_margin_ppm=strategy.ring_margin_ppm,
    )
    if strategy.names == 1:
        return (replace(profile, pricing=pricing),)
    return [_alias(profile, pricing, index, strategy.names) for index in range(strategy.names)]


def _alias(profile: Seller, pricing: Pricing, index: int, names: int) -> Seller:
    """Return one of the false names of a company: together they hold what the company has."""
    participant = f"{profile.participant}-alias-{index + 1}"
    if isinstance(profile, SupplierProfile):
        materials = tuple(
            replace(stock, stock_per_period=(stock.stock_per_period + index) // names)
            for stock in profile.materials
        )
        return replace(profile, participant=participant, pricing=pricing, materials=materials)
    centres = tuple(
        centre for whole in profile.work_centres if (centre := _share(whole, index, names)) is not None
    )
    disruptions = tuple(d for d in profile.disruptions if d.resource in {centre.id for centre in centres})
    return replace(
        profile, participant=participant, pricing=pricing, work_centres=centres, disruptions=disruptions
    )


def _share(centre: WorkCentre, index: int, names: int) -> WorkCentre | None:
    """Return an alias's share of a work centre: whole machines, else its weekdays."""
    if centre.machines >= names:
        return replace(centre, machines=(centre.machines + index) // names)
    shifts = tuple(
        Shift(start_minute=shift.start_minute, end_minute=shift.end_minute, weekdays=days)
        for shift in centre.shifts
        if (days := tuple(day for day in shift.weekdays if day % names == index))
    )
    return replace(centre, shifts=shifts) if shifts else None
