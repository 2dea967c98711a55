"""Records: a decaying posterior, forecasts held against what came, probation, appeals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market.engine.admission import OPERATOR
from market.engine.contracting import Score
from market.engine.posterior import (
    base_rate_ppm,
    decayed,
    expected_lateness_minor,
    on_probation,
    on_time_ppm,
)
from market.engine.queries import answer
from market.model.contract_commands import ResolveAppeal
from market.model.contract_rules import ContractRules
from takt_sdk.model.execution import AppealScore, QueryScorecard, ScorecardReply
from takt_sdk.model.values import DAY_US
from tests.unit.market.engine.market import CAST, RULES, START_US, Market, Offer, admission


def rules(**changes: int) -> object:
    return replace(RULES, contracts=ContractRules(**changes))  # type: ignore[arg-type]


def served(key: str, market: Market, participant: str = "mill-a", *, price: int = 300) -> None:
    """Let an order be won by one participant."""
    market.order(key, due_us=market.now_us + 10 * DAY_US, deadline_us=market.now_us + 14 * DAY_US)
    market.tick(market.now_us + DAY_US)
    start = (market.now_us - START_US) / DAY_US
    offer = Offer(lots={market.lot(key, "mill"): 10}, price=price, days=(start + 1, start + 2))
    market.bid(participant, {key: offer})
    market.clear()


def card(market: Market, participant: str) -> ScorecardReply:
    reply = answer(market.state, participant, QueryScorecard(), market.now_us)
    assert isinstance(reply, ScorecardReply)
    return reply


def test_what_is_on_time_raises_a_record_and_what_is_late_lowers_it() -> None:
    market = Market()
    served("o1", market)
    assert on_time_ppm(market.state, "mill-a", "milling", market.now_us) == 900_000
    market.report("mill-a", "confirmed", "started", "finished")
    now_us = market.now_us
    assert on_time_ppm(market.state, "mill-a", "milling", now_us) == 10_000_000 // 11
    assert on_time_ppm(market.state, "mill-a", "painting", now_us) == 900_000
    served("o2", market)
    market.report("mill-a", "confirmed", "refused")
    (score,) = market.state.contracting.scores["mill-a"].values()
    assert score.observed == 2
    assert on_time_ppm(market.state, "mill-a", "milling", market.now_us) < 850_000


def test_an_observation_weighs_half_after_its_half_life() -> None:
    contract_rules = ContractRules(half_life_us=10 * DAY_US)
    score = Score(on_time_milli=8_000, late_milli=4_000, at_us=0, observed=12)
    assert decayed(score, contract_rules, 10 * DAY_US) == (4_000, 2_000)
    assert decayed(score, contract_rules, 30 * DAY_US) == (1_000, 500)
    on_time, late = decayed(score, contract_rules, 5 * DAY_US)
    assert on_time == pytest.approx(8_000 / 2**0.5, rel=2e-3)
    assert late == pytest.approx(4_000 / 2**0.5, rel=2e-3)


def test_forecasts_are_held_against_what_came_beside_the_base_rate() -> None:
    market = Market()
    served("o1", market)
    market.report("mill-a", "confirmed", "started", "finished")
    reply = card(market, "mill-a")
    assert (reply.observed, reply.brier_ppm, reply.base_brier_ppm) == (1, 10_000, 10_000)
    assert base_rate_ppm(market.state) == 10_000_000 // 11
    assert card(market, "mill-b").brier_ppm is None


def test_the_expected_cost_of_lateness_decides_between_like_bids() -> None:
    market = Market(rules=rules(reliability_weight_ppm=1_000_000))  # type: ignore[arg-type]
    served("o1", market, "mill-a")
    market.report("mill-a", "confirmed", "refused")
    market.tick(market.now_us + DAY_US)
    market.clear()
    market.order("o2", lateness_penalty_minor_per_day=1_000, destination="lyon")
    market.tick(market.now_us + DAY_US)
    for participant, price in (("mill-a", 300), ("mill-b", 350)):
        offer = Offer(lots={market.lot("o2", "mill"): 10}, price=price, days=(5, 6))
        market.bid(participant, {"m": offer})
    market.clear()
    (contract_id,) = market.order_of("o2").contracts
    assert market.state.contracts[contract_id].contract.participant == "mill-b"


def test_the_formula_of_the_expected_cost() -> None:
    market = Market(rules=rules(reliability_weight_ppm=500_000, late_us=2 * DAY_US))  # type: ignore[arg-type]
    # half of (one in ten) × two days × 1,000 a day
    assert expected_lateness_minor(market.state, 100_000, 1_000) == 100


def test_a_newcomer_holds_contracts_up_to_the_limit_only() -> None:
    limits = {"probation_contracts": 1, "probation_value_minor": 500}
    market = Market(rules=rules(**limits))  # type: ignore[arg-type]
    for key in ("o1", "o2"):
        market.order(key)
    market.tick()
    offers = {key: Offer(lots={market.lot(key, "mill"): 10}, price=100, unit=20) for key in ("o1", "o2")}
    market.bid("mill-a", offers)
    market.clear()
    assert sorted(str(market.order_of(key).state) for key in ("o1", "o2")) == ["awarded", "unserved"]
    market.report("mill-a", "confirmed", "started", "finished")
    assert not on_probation(market.state, "mill-a")
    assert card(market, "mill-b").on_probation


def test_an_appeal_is_recorded_once_and_decided_by_the_operator() -> None:
    market = Market()
    served("o1", market)
    contract_id = market.contract_of("mill-a").contract.id
    appeal = AppealScore(contract_id=contract_id, reason="the steel came late")
    assert market.refuse("mill-a", appeal).detail == "it does not count yet"
    market.report("mill-a", "confirmed", "refused")
    before = on_time_ppm(market.state, "mill-a", "milling", market.now_us)
    assert market.refuse("mill-b", appeal).code == "unknown"
    market.accept("mill-a", appeal)
    assert market.refuse("mill-a", appeal).code == "conflict"
    assert card(market, "mill-a").appeals == (f"{contract_id}: open",)
    market.accept(OPERATOR, ResolveAppeal(contract_id=contract_id, upheld=True))
    assert on_time_ppm(market.state, "mill-a", "milling", market.now_us) == 900_000 > before
    again = market.refuse(OPERATOR, ResolveAppeal(contract_id=contract_id, upheld=False))
    assert (again.code, again.state) == ("state", "upheld")


def test_a_buyer_has_a_record_too() -> None:
    market = Market(cast=(*CAST, admission("cleo", "customer")))
    served("o1", market)
    market.order("o2")
    reply = card(market, "ada")
    assert (reply.orders, reply.awarded, reply.cancelled, reply.balance_minor) == (2, 1, 0, 0)
