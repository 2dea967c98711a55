"""The same scenario and seed come to the same digests in any process, whatever hashes its strings get."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
from market.adapters.codec import state_digest
from market.adapters.manual_clock import ManualClock
from scenarios.faults import ROUGH
from scenarios.outcome import outcome_digest
from scenarios.simulator import Simulation
from tests.simulation.populations import random_population

for seed in (1, 5, 17):
    population = random_population(seed)
    simulation = Simulation(population, stopwatch=ManualClock(0), faults=ROUGH, fault_seed=seed)
    simulation.run()
    print(outcome_digest(simulation.kernel.state), state_digest(simulation.kernel.state))
"""


def digests(python: str, hash_seed: str) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, "-c", PROGRAM],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_hash_seeds_change_nothing() -> None:
    first = digests(sys.executable, "1")
    assert first.count("sha256:") == 3
    assert digests(sys.executable, "2") == first


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_python_versions_change_nothing(version: str) -> None:
    """Run where TAKT_PYTHONS names a folder of environments (3.12, 3.13 …) that hold the requirements."""
    folder = os.environ.get("TAKT_PYTHONS")
    python = None if folder is None else shutil.which(f"{folder}/{version}/bin/python")
    if python is None:
        pytest.skip(f"TAKT_PYTHONS names no environment of Python {version}")
    assert digests(python, "0") == digests(sys.executable, "0")
