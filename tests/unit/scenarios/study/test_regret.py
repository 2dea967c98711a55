from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.cli import main
from scenarios.scenario import load_scenario
from scenarios.study.regret import MARGINS_PPM, regret
from takt_sdk.wall_clock import WallClock

SMOKE = Path(__file__).resolve().parents[4] / "scenarios" / "library" / "smoke"


def test_a_seller_that_is_paid_its_bid_regrets_the_truth() -> None:
    found = regret(load_scenario(SMOKE), "paris-mill", "pay_as_bid", seeds=range(1, 5), stopwatch=WallClock())
    assert found.truthful_profit.mean == 0
    assert found.regret.mean > 0
    assert [one.margin_ppm for one in found.deviations] == list(MARGINS_PPM)
    assert max(one.gain.mean for one in found.deviations) <= found.regret.mean


def test_a_seller_who_never_wins_regrets_nothing_and_the_table_says_so() -> None:
    shown = CliRunner().invoke(
        main,
        ["regret", str(SMOKE), "--seller", "cologne-mill", "--seeds", "1", "--mechanism", "pay_as_bid"],
        env={"COLUMNS": "160"},
    )
    assert shown.exit_code == 0, shown.output
    assert "regret" in shown.output


def test_nobody_of_that_name_is_an_error() -> None:
    shown = CliRunner().invoke(main, ["regret", str(SMOKE), "--seller", "nobody", "--seeds", "1"])
    assert shown.exit_code == 1
    assert "matches nobody; was 'nobody'" in shown.output


@pytest.mark.parametrize("seeds", ["0", "x"])
def test_seeds_are_counted(seeds: str) -> None:
    assert CliRunner().invoke(main, ["regret", str(SMOKE), "--seller", "x", "--seeds", seeds]).exit_code == 2


def test_any_mechanism_that_runs_can_be_asked() -> None:
    shown = CliRunner().invoke(
        main,
        ["regret", str(SMOKE), "--seller", "cologne-mill", "--seeds", "1", "--mechanism", "first_come"],
        env={"COLUMNS": "160"},
    )
    assert shown.exit_code == 0, shown.output
    assert "first_come" in shown.output
