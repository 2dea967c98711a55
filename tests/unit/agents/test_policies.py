from __future__ import annotations

import random
from collections import Counter

import pytest

from agents.policies import POLICIES, policy_named, policy_of
from agents.policies.bandit import ARMS_PPM, Bandit
from agents.policies.best_response import BestResponse
from agents.policies.policy import Ask, Lesson, Offer, Policy
from agents.profile import ONE_PPM, PostedPrice, Pricing
from takt_sdk.model.capability import Requirement
from takt_sdk.model.errors import InvalidChoiceError
from takt_sdk.model.order import Lot
from takt_sdk.model.values import HOUR_US

COST = 1_000


class Tripled(Policy):
    """A policy of one's own, named by import path below."""

    def prices(self, costs_minor: object, ask: Ask) -> list[int]:  # noqa: ARG002
        return [3 * COST]


def lot(order: str) -> Lot:
    return Lot(
        id=f"{order}.mill",
        order_id=order,
        kind="operation",
        requirement=Requirement(process="mill", material="steel"),
        quantity=10,
        earliest_start_us=0,
        latest_end_us=1,
        run_time_us=HOUR_US // 2,
    )


def ask(round_id: str, order: str = "o-1") -> Ask:
    return Ask(round_id=round_id, lots=(lot(order),), quantity=10)


def lesson(round_id: str, price: int, *, won: bool) -> Lesson:
    offer = Offer(lot_id="o-1.mill", cost_minor=COST, price_minor=price, won=won)
    return Lesson(
        round_id=round_id,
        offers=(offer,),
        payment_minor=price if won else 0,
        cost_minor=COST if won else 0,
    )


def play(policy: Policy, rounds: int, highest_ppm: int, noise: random.Random) -> list[int]:
    """Sell against a rival whose price varies around ``highest_ppm`` over cost; return the margins asked."""
    asked = []
    for number in range(rounds):
        name = f"r-{number:06d}"
        (price,) = policy.prices((COST,), ask(name))
        rival = COST + COST * (highest_ppm + noise.randrange(-40_000, 40_000)) // ONE_PPM
        policy.learn(lesson(name, price, won=price <= rival))
        asked.append((price - COST) * ONE_PPM // COST)
    return asked


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_asks_less_than_it_costs(name: str) -> None:
    policy = policy_of("acme", Pricing(policy=name, ring=("acme", "bolt"), seed=3))
    noise = random.Random(1)
    for number in range(50):
        costs = [noise.randrange(1, 10_000) for _ in range(3)]
        prices = policy.prices(costs, ask(f"r-{number:06d}", f"o-{number}"))
        assert all(price >= cost for price, cost in zip(prices, costs, strict=bool(prices)))
        policy.learn(lesson(f"r-{number:06d}", max(prices, default=COST), won=number % 2 == 0))


def test_the_bandit_comes_to_play_the_margin_that_earns_most() -> None:
    policy = Bandit("acme", Pricing(policy="bandit", seed=1))
    asked = Counter(play(policy, 600, 280_000, random.Random(2))[300:])
    assert asked.most_common(1)[0][0] == 200_000
    assert all(policy.plays[arm] > 0 for arm in range(len(ARMS_PPM)))


def test_the_best_response_stays_below_the_rival_and_well_above_cost() -> None:
    policy = BestResponse("acme", Pricing(policy="best_response", seed=1))
    asked = play(policy, 400, 310_000, random.Random(2))[100:]
    assert sum(asked) / len(asked) == pytest.approx(200_000, abs=60_000)


def test_the_adaptive_margin_follows_the_rival() -> None:
    pricing = Pricing(policy="adaptive", margin_ppm=100_000)
    dear, cheap = (
        play(policy_of("acme", pricing), 200, highest, random.Random(2))[100:]
        for highest in (400_000, 80_000)
    )
    assert 250_000 < sum(dear) / len(dear) < 420_000
    assert sum(cheap) / len(cheap) < 110_000


def test_a_ring_means_one_member_to_win_each_order_and_each_about_as_often() -> None:
    members = ("acme", "bolt", "cog")
    policies = [policy_of(name, Pricing(policy="ring", ring=members)) for name in members]
    winners: Counter[str] = Counter()
    for number in range(300):
        prices = [policy.prices((COST,), ask("r-1", f"o-{number}"))[0] for policy in policies]
        assert min(prices) == COST * 14 // 10
        assert sorted(prices)[1] > 2 * COST
        winners[members[prices.index(min(prices))]] += 1
    assert min(winners.values()) > 70


def test_posted_prices_are_taken_or_left() -> None:
    listed = PostedPrice(process="mill", fixed_minor=100, minor_per_hour=200, minor_per_unit=3)
    policy = policy_of("acme", Pricing(policy="posted", posted=(listed,)))
    assert policy.prices((1_000, 900), ask("r-1")) == [100 + 1_000 + 30] * 2
    assert policy.prices((2_000,), ask("r-1")) == []
    other = policy_of("acme", Pricing(policy="posted"))
    assert other.prices((1,), ask("r-1")) == []


def test_a_straw_man_does_not_mean_it() -> None:
    assert not policy_named("shill").accepts_awards
    assert policy_named("truthful").accepts_awards


def test_a_policy_of_ones_own_is_named_by_its_import_path() -> None:
    pricing = Pricing(policy=f"{__name__}:Tripled")
    assert policy_of("acme", pricing).prices((COST,), ask("r-1")) == [3 * COST]


@pytest.mark.parametrize("name", ["free", "no.such:Policy", "json:dumps", "agents.policies.policy:Nothing"])
def test_a_policy_that_is_none_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidChoiceError, match=f"was '{name}'"):
        policy_named(name)
