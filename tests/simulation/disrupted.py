"""Random populations in which everything that can go wrong after an award does, drawn from a seed."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from agents.profile import CustomerProfile, Floor, PlantProfile, Profile
from market.engine.admission import OPERATOR
from market.model.contract_rules import ContractRules, Reallocation
from scenarios.disturbances import Silence, TimedNotice
from scenarios.population import Population
from takt_sdk.model.execution import NotifyDisruption
from takt_sdk.model.values import DAY_US, HOUR_US, Window
from tests.simulation.populations import HORIZON_US, SITES, START_US, random_population


def disrupted_population(seed: int) -> Population:
    """Return a random population with rules that act, floors that stray, lanes that close, a silence."""
    population = random_population(seed)
    r = Random(f"disrupted {seed}")
    profiles = tuple(_strayed(r, profile) for profile in population.profiles)
    plants = [profile.participant for profile in profiles if isinstance(profile, PlantProfile)]
    silences: tuple[Silence, ...] = ()
    if r.random() < 0.5:
        start_us = START_US + r.randint(1, 15) * DAY_US
        window = Window(start_us=start_us, end_us=start_us + r.randint(1, 6) * DAY_US)
        silences = (Silence(participant=r.choice(plants), window=window),)
    return replace(
        population,
        rules=replace(
            population.rules,
            contracts=replace(_rules(r), reallocation=_reallocation(seed), **_newer_rules(seed)),
        ),
        profiles=tuple(_standing_by(seed, profile) for profile in profiles),
        notices=_lanes(r),
        silences=silences,
    )


def _rules(r: Random) -> ContractRules:
    return ContractRules(
        cancel_awarded_ppm=20_000,
        cancel_confirmed_ppm=100_000,
        cancel_begun_ppm=300_000,
        breach_ppm=r.choice((0, 50_000)),
        breakdown_ppm=r.choice((0, 20_000)),
        penalty_cap_ppm=r.choice((0, 200_000)),
        on_account_ppm=r.choice((0, 300_000)),
        tolerance_us=r.choice((None, 0, 6 * HOUR_US)),
        heartbeat_us=6 * HOUR_US,
        recall_at_once=r.random() < 0.5,
        release_after=r.choice((0, 2)),
        preempt_after=r.choice((0, 0, 2)),
        reliability_weight_ppm=r.choice((0, 1_000_000)),
        probation_contracts=r.choice((0, 2)),
        probation_value_minor=100_000,
    )


def _newer_rules(seed: int) -> dict[str, Any]:
    """Return rules that came later, from chance of their own: what was drawn before stays."""
    r = Random(f"newer rules {seed}")
    return {
        "backups": r.choice((0, 1, 3, 3)),
        "keep_late": r.random() < 0.6,
        "pay_moved": r.random() < 0.5,
        "hurry": r.random() < 0.5,
    }


def _standing_by(seed: int, profile: Profile) -> Profile:
    r = Random(f"stands by {seed} {profile.participant}")
    if isinstance(profile, CustomerProfile) or r.random() < 0.2:
        return profile
    validity_us = r.choice((DAY_US, 3 * DAY_US, 20 * DAY_US))
    return replace(profile, pricing=replace(profile.pricing, stands_by=True, validity_us=validity_us))


def _reallocation(seed: int) -> Reallocation:
    dice = Random(f"reallocation {seed}").random()
    return "joint" if dice < 0.7 else "greedy" if dice < 0.85 else "off"


def _strayed(r: Random, profile: Profile) -> Profile:
    if not isinstance(profile, PlantProfile) or r.random() < 0.3:
        return profile
    floor = Floor(
        seed=r.randrange(1_000),
        cycle_spread_ppm=r.choice((0, 300_000)),
        scrap_ppm=r.choice((0, 50_000)),
        mtbf_us=r.choice((0, 150 * HOUR_US)),
        mttr_us=20 * HOUR_US,
        maintenance_every_us=r.choice((0, 7 * DAY_US)),
        maintenance_us=8 * HOUR_US,
        report_every_us=r.choice((0, 12 * HOUR_US)),
        from_us=START_US,
        until_us=HORIZON_US,
    )
    return replace(profile, floor=floor)


def _lanes(r: Random) -> tuple[TimedNotice, ...]:
    found: list[TimedNotice] = []
    for number in range(r.randint(0, 2)):
        source, target = r.sample(SITES, 2)
        at_us = START_US + r.randint(1, 12) * DAY_US
        opened = NotifyDisruption(
            notice_id=f"lane-{number}",
            cause="logistics",
            effect=r.choice(("lane_closed", "lane_slower")),
            lane_source=source,
            lane_target=target,
            transit_minutes=5_000,
        )
        over = NotifyDisruption(
            notice_id=f"lane-{number}-over",
            cause="logistics",
            effect=opened.effect,
            status="resolved",
            source_id=opened.notice_id,
        )
        end_us = at_us + r.randint(1, 6) * DAY_US
        found += [TimedNotice(at_us=at_us, sender=OPERATOR, command=opened)]
        found += [TimedNotice(at_us=end_us, sender=OPERATOR, command=over)]
    return tuple(found)
