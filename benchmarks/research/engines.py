"""Run one other engine on the workload CNP and print what it took.

A script of its own that needs the engine only, so that it runs in the environment that the engine lives in.

    python benchmarks/research/engines.py ENGINE PLANTS ORDERS

Prints one JSON object: the engine's version, auctions (or what it has in their place), CPU seconds without
imports and set-up, and the winners by index, where it has winners.
"""

from __future__ import annotations

import json
import random
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.cnp import workload

SCML_DAYS = 10
Found = dict[str, Any]


def mesa(plants: int, orders: int) -> Found:
    """Ask every plant, an agent, for its price of each order; the model takes the lowest."""
    from mesa import Agent, Model  # noqa: PLC0415 - one engine per process

    table = workload.prices(plants, orders)

    class Plant(Agent):  # type: ignore[misc]
        """A plant that knows its column of the table."""

        def __init__(self, model: Market, index: int) -> None:
            super().__init__(model)
            self.index = index

        def bid(self) -> None:
            self.model.bids.append((table[self.model.order][self.index], self.index))

    class Market(Model):  # type: ignore[misc]
        """One order a step."""

        def __init__(self) -> None:
            super().__init__(seed=1)
            self.order = 0
            self.bids: list[tuple[int, int]] = []
            self.won: list[int] = []
            for index in range(plants):
                Plant(self, index)

        def step(self) -> None:
            self.bids = []
            self.agents.do("bid")
            self.won.append(min(self.bids)[1])
            self.order += 1

    model = Market()
    started_s = time.process_time()
    for _ in range(orders):
        model.step()
    return {"cpu_s": time.process_time() - started_s, "count": orders, "won": model.won}


def auctionsi(plants: int, orders: int) -> Found:
    """Run a sealed first-price auction for each order; plants are function agents, all in memory."""
    from auctionsi import LowestPrice, Marketplace, PythonFunctionAgent, Task  # noqa: PLC0415

    table = workload.prices(plants, orders)

    def price_of(plant: int) -> Callable[[Any], float]:
        return lambda task: float(table[int(task.task_id)][plant])

    market = Marketplace(policy=LowestPrice())
    for plant in range(plants):
        market.register(
            PythonFunctionAgent(
                f"plant-{plant:03d}",
                lambda _task, _contract: {"done": True},
                capabilities=["make"],
                price=price_of(plant),
            )
        )
    tasks = [Task(task_id=str(number), task_type="make", budget=10.0**9) for number in range(orders)]
    started_s = time.process_time()
    results = [market.submit_task(task) for task in tasks]
    spent_s = time.process_time() - started_s
    return {"cpu_s": spent_s, "count": orders, "won": [int(r.winner.rpartition("-")[2]) for r in results]}


def scml(plants: int, orders: int) -> Found:
    """Run a one-shot world of so many sellers; it has no auction: counted are negotiations of a pair."""
    import numpy as np  # noqa: PLC0415
    from scml.oneshot import SCML2024OneShotWorld  # noqa: PLC0415
    from scml.oneshot.agents import EqualDistOneShotAgent  # noqa: PLC0415

    warnings.simplefilter("ignore")
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the generator that it draws from
    buyers = max(1, orders // (20 * SCML_DAYS))
    world = SCML2024OneShotWorld(
        **SCML2024OneShotWorld.generate(
            agent_types=[EqualDistOneShotAgent],
            n_steps=SCML_DAYS,
            n_processes=2,
            n_agents_per_process=[plants, buyers],
        )
    )
    started_s = time.process_time()
    world.run()
    spent_s = time.process_time() - started_s
    return {"cpu_s": spent_s, "count": int(sum(world.stats["n_negotiations"])), "won": None}


ENGINES: dict[str, Callable[[int, int], Found]] = {"mesa": mesa, "auctionsi": auctionsi, "scml": scml}


def main() -> None:
    """Run an engine."""
    name, plants, orders = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    found = ENGINES[name](plants, orders)
    print(json.dumps({"engine": name, "version": version(name), **found}))


if __name__ == "__main__":
    main()
