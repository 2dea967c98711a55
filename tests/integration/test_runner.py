"""The smallest scenario on the embedded market: real nats-server, SQLite, HTTP, Ray, a solver of its own.

Whatever dies in the middle, the outcome is that of the run in memory.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from market.engine.state import State
from scenarios import runner
from scenarios.embedded import RunningMarket, embedded_market
from scenarios.outcome import outcome_digest
from scenarios.population import Population, build
from scenarios.runner import Progress, run_in_memory, run_on_nats
from scenarios.scenario import load_scenario
from tests.integration.agents_market import until

SMOKE = Path(__file__).parents[2] / "scenarios" / "library" / "smoke"


@pytest.fixture(scope="module")
def population() -> Population:
    return build(load_scenario(SMOKE))


@pytest.fixture(scope="module")
def in_memory(population: Population) -> str:
    state, _ = run_in_memory(population, _quiet)
    assert {record.state for record in state.orders.values()} == {"settled", "unserved"}
    return outcome_digest(state)


def _quiet(_: Progress) -> None:
    pass


class _Disturbed:
    """Runs a scenario and does something to the market while a round is open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, disturb: Callable[[RunningMarket], None]) -> None:
        self.disturb = disturb
        self.happened = False
        self._market: RunningMarket | None = None
        monkeypatch.setattr(runner, "embedded_market", self._embedded)

    @asynccontextmanager
    async def _embedded(self, *args: Any, **options: Any) -> AsyncIterator[RunningMarket]:  # noqa: ANN401
        async with embedded_market(*args, **options) as market:
            self._market = market
            yield market

    def _round_is_open(self) -> bool:
        state = None if self._market is None else self._market.service.state_of().state
        return state is not None and state.round is not None and state.round.state == "open"

    async def run(self, population: Population, folder: Path) -> State:
        async def disturbance() -> None:
            await until(self._round_is_open)
            assert self._market is not None
            self.disturb(self._market)
            self.happened = True

        disturbing = asyncio.create_task(disturbance())
        state, _ = await run_on_nats(population, folder, _quiet)
        await disturbing
        assert self.happened
        return state


def _kill_hosts(_: RunningMarket) -> None:
    hosts = [one for one in psutil.Process().children(recursive=True) if "CompanyHost" in one.name()]
    assert len(hosts) == 2
    for host in hosts:
        host.send_signal(signal.SIGKILL)


def _kill_nats(market: RunningMarket) -> None:
    os.kill(market.nats.pid, signal.SIGKILL)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("hosts", [1, 2])
async def test_a_run_over_nats_and_ray_comes_to_the_outcome_of_the_run_in_memory(
    population: Population, in_memory: str, tmp_path: Path, hosts: int
) -> None:
    shown: list[Progress] = []
    state, record = await run_on_nats(population, tmp_path, shown.append, hosts=hosts)
    assert outcome_digest(state) == in_memory
    assert shown
    assert record.first_award_wall_ms is not None
    assert record.messages["takt.bid_sheet.v1"] > 0
    assert not (tmp_path / "market.json").exists()


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("kill", [_kill_hosts, _kill_nats])
async def test_what_is_killed_while_a_round_is_open_comes_back_and_the_outcome_is_the_same(
    population: Population,
    in_memory: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kill: Callable[[RunningMarket], None],
) -> None:
    state = await _Disturbed(monkeypatch, kill).run(population, tmp_path)
    assert outcome_digest(state) == in_memory


@pytest.mark.parametrize("hash_seed", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_the_hash_seed_of_python_changes_nothing(in_memory: str, tmp_path: Path, hash_seed: str) -> None:
    command = [str(Path(sys.executable).parent / "takt"), "run", str(SMOKE), "--out", str(tmp_path)]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"outcome {in_memory}" in done.stdout
