"""Outcome digests that every Python, hash seed and number of workers must come to.

``python -m tests.golden.outcome_digests`` prints them; with ``--write`` it writes them anew, after a change
that is meant to change outcomes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from market.adapters.manual_clock import ManualClock
from scenarios.faults import ROUGH
from scenarios.imports.case_folder import scenario_of_tables
from scenarios.mechanisms import MechanismName
from scenarios.outcome import outcome_digest
from scenarios.scenario import load_scenario
from scenarios.simulator import Simulation
from scenarios.study.cell import Cell, run_cell
from tests.simulation.populations import random_population

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("outcome-digests.json")
CELLS: tuple[tuple[str, int, MechanismName], ...] = (
    ("smoke", 1, "pay_as_bid"),
    ("smoke", 2, "vcg"),
    ("smoke", 3, "multi_round"),
    ("scarcity", 2, "pay_as_bid"),
    ("scarcity", 5, "greedy"),
)
RANDOM_SEEDS = (1, 5, 17)


def digests() -> dict[str, str]:
    """Run every case of the list and return its digest."""
    found = {}
    for scenario, seed, mechanism in CELLS:
        case = load_scenario(ROOT / "scenarios" / "library" / scenario)
        cell = Cell(seed=seed, mechanism=mechanism, settings={})
        found[f"{scenario}, seed {seed}, {mechanism}"] = run_cell(case, cell, ManualClock(0)).outcome_digest
    with tempfile.TemporaryDirectory() as folder:
        # The folder's name is the market's, and ids hang on that.
        made = scenario_of_tables(
            ROOT / "docs" / "cases" / "gearboxes", Path(folder) / "gearboxes", currency="EUR"
        )
        cell = Cell(seed=1, mechanism="pay_as_bid", settings={})
        found["gearboxes"] = run_cell(load_scenario(made.file), cell, ManualClock(0)).outcome_digest
    for seed in RANDOM_SEEDS:
        simulation = Simulation(
            random_population(seed), stopwatch=ManualClock(0), faults=ROUGH, fault_seed=seed
        )
        simulation.run()
        found[f"random {seed}, every fault"] = outcome_digest(simulation.kernel.state)
    return found


if __name__ == "__main__":
    text = json.dumps(digests(), indent=1) + "\n"
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
