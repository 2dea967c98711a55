"""What holds under every payment rule, on small random markets that mix every feature."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.clear import clear
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from market.clearing.problem import MECHANISMS
from market.clearing.result import Clearing
from market.mechanisms.registry import RULES
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_markets import random_market
from tests.property.test_mechanisms import surpluses

Document = dict[str, Any]


def cleared(market: Document, mechanism: str, limits: Limits | None = None) -> Clearing:
    problem = replace(problem_from_document(market), mechanism=mechanism)
    return clear(problem, solver=PulpSolver(), limits=limits or Limits(), clock=WallClock())


def transport(market: Document, clearing: Clearing) -> int:
    trips = {(t["from"], t["to"]): t for t in market["transport"]}
    site = {b["id"]: b["site"] for b in market["bids"]}
    total = 0
    for move in clearing.moves:
        pair = (site[move.from_bid], move.to_site if move.to_bid is None else site[move.to_bid])
        if pair[0] != pair[1]:
            total += trips[pair]["fixed"] + trips[pair]["per_unit"] * move.quantity
    return total


def simple_market(seed: int) -> Document:
    """Return a market of single units, on which second and uniform prices are often defined."""
    r = random.Random(seed)
    market = random_market(seed)
    orders = [
        {
            "id": f"o{k}",
            "value": r.randint(5, 40),
            "must_serve": False,
            "partial": False,
            "max_suppliers": None,
            "lots": [{"id": f"o{k}", "quantity": 1}],
            "arcs": [],
        }
        for k in range(3)
    ]
    cost = {f"p{k}": r.randint(1, 30) for k in range(4)}
    bids = [
        {
            "id": f"{bidder} {o['id']}",
            "bidder": bidder,
            "site": None,
            "items": [{"lot": o["id"], "quantity": 1}],
            "divisible": False,
            "min_quantity": 0,
            "fixed_price": 0,
            "unit_price": cost[bidder],
            "score": 0,
            "start": None,
            "end": None,
            "uses": [{"resource": bidder, "fixed": 1, "per_unit": 0}],
            "groups": [],
        }
        for bidder in cost
        for o in orders
    ]
    resources = [{"id": bidder, "capacity": r.choice([1, 2, 3])} for bidder in cost]
    return {**market, "orders": orders, "bids": bids, "resources": resources, "groups": []}


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_bidders_get_their_price_buyers_keep_to_their_value_and_money_adds_up(mechanism: str) -> None:
    paid = 0
    for seed in range(3000, 3080):
        market = simple_market(seed) if seed % 2 else random_market(seed, bids=8)
        clearing = cleared(market, mechanism)
        if clearing.objective is None:
            continue
        if clearing.payments is None:
            assert clearing.payment_refusal, seed
            continue
        paid += 1
        assert clearing.charges is not None
        assert all(amount >= 0 for amount in surpluses(market, clearing).values()), seed
        value = {o["id"]: o for o in market["orders"]}
        served = {s.order: s for s in clearing.served}
        assert served.keys() == {charge.order for charge in clearing.charges}, seed
        for charge in clearing.charges:
            o, s = value[charge.order], served[charge.order]
            assert o["must_serve"] or 0 <= charge.amount <= o["value"] * s.units // s.of, (seed, charge)
        spent = sum(payment.amount for payment in clearing.payments) + transport(market, clearing)
        assert sum(charge.amount for charge in clearing.charges) == spent, seed
    assert paid >= 10


def test_every_rule_of_the_format_is_registered() -> None:
    assert set(RULES) == set(MECHANISMS)
    assert all(name == rule.name for name, rule in RULES.items())


@pytest.mark.parametrize("mechanism", ["vcg", "core", "second_price", "uniform"])
@pytest.mark.parametrize("seed", range(3200, 3215))
def test_permuting_the_document_changes_no_payment(mechanism: str, seed: int) -> None:
    market = simple_market(seed) if seed % 2 else random_market(seed, bids=9)
    shuffled = {k: list(v) if isinstance(v, list) else v for k, v in market.items()}
    shuffler = random.Random(seed)
    for name in ("orders", "resources", "bids", "groups", "transport"):
        shuffler.shuffle(shuffled[name])
    digests = {
        cleared(one, mechanism, Limits(work=100_000, workers=workers)).digest
        for one, workers in ((market, 1), (shuffled, 2))
    }
    assert len(digests) == 1


def test_vcg_pays_uncoupled_orders_second_prices() -> None:
    agreed = 0
    for seed in range(3300, 3360):
        market = simple_market(seed)
        for resource in market["resources"]:
            resource["capacity"] = 4
        second, pivotal = cleared(market, "second_price"), cleared(market, "vcg")
        assert second.payments is not None, second.payment_refusal
        assert pivotal.payments == second.payments, seed
        agreed += len(second.payments) > 0
    assert agreed > 20


def single_minded(seed: int) -> Document:
    """Return a market in which every bidder has one bid."""
    market = random_market(seed, bids=8)
    names = {b["id"]: f"only {b['id']}" for b in market["bids"]}
    for b in market["bids"]:
        b["bidder"], b["groups"] = names[b["id"]], []
    return {**market, "groups": []}


def utility(market: Document, name: str, cost: int) -> int | None:
    """Return what a single-minded bidder of a package gains; None where the rule refuses."""
    clearing = cleared(market, "vcg")
    if clearing.payments is None:
        return None
    return next((payment.amount - cost for payment in clearing.payments if payment.bid == name), 0)


@pytest.mark.parametrize("seed", range(3400, 3412))
def test_no_lie_pays_a_single_minded_bidder_under_vcg(seed: int) -> None:
    market, r = single_minded(seed), random.Random(seed)
    for b in market["bids"]:
        if b["divisible"]:
            continue
        cost = b["fixed_price"] + b["unit_price"] * math.fsum(i["quantity"] for i in b["items"])
        honest = utility(market, b["id"], int(cost))
        for _ in range(3):
            lie = max(0, b["fixed_price"] + r.randint(-12, 20))
            lying = {**market, "bids": [{**x, "fixed_price": lie} if x is b else x for x in market["bids"]]}
            gain = utility(lying, b["id"], int(cost))
            if honest is not None and gain is not None:
                assert gain <= honest, (b["id"], lie)
