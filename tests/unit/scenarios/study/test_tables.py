"""Sweeps on disk, and what is made of their tables."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.cli import main
from scenarios.errors import ScenarioFileError
from scenarios.mechanisms import MECHANISM_NAMES
from scenarios.study.cell import Cell, Row
from scenarios.study.compare import RATIOS, findings
from scenarios.study.export import differences_table, means_table, shown, to_csv, to_latex
from scenarios.study.figures import means_figure, svg, write
from scenarios.study.metrics import METRICS
from scenarios.study.metrics_page import PAGE, page
from scenarios.study.metrics_page import table as table_of_metrics
from scenarios.study.statistics import adjusted, difference, estimate
from scenarios.study.sweep import Sweep, cells, load_sweep, points
from scenarios.study.table import BATCH_ROWS, StudyTable, read_table, rows_of

ROOT = Path(__file__).resolve().parents[4]
SMOKE = ROOT / "scenarios" / "library" / "smoke"


def sweep_file(folder: Path, extra: str = "") -> Path:
    file = folder / "sweep.toml"
    file.write_text(
        f'kind = "takt.sweep.v1"\nname = "try"\nscenario = "{SMOKE}"\nseeds = 2\n'
        f'mechanisms = ["pay_as_bid", "greedy"]\n{extra}'
    )
    return file


def sweep(**given: object) -> Sweep:
    return Sweep.model_validate_json(json.dumps({"name": "try", "scenario": "x", **given}))


# --- plans -----------------------------------------------------------------------------------


def test_designs_combine_parameters_as_they_say() -> None:
    two = [{"path": "a", "values": [1, 2]}, {"path": "b", "values": [5, 6]}]
    assert len(points(sweep(parameters=two))) == 4
    assert points(sweep(parameters=two, design="list")) == [{"a": 1, "b": 5}, {"a": 2, "b": 6}]
    ranged = [{"path": "a", "low": 0, "high": 99}, {"path": "b", "values": ["x", "y"]}]
    drawn = points(sweep(parameters=ranged, design="latin_hypercube", samples=10))
    assert sorted(int(str(point["a"])) // 10 for point in drawn) == list(range(10))
    assert sorted(str(point["b"]) for point in drawn) == ["x"] * 5 + ["y"] * 5
    assert drawn == points(sweep(parameters=ranged, design="latin_hypercube", samples=10))
    assert points(sweep()) == [{}]


def test_cells_run_every_mechanism_on_the_same_seeds() -> None:
    planned = list(cells(sweep(seeds=3, first_seed=4, mechanisms=["vcg", "core"])))
    assert [(cell.seed, cell.mechanism) for cell in planned] == [
        (seed, name) for seed in (4, 5, 6) for name in ("vcg", "core")
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('mechanisms = ["dice"]', "mechanisms[0]"),
        ("seeds = 0", "line 4"),
        ('design = "all"', "line 6: design"),
        ('[[parameters]]\npath = "rules.fee_ppm"', "either values, or low and high, are due"),
        ('[[parameters]]\npath = "rules.fee_ppm"\nlow = 0\nhigh = 9', "are for a latin_hypercube"),
        ("colour = 1", "colour: is no key of this section; was 1"),
    ],
)
def test_a_wrong_sweep_file_is_refused_with_field_line_and_value(
    tmp_path: Path, line: str, message: str
) -> None:
    file = sweep_file(tmp_path)
    name = line.partition(" ")[0]
    kept = [old for old in file.read_text().splitlines() if not old.startswith(f"{name} =")]
    if name == "seeds":
        kept.insert(3, line)
    else:
        kept.append(line)
    file.write_text("\n".join(kept))
    with pytest.raises(ScenarioFileError, match=re.escape(message)):
        load_sweep(file)


# --- tables ----------------------------------------------------------------------------------


def rows(count: int, shift: float = 0.0) -> list[tuple[int, Cell, Row]]:
    found = []
    for number in range(count):
        cell = Cell(
            seed=number // 2,
            mechanism=("pay_as_bid", "greedy")[number % 2],
            settings={"rules.fee_ppm": 1},
            label="fee_ppm=1",
        )
        welfare = 1_000.0 + 10 * (number // 2) - (50 + shift + number // 2 % 3) * (number % 2)
        metrics: dict[str, float | None] = dict.fromkeys(METRICS)
        metrics["welfare"] = welfare
        found.append((number, cell, Row(cell=cell, metrics=metrics, outcome_digest=f"d{number}")))
    return found


def filled(folder: Path, given: Sequence[tuple[int, Cell, Row]]) -> bytes:
    table = StudyTable(folder, {"of": "test"})
    for number, cell, row in given:
        table.add(number, cell, row)
    return table.merged().read_bytes()


def test_a_table_is_the_same_whatever_came_first_and_however_it_was_cut(tmp_path: Path) -> None:
    given = rows(3 * BATCH_ROWS + 7)
    forward, backward = filled(tmp_path / "a", given), filled(tmp_path / "b", given[::-1])
    assert forward == backward
    table = StudyTable(tmp_path / "c", {"of": "test"})
    for number, cell, row in given[:60]:
        table.add(number, cell, row)
    del table  # killed: every row that was taken is there
    assert len(list((tmp_path / "c" / "parts").iterdir())) == 1 + 60 - BATCH_ROWS
    again = StudyTable(tmp_path / "c", {"of": "test"})
    done = again.done()
    assert done == set(range(60))
    for number, cell, row in given:
        if number not in done:
            again.add(number, cell, row)
    assert again.merged().read_bytes() == forward


def test_a_row_that_was_packed_when_the_power_went_counts_once(tmp_path: Path) -> None:
    given = rows(BATCH_ROWS + 3)
    whole = filled(tmp_path / "a", given)
    table = StudyTable(tmp_path / "b", {"of": "test"})
    for number, cell, row in given[: BATCH_ROWS - 1]:
        table.add(number, cell, row)
    singles = {part: part.read_bytes() for part in (tmp_path / "b" / "parts").iterdir()}
    for number, cell, row in given[BATCH_ROWS - 1 :]:
        table.add(number, cell, row)
    for part, data in singles.items():
        part.write_bytes(data)
    assert StudyTable(tmp_path / "b", {"of": "test"}).merged().read_bytes() == whole


def test_a_folder_keeps_one_study(tmp_path: Path) -> None:
    StudyTable(tmp_path, {"seeds": 1})
    StudyTable(tmp_path, {"seeds": 1})
    with pytest.raises(ScenarioFileError, match="holds another study"):
        StudyTable(tmp_path, {"seeds": 2})


# --- statistics ------------------------------------------------------------------------------


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    import numpy as np  # noqa: PLC0415 - only here

    stream = np.random.default_rng(1)
    hits = 0
    for trial in range(120):
        found = estimate((10 + stream.normal(size=25)).tolist(), f"trial {trial}")
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 10 <= found.high
    assert 0.86 <= hits / 120 <= 0.99


def test_paired_differences_find_what_unpaired_noise_would_hide() -> None:
    noisy = [100.0 * k for k in range(12)]
    pairs = [(value + 1 + k % 3, value) for k, value in enumerate(noisy)]
    found = difference("welfare", "one", "other", pairs)
    assert found.estimate.mean == pytest.approx(2.0)
    assert found.p is not None
    assert found.p < 0.01
    assert difference("welfare", "a", "b", [(1.0, 1.0)] * 5).p == 1.0
    assert difference("welfare", "a", "b", [(2.0, 1.0)]).p is None


def test_many_comparisons_are_corrected() -> None:
    import numpy as np  # noqa: PLC0415 - only here

    stream = np.random.default_rng(3)
    none = [
        difference("welfare", f"g{k}", "base", [(float(a), float(b)) for a, b in stream.normal(size=(12, 2))])
        for k in range(60)
    ]
    corrected = adjusted(none)
    assert sum((one.p or 1) < 0.05 for one in none) >= 1
    assert sum((one.p_adjusted or 1) < 0.05 for one in corrected) == 0


# --- findings --------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    filled(tmp_path, rows(20))
    return tmp_path


def test_findings_name_the_difference_and_its_interval(table: Path) -> None:
    found = findings(rows_of(read_table(table)), baseline="pay_as_bid", metrics=())
    assert found.metrics == ("welfare",)
    (one,) = found.differences
    assert (one.one, one.other) == ("greedy (fee_ppm=1)", "pay_as_bid (fee_ppm=1)")
    assert one.estimate.mean == pytest.approx(-50.9)
    assert one.p_adjusted is not None
    assert one.p_adjusted < 0.05
    with pytest.raises(ValueError, match="was 'vcg'"):
        findings(rows_of(read_table(table)), baseline="vcg", metrics=())


def test_the_share_of_the_optimum_is_an_interval() -> None:
    given = [
        {
            "mechanism": name,
            "settings": "{}",
            "seed": 1,
            "error": "",
            "welfare": welfare,
            "welfare_bound": bound,
        }
        for name, welfare, bound in (("pay_as_bid", 90.0, None), ("clairvoyant", 100.0, 120.0))
    ]
    found = findings(given, baseline=None, metrics=())
    means = {(group.mechanism, name): value.mean for (group, name), value in found.means.items()}
    assert means["pay_as_bid", "optimum_share_low"] == pytest.approx(75.0)
    assert means["pay_as_bid", "optimum_share_high"] == pytest.approx(90.0)
    assert means["clairvoyant", "optimum_share_high"] == pytest.approx(100.0)


def test_many_groups_stand_below_each_other_and_lose_no_figure() -> None:
    given = [
        {
            "mechanism": f"m{number}",
            "settings": "{}",
            "seed": seed,
            "error": "",
            "welfare": 7.0 * number + seed,
        }
        for number in range(1, 10)
        for seed in (1, 2, 3)
    ]
    found = findings(given, baseline=None, metrics=())
    header, lines = means_table(found)
    assert header == ["metric", "unit", "group", "mean"]
    assert [line[2] for line in lines] == [f"m{number}" for number in range(1, 10)]
    assert all(
        line[3] == shown(found.means[group, "welfare"])
        for line, group in zip(lines, found.groups, strict=True)
    )


@pytest.mark.parametrize(("last", "draws"), [(80.0, 1), (81.0, 9)])
def test_seeds_of_which_nothing_is_drawn_are_one_draw(last: float, draws: int) -> None:
    """Nine runs of one orders file with given costs are one: p would be 0.004 for any difference at all."""
    given = [
        {
            "mechanism": name,
            "settings": "{}",
            "seed": seed,
            "error": "",
            "welfare": last if (name, seed) == ("greedy", 9) else welfare,
            "hhi": 2000.0 + seed,  # ties are drawn, and who wins them
        }
        for name, welfare in (("pay_as_bid", 90.0), ("greedy", 80.0))
        for seed in range(1, 10)
    ]
    found = findings(given, baseline=None, metrics=("welfare",))
    assert {value.count for value in found.means.values()} == {draws}
    (only,) = found.differences
    assert (only.p is None) == (only.estimate.low is None) == (draws == 1)
    told = "every group: 9 of 9 seeds came to the same"
    assert any(note.text.startswith(told) for note in found.notes) == (draws == 1)


def test_a_mechanism_that_beats_the_plan_found_is_the_best_known() -> None:
    reached = (("greedy", 110.0, None), ("local", 55.0, None), ("clairvoyant", 100.0, 120.0))
    given = [
        {
            "mechanism": name,
            "settings": "{}",
            "seed": 1,
            "error": "",
            "welfare": welfare,
            "welfare_bound": bound,
        }
        for name, welfare, bound in reached
    ]
    found = findings(given, baseline=None, metrics=())
    means = {(group.mechanism, name): value.mean for (group, name), value in found.means.items()}
    assert means["greedy", "optimum_share_high"] == pytest.approx(100.0)
    assert means["local", "optimum_share_high"] == pytest.approx(50.0)
    assert means["clairvoyant", "optimum_share_high"] == pytest.approx(100.0 * 100 / 110)


def test_terminal_page_latex_and_csv_tell_of_the_same_failures_and_unpaid_takts(tmp_path: Path) -> None:
    table = StudyTable(tmp_path, {"of": "notes"})
    for number, cell, row in rows(8):
        if number == 6:
            table.add(number, cell, None, "strategies[0].sellers: matches nobody; was 'x_y'")
            continue
        unpaid = {"takts": 5.0, "unpaid_takts": float(number) if cell.mechanism == "greedy" else 0.0}
        table.add(number, cell, replace(row, metrics={**row.metrics, **unpaid}))
    table.merged()
    runner = CliRunner()
    shown = runner.invoke(main, ["compare", str(tmp_path)], env={"COLUMNS": "200"})
    assert runner.invoke(main, ["report", str(tmp_path)]).exit_code == 0
    folder = tmp_path / "report"
    page = (folder / "index.html").read_text()
    for text in (
        "pay_as_bid (fee_ppm=1): 1 of 4 cells have no figures: strategies[0].sellers: matches nobody",
        "greedy (fee_ppm=1): 16 of 20 takts found no payments, so they awarded nothing",
    ):
        assert text in shown.output
        assert text in page
        for name in ("means", "differences"):
            assert text.replace("_", r"\_") in (folder / f"{name}.tex").read_text()
    lines = (folder / "findings.csv").read_text().splitlines()
    assert "note,have no figures,cells,pay_as_bid (fee_ppm=1),,4,1,,,," in lines
    assert "note,found no payments,takts,greedy (fee_ppm=1),,20,16,,,," in lines


def test_csv_latex_and_page_hold_the_same_means(table: Path) -> None:
    found = findings(rows_of(read_table(table)), baseline=None, metrics=())
    assert CliRunner().invoke(main, ["report", str(table)]).exit_code == 0
    folder = table / "report"
    page, latex = (folder / "index.html").read_text(), (folder / "means.tex").read_text()
    lines = (folder / "findings.csv").read_text().splitlines()
    for (group, metric), mean in found.means.items():
        assert f"<td>{shown(mean)}</td>" in page
        (line,) = (line for line in latex.splitlines() if line.startswith(metric.replace("_", r"\_")))
        assert shown(mean) in line
        figures = f"{mean.count},{mean.mean},{mean.low},{mean.high}"
        assert f"mean,{metric},minor,{group.name},,{figures},," in lines


def test_exports_hold_every_figure(table: Path, tmp_path: Path) -> None:
    found = findings(rows_of(read_table(table)), baseline=None, metrics=())
    lines = to_csv(found).splitlines()
    assert len(lines) == 1 + 2 + 1
    assert lines[1].startswith("mean,welfare,minor,pay_as_bid (fee_ppm=1),,10,1045.0,")
    latex = to_latex(*means_table(found), "Means & more")
    assert r"pay\_as\_bid (fee\_ppm=1)" in latex
    assert r"\caption{Means \& more}" in latex
    assert len(differences_table(found)[1]) == 1
    picture = svg(means_figure(found, "welfare"))
    assert picture == svg(means_figure(found, "welfare"))
    assert "pay_as_bid (fee_ppm=1)" in picture
    write(means_figure(found, "welfare"), tmp_path / "w")
    assert (tmp_path / "w.pdf").read_bytes().startswith(b"%PDF")


def test_the_commands_print_and_write_what_the_table_says(table: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(main, ["compare", str(table), "--baseline", "greedy"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "minus greedy" in shown.output
    written = runner.invoke(main, ["report", str(table)])
    assert written.exit_code == 0, written.output
    page = (table / "report" / "index.html").read_text()
    assert page.count("<svg") == 2
    assert METRICS["welfare"].formula in page
    assert 'name="viewport"' in page
    assert "10 draws each. Differences are from" in page
    assert (table / "report" / "figures" / "welfare-differences.pdf").exists()
    nothing = runner.invoke(main, ["compare", str(SMOKE)])
    assert nothing.exit_code == 1
    assert "run takt sweep first" in nothing.output


def test_the_notebook_opens_the_table(table: Path) -> None:
    notebook = json.loads((ROOT / "docs" / "notebooks" / "study.ipynb").read_text(encoding="utf-8"))
    scope: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"]).replace("../../runs/scarcity-sweep", str(table))
            exec(source, scope)  # noqa: S102 - our own notebook
    assert "found" in scope


def test_a_policy_beside_the_reader_is_found_by_its_import_path(tmp_path: Path) -> None:
    """In a process of its own: what another test has imported stays imported."""
    page = (ROOT / "docs" / "research.md").read_text(encoding="utf-8")
    (policy,) = (
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Flat" in block
    )
    (tmp_path / "my_policies_of_mine.py").write_text(policy)
    settings = (
        '[[parameters]]\npath = "strategies"\nvalues = [[], [{ policy = "my_policies_of_mine:Flat" }]]\n'
    )
    file = sweep_file(tmp_path, settings)
    arguments = ["sweep", str(file), "--workers", "1", "--out", str(tmp_path / "o")]
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from scenarios.cli import main; main()", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    surplus = read_table(tmp_path / "o").column("seller_surplus").to_pylist()
    assert surplus[0] != surplus[len(surplus) // 2]


def test_a_plan_is_not_run_as_a_market(tmp_path: Path) -> None:
    runner, folder = CliRunner(), tmp_path / "planned"
    assert runner.invoke(main, ["scenario", "new", str(folder)]).exit_code == 0
    file = folder / "scenario.toml"
    file.write_text(file.read_text().replace("[rules]\n", '[rules]\nmechanism = "clairvoyant"\n', 1))
    refused = runner.invoke(main, ["run", str(folder), "--out", str(tmp_path / "out")])
    assert refused.exit_code == 1
    assert "clairvoyant is a plan and no market: takt sweep" in refused.output


# --- scenario command and pages --------------------------------------------------------------


def test_a_scenario_is_begun_checked_and_described(tmp_path: Path) -> None:
    runner = CliRunner()
    folder = tmp_path / "my-market"
    assert runner.invoke(main, ["scenario", "new", str(folder)]).exit_code == 0
    checked = runner.invoke(main, ["scenario", "check", str(folder)])
    assert checked.output == "my-market: 4 companies, 3 orders\n"
    shown = runner.invoke(main, ["scenario", "describe", str(folder), "--map", str(tmp_path / "m.svg")])
    assert shown.exit_code == 0, shown.output
    assert "cnc_mill_3axis" in shown.output
    assert "<svg" in (tmp_path / "m.svg").read_text()
    assert "must not exist yet" in runner.invoke(main, ["scenario", "new", str(folder)]).output
    text = (folder / "scenario.toml").read_text().replace("takt_minutes = 720", "takt_minutes = 0")
    (folder / "scenario.toml").write_text(text)
    wrong = runner.invoke(main, ["scenario", "check", str(folder)])
    assert wrong.exit_code == 1
    assert "line 11: rules.takt_minutes: Input should be greater than 0; was 0" in wrong.output


def test_every_mechanism_and_metric_is_on_the_page() -> None:
    page = (ROOT / "docs" / "research.md").read_text(encoding="utf-8")
    for name in (*MECHANISM_NAMES, *METRICS, *RATIOS):
        assert f"`{name}`" in page, name


def test_the_metrics_of_the_page_are_those_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
    assert table_of_metrics() in text


def test_a_sweep_of_a_setting_that_is_not_there_says_so(tmp_path: Path) -> None:
    file = sweep_file(tmp_path, '[[parameters]]\npath = "rules.fee_pm"\nvalues = [0, 1]\n')
    shown = CliRunner().invoke(main, ["sweep", str(file), "--out", str(tmp_path / "o"), "--workers", "1"])
    assert shown.exit_code == 1
    assert "8 cells have no figures" in shown.output
    assert "fee_pm" in shown.output.partition("see the column error")[2]


def test_columns_are_not_cut_where_output_goes_to_a_file(table: Path) -> None:
    shown = CliRunner().invoke(main, ["compare", str(table), "--metric", "piece_fill_rate"])
    assert shown.exit_code == 0, shown.output
    assert "…" not in shown.output
