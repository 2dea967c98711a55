"""Engines beside Takt: what is not installed is named, another outcome is no figure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.research import bench_engines
from benchmarks.research.bench_engines import CONTENDERS, Turns

MESA = next(contender for contender in CONTENDERS if contender.engine == "mesa")


def turn(monkeypatch: pytest.MonkeyPatch, python: Path, script: Path = bench_engines.SCRIPT) -> Turns:
    monkeypatch.setattr(bench_engines, "PYTHON", python)
    monkeypatch.setattr(bench_engines, "SCRIPT", script)
    turns = Turns(seconds=[])
    bench_engines._turn(MESA, 5, 50, turns)
    return turns


def test_an_engine_without_its_environment_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    turns = turn(monkeypatch, tmp_path / "python")
    assert turns.missing == "not installed: make bench-engines"
    assert not turns.seconds


def test_an_engine_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = turn(monkeypatch, Path(sys.executable))
    assert turns.missing == "does not run: ModuleNotFoundError: No module named 'mesa'"


def test_an_engine_that_comes_to_other_winners_has_no_figure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "engine.py"
    script.write_text('print(\'{"cpu_s": 1.0, "count": 50, "won": [9], "version": "1"}\')', encoding="utf-8")
    turns = turn(monkeypatch, Path(sys.executable), script)
    assert turns.missing == "comes to other winners"


def test_takt_itself_comes_to_the_winners_of_the_loop() -> None:
    takt = next(contender for contender in CONTENDERS if contender.orders_a_takt == 1)
    turns = Turns(seconds=[])
    bench_engines._turn(takt, 5, 20, turns)
    assert len(turns.seconds) == 1
