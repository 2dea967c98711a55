"""The central plan: its bound against mechanisms and exhaustive search, its plan against capacity."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from scenarios.mechanisms import MECHANISM_NAMES, SETTINGS, MechanismName
from scenarios.population import Population, build
from scenarios.scenario import Case, load_scenario
from scenarios.study.cell import Cell, case_of, run_cell
from scenarios.study.central_plan import CentralPlan, central_plan
from scenarios.study.plan_pricing import bound_at
from scenarios.study.plan_problem import NEVER, SCALE, PlanProblem
from scenarios.study.plan_reading import plan_problem
from scenarios.study.variant import Setting
from takt_sdk.wall_clock import WallClock

LIBRARY = Path(__file__).resolve().parents[4] / "scenarios" / "library"
MARKETS: tuple[MechanismName, ...] = tuple(name for name in MECHANISM_NAMES if not SETTINGS[name].foresight)
Settings = dict[str, Setting]

FEW: Settings = {"demand.orders": 7, "demand.days": 1, "rules.clearing_work": 500}
"""Orders so close together that capacity is short."""
SPLIT: Settings = FEW | {"plants[*].pricing.divisible_from": 2, "suppliers[*].stock_per_period": 30}
BROKEN: Settings = {"demand.orders": 14, "demand.days": 6, "rules.clearing_work": 500}


def population(name: str, seed: int, settings: Settings) -> Population:
    case = load_scenario(LIBRARY / name)
    return build(case_of(case, Cell(seed=seed, mechanism="clairvoyant", settings=settings)), seed=seed)


def welfare(case: Case, mechanism: MechanismName, seed: int, settings: Settings) -> float:
    row = run_cell(case, Cell(seed=seed, mechanism=mechanism, settings=settings), WallClock())
    found = row.metrics["welfare"]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "settings", "mechanisms", "seed"),
    [
        ("scarcity", FEW, ("pay_as_bid", "greedy", "uniform"), 1),
        ("scarcity", SPLIT, ("pay_as_bid",), 1),
        ("disruptions", BROKEN, ("pay_as_bid",), 1),
        ("disruptions", BROKEN | {"rules.contracts.reallocation": "off"}, ("pay_as_bid",), 2),
        *(pytest.param("scarcity", FEW, MARKETS, seed, marks=pytest.mark.slow) for seed in (1, 2)),
        *(
            pytest.param("scarcity", SPLIT, ("greedy", "first_come"), seed, marks=pytest.mark.slow)
            for seed in (1, 2)
        ),
        *(
            pytest.param("disruptions", BROKEN, ("pay_as_bid", "greedy"), seed, marks=pytest.mark.slow)
            for seed in (2, 3, 4)
        ),
    ],
)
def test_no_mechanism_is_worth_more_than_the_bound(
    name: str, settings: Settings, mechanisms: tuple[MechanismName, ...], seed: int
) -> None:
    plan = central_plan(population(name, seed, settings))
    reached = {
        mechanism: welfare(load_scenario(LIBRARY / name), mechanism, seed, settings)
        for mechanism in mechanisms
    }
    assert max(reached.values()) > 0
    assert plan.bound_minor >= max(plan.welfare_minor, *reached.values()), (plan, reached)
    assert plan.bound_minor >= plan.plan_bound_minor >= plan.welfare_minor


def test_a_plan_that_nobody_disturbs_is_what_truthful_sellers_agree_on() -> None:
    alone: Settings = {"strategies": [{"policy": "truthful"}], "demand.orders": 1}
    plan = central_plan(population("scarcity", 3, alone))
    assert plan.served == 1
    assert plan.welfare_minor == welfare(load_scenario(LIBRARY / "scarcity"), "pay_as_bid", 3, alone)
    assert plan.welfare_minor == plan.plan_bound_minor == plan.bound_minor


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_on_the_smallest_markets_the_plan_is_the_best_of_all_and_the_bound_above_it(seed: int) -> None:
    settings: Settings = {"demand.orders": 4, "demand.days": 1}
    crowd = population("scarcity", seed, settings)
    problem = plan_problem(crowd)
    plan = central_plan(crowd)
    best = exhaustive(problem)
    assert best > 0
    assert plan.welfare_minor == best
    assert best <= plan.plan_bound_minor <= plan.bound_minor


@pytest.mark.parametrize(("name", "settings"), [("scarcity", FEW), ("two-tier-supply", {"demand.orders": 3})])
def test_the_plan_keeps_to_capacity_and_makes_every_lot_whole(name: str, settings: Settings) -> None:
    crowd = population(name, 1, settings)
    problem, plan = plan_problem(crowd), central_plan(crowd)
    assert plan.served > 0
    taken: dict[int, int] = defaultdict(int)
    for column in plan.columns:
        for row, amount in zip(column.rows, column.amounts, strict=True):
            assert amount > 0
            taken[row] += amount
        assert sum(column.amounts) == sum(int(problem.exact.need[option]) for option in column.options)
        assert len(column.options) == len(problem.orders[column.order].lots)
    assert all(amount <= problem.exact.capacity[row] for row, amount in taken.items())
    assert len({column.order for column in plan.columns}) == plan.served


def test_anybody_can_check_the_bound_from_problem_and_prices_and_any_prices_give_one() -> None:
    crowd = population("scarcity", 1, FEW)
    problem, plan = plan_problem(crowd), central_plan(crowd)
    prices = np.array(plan.prices, dtype=np.int64)
    assert bound_at(problem, problem.loose, prices) == plan.bound_minor
    for factor in (0, 2, 7):
        assert bound_at(problem, problem.loose, prices * factor) >= plan.bound_minor * 0.999
        assert bound_at(problem, problem.loose, prices * factor) >= plan.welfare_minor
    with pytest.raises(AssertionError, match="not negative"):
        bound_at(problem, problem.loose, prices - 1)


def test_the_same_population_gives_the_same_plan() -> None:
    def planned() -> CentralPlan:
        return central_plan(population("scarcity", 1, FEW))

    assert planned() == planned()


def exhaustive(problem: PlanProblem) -> int:
    """Return the most that any choice of orders and options is worth whose work fits, minor units.

    Whether work fits is a flow from lots to periods. Dates between lots are left to the windows, which is
    enough where ways are short.
    """
    choices = [[None, *_ways(problem, number)] for number in range(len(problem.orders))]
    best = 0
    for choice in product(*choices):
        ways = [way for way in choice if way is not None]
        worth = sum(way[0] for way in ways)
        if worth > best and _fits(problem, [option for _, options in ways for option in options]):
            best = worth
    return -(-best // SCALE)


def _ways(problem: PlanProblem, number: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return all ways to make an order that are worth something, with their worth; no stock is split."""
    order = problem.orders[number]
    ways = []
    for options in product(*(range(lot.first, lot.last) for lot in order.lots)):
        worth = order.value * SCALE - sum(int(problem.exact.cost[option]) for option in options)
        for lot, option in zip(order.lots, options, strict=True):
            for feed in lot.feeds:
                pair = option - lot.first, options[feed.lot] - order.lots[feed.lot].first
                worth += int(feed.ways[pair]) + int(feed.spared[pair])
        if worth > 0 and worth > NEVER // 2:
            ways.append((worth, options))
    return ways


def _fits(problem: PlanProblem, options: list[int]) -> bool:
    graph: nx.DiGraph[object] = nx.DiGraph()
    need = 0
    for place, option in enumerate(options):
        need += int(problem.exact.need[option])
        graph.add_edge("work", ("lot", place), capacity=int(problem.exact.need[option]))
        for period, most in enumerate(problem.exact.most[option].tolist()):
            row = int(problem.row[option]) + period
            graph.add_edge(("lot", place), ("row", row), capacity=most)
            graph.add_edge(("row", row), "done", capacity=int(problem.exact.capacity[row]))
    return need == 0 or nx.maximum_flow_value(graph, "work", "done") == need
