"""A market's own log under other rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from market.adapters.journal import open_journal
from market.adapters.solver_pulp import PulpSolver
from market.ports import Decided
from scenarios.cli import main
from scenarios.population import build
from scenarios.scenario import load_scenario
from scenarios.simulator import Simulation
from scenarios.study.replay import Compared, WhatIf, replay
from takt_sdk.wall_clock import OsEntropy, WallClock

SMOKE = Path(__file__).resolve().parents[4] / "scenarios" / "library" / "smoke"


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    found = Simulation(build(load_scenario(SMOKE), seed=1), stopwatch=WallClock())
    found.run()
    return found


def replayed(simulation: Simulation, what: WhatIf) -> list[Compared]:
    return list(replay(simulation.journal, what, solver=PulpSolver(), stopwatch=WallClock()))


def test_the_same_rules_come_to_what_happened(simulation: Simulation) -> None:
    found = replayed(simulation, WhatIf())
    assert len(found) == len(simulation.record.cleared) > 0
    assert all(one.happened == one.instead for one in found)


def test_another_mechanism_pays_otherwise_for_the_same_work(simulation: Simulation) -> None:
    found = replayed(simulation, WhatIf(mechanism="core"))
    assert {one.instead.mechanism for one in found} == {"core"}
    assert [one.instead.welfare_minor for one in found] == [one.happened.welfare_minor for one in found]
    assert not any(one.instead.refusal for one in found)
    assert all(one.instead.payments_minor >= one.happened.payments_minor for one in found)
    assert any(one.instead.payments_minor > one.happened.payments_minor for one in found)


def test_a_mechanism_that_finds_no_payments_awards_nothing(simulation: Simulation) -> None:
    """As a market under it would: the supplier of smoke is alone, and its pivot is all there is."""
    found = [one for one in replayed(simulation, WhatIf(mechanism="vcg")) if one.happened.served]
    assert found
    for one in found:
        assert one.instead.refusal.startswith("vcg: ")
        assert (one.instead.served, one.instead.welfare_minor, one.instead.payments_minor) == (0, 0, 0)


def test_without_a_plant_less_is_served_or_it_costs_more(simulation: Simulation) -> None:
    found = replayed(simulation, WhatIf(without=frozenset({"paris-mill"})))
    happened, instead = (
        sum(side.welfare_minor or 0 for side in column)
        for column in zip(*((one.happened, one.instead) for one in found), strict=True)
    )
    assert instead < happened


def test_the_command_reads_a_journal_and_states_what_it_assumes(
    simulation: Simulation, tmp_path: Path
) -> None:
    file, out = tmp_path / "journal.sqlite", tmp_path / "rounds.json"
    journal = open_journal(str(file), entropy=OsEntropy())
    journal.append([Decided(entry=stored.entry) for stored in simulation.journal.read()])
    journal.close()
    shown = CliRunner().invoke(
        main, ["replay", str(file), "--mechanism", "greedy", "--out", str(out)], env={"COLUMNS": "120"}
    )
    assert shown.exit_code == 0, shown.output
    assert "bids are the same under any rule" in shown.output
    assert len(json.loads(out.read_text())["rounds"]) == len(simulation.record.cleared)
    nothing = CliRunner().invoke(main, ["replay", str(tmp_path / "none")])
    assert nothing.exit_code == 2
    assert "does not exist" in nothing.output
    stranger = CliRunner().invoke(
        main, ["replay", str(file), "--without", "paris-mill", "--without", "nobody"]
    )
    assert stranger.exit_code == 2
    assert "'--without': nobody bid in no round" in stranger.output


def test_a_markets_folder_means_its_journal(simulation: Simulation, tmp_path: Path) -> None:
    empty = CliRunner().invoke(main, ["verify", str(tmp_path)])
    assert empty.exit_code == 2
    assert "is a folder without a journal.db" in empty.output
    journal = open_journal(str(tmp_path / "journal.db"), entropy=OsEntropy())
    journal.append([Decided(entry=stored.entry) for stored in simulation.journal.read()])
    journal.close()
    for command in ("verify", "replay"):
        assert CliRunner().invoke(main, [command, str(tmp_path)]).exit_code == 0
