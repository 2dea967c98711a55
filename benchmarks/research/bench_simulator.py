"""What a study costs: auctions and agents per CPU-second in the simulator, and the speed-up of a sweep.

``python -m benchmarks.research.bench_simulator [--agents 10,100,1000] [--sweep]``. Times are CPU seconds of
this process (wall seconds for the sweep), each beside a named alternative measured in the same run.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence

from agents.profile import CustomerProfile, PlantProfile, Pricing, Profile, Shift, WorkCentre, admission
from benchmarks.cnp import workload
from benchmarks.cnp.in_process import PLANTS, InProcess
from benchmarks.research.bench_sweep import CELLS, sweep
from market.model.network import Network, Site
from market.model.rules import Rules
from scenarios.collector import seldom_collected
from scenarios.population import Population, TimedOrder
from scenarios.simulator import Simulation
from takt_sdk.model.capability import Capability, Requirement
from takt_sdk.model.messages import SubmitOrder
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import PlannedLot, ProcessPlan
from takt_sdk.model.values import DAY_US, HOUR_US, MINUTE_US, PeriodGrid
from takt_sdk.wall_clock import WallClock

START_US = 20_605 * DAY_US
FAMILY = 20
"""Plants of a contract net."""
STEPS_SHOWN_AT = 100
"""Orders a takt of the run whose steps are printed."""
RIVALS = 10
"""Plants that compete for an order of a population, however many there are: as many as the smallest has."""
ORDERS_A_TAKT_PER_FAMILY = 2
TAKTS = 5
CITY = "hub"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", default="10,100,1000,10000")
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--sweep", action="store_true", help="also measure a sweep with one and two workers")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    _contract_nets(given.orders)
    _populations([int(count) for count in given.agents.split(",")])
    if given.sweep:
        sweep(CELLS)


def _contract_nets(orders: int) -> None:
    table = workload.prices(FAMILY, orders)
    expected = workload.winners(table)
    started_s = time.process_time()
    for _ in range(20):
        workload.winners(table)
    plain = 20 * orders / max(1e-9, time.process_time() - started_s)
    print(f"contract nets of {FAMILY} plants, from order to confirmed contract, journal in memory")
    print(f"auctions per CPU-second; the plain loop {plain:,.0f}")
    shown: Mapping[str, float] = {}
    for batch in (1, 100, 1000):
        count = max(50, orders // 10) if batch == 1 else orders
        market, won = _whole_engine(table[:count], batch)
        assert won == expected[:count], "the market must come to the loop's winners"
        together = sum(market.spent_s.values())
        alone = together - sum(market.spent_s[step] for step in PLANTS)
        print(
            f"  {batch:>5} orders a takt: market and plants {count / together:>8,.0f}"
            f"   {count / together / plain:.5f} of the loop"
            f"   market alone {count / alone:>8,.0f}   {count / alone / plain:.5f} of the loop"
        )
        if batch == STEPS_SHOWN_AT:
            shown = market.spent_s
    print(f"\nCPU microseconds per auction at {STEPS_SHOWN_AT} orders a takt, {FAMILY} bids each")
    for step, spent_s in sorted(shown.items(), key=lambda row: -row[1]):
        print(f"  {1e6 * spent_s / orders:>7.1f}  {step}{'' if step not in PLANTS else '  (not the market)'}")


def _whole_engine(table: list[list[int]], batch: int) -> tuple[InProcess, list[int]]:
    """Return a market that has auctioned a table, warm before it began, and who won what."""
    InProcess(FAMILY, signed=False).run(table[:1], 1)
    with seldom_collected():
        market = InProcess(FAMILY, signed=False)
        market.spent_s.clear()
        return market, market.run(table, batch)


def _populations(counts: Sequence[int]) -> None:
    Simulation(_population(counts[0]), stopwatch=WallClock()).run()  # imports and first calls
    print(f"\nagents, cost of a run in which every order is called at {RIVALS} plants")
    print(f"  {'agents':>8} {'orders':>8} {'CPU s':>8} {'ms per order':>14} {'agent-takts per CPU s':>24}")
    first: float | None = None
    for count in counts:
        population = _population(count)
        simulation = Simulation(population, stopwatch=WallClock())
        with seldom_collected():
            started_s = time.process_time()
            simulation.run()
            spent_s = time.process_time() - started_s
        orders = len(population.orders)
        per_order = 1000 * spent_s / orders
        first = first or per_order
        agent_takts = (count + 1) * len(simulation.record.cleared) / spent_s
        served = sum(1 for order in simulation.kernel.state.orders.values() if order.pieces)
        assert served == orders, f"{served} of {orders} orders served"
        print(
            f"  {count:>8,} {orders:>8,} {spent_s:>8.1f} {per_order:>14.2f} {agent_takts:>24,.0f}"
            f"   {per_order / first:.2f} of the first"
        )


def _population(count: int) -> Population:
    """Return ``count`` plants in families of `RIVALS`, and orders for every family."""
    families = max(1, count // RIVALS)
    profiles: list[Profile] = [CustomerProfile(participant="customer", site=CITY)]
    for index in range(count):
        process = f"p{index % families}"
        centre = WorkCentre(
            id="machine",
            capabilities=(Capability(process=process, materials=("any",)),),
            shifts=(Shift(start_minute=0, end_minute=1440, weekdays=(0, 1, 2, 3, 4, 5, 6)),),
            rate_minor_per_hour=5_000 + 7 * index % 1_000,
        )
        profiles.append(
            PlantProfile(
                participant=f"plant-{index:05d}",
                site=CITY,
                work_centres=(centre,),
                pricing=Pricing(alternatives=1),
            )
        )
    profiles.sort(key=lambda profile: profile.participant)
    rules = Rules(
        takt_us=12 * HOUR_US,
        response_us=HOUR_US,
        periods=PeriodGrid(origin_us=START_US, length_us=DAY_US),
        max_periods=40,
        transit_us=0,
        clearing_work=2_000,
        max_lots_per_round=100_000,
    )
    return Population(
        market="bench",
        title="bench",
        seed=1,
        start_us=START_US,
        end_us=START_US + 30 * DAY_US,
        rules=rules,
        network=Network(sites=(Site(id=CITY, name="Hub", country="DE"),)),
        profiles=tuple(profiles),
        admissions=tuple(admission(profile) for profile in profiles),
        parts=(),
        orders=tuple(_orders(families)),
        breakdowns=(),
        beat_us=12 * HOUR_US,
        mechanism="pay_as_bid",
    )


def _orders(families: int) -> list[TimedOrder]:
    orders = []
    for takt in range(TAKTS):
        for number in range(families * ORDERS_A_TAKT_PER_FAMILY):
            lot = PlannedLot(
                id="make",
                kind="operation",
                requirement=Requirement(process=f"p{number % families}", material="any"),
                run_time_us=MINUTE_US,
            )
            at_us = START_US + takt * 12 * HOUR_US
            terms = OrderTerms(
                quantity=10 + number % 20,
                destination=CITY,
                release_us=at_us + DAY_US,
                due_us=at_us + 10 * DAY_US,
                deadline_us=at_us + 12 * DAY_US,
                reservation_value_minor=10**7,
                good_for_takts=10,
            )
            command = SubmitOrder(
                idempotency_key=f"o-{takt}-{number}",
                part_id="part",
                terms=terms,
                plan=ProcessPlan(lots=(lot,)),
            )
            orders.append(TimedOrder(at_us=at_us, customer="customer", command=command))
    return orders


if __name__ == "__main__":
    main()
