"""A case as CSV tables: from a planner's folder to a run; refusals name file, line, column and value."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.profile import PlantProfile, Shift, SupplierProfile
from scenarios.cli import main
from scenarios.errors import ScenarioError
from scenarios.facts.tables import load_facts
from scenarios.imports.csv_table import CsvTableError, Line
from scenarios.imports.times import shifts
from scenarios.mechanisms import MechanismName
from scenarios.population import build, instant_us
from scenarios.scenario import Case, load_scenario
from scenarios.should_cost import ShouldCost
from scenarios.study.cell import Cell, run_cell
from scenarios.study.variant import with_settings
from takt_sdk.model.values import DAY_US, HOUR_US
from takt_sdk.wall_clock import WallClock

ROOT = Path(__file__).resolve().parents[3]
GEARBOXES = ROOT / "docs" / "cases" / "gearboxes"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a planner's export as it comes: tables only."""
    return Path(shutil.copytree(GEARBOXES, tmp_path / "gearboxes"))


def imported(folder: Path) -> Case:
    done = CliRunner().invoke(main, ["import", "case", str(folder)])
    assert done.exit_code == 0, done.output
    return load_scenario(folder)


def test_a_newcomer_goes_from_tables_to_a_report(folder: Path, tmp_path: Path) -> None:
    takt = CliRunner()
    made = takt.invoke(main, ["import", "case", str(folder)])
    assert made.exit_code == 0, made.output
    assert "8 companies, 2 parts, 7 orders" in made.output
    assert "mind" not in made.output
    checked = takt.invoke(main, ["scenario", "check", str(folder)])
    assert checked.output == "gearboxes: 8 companies, 7 orders\n"
    ran = takt.invoke(main, ["run", str(folder), "--out", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["orders_by_state"] == {"settled": 6, "unserved": 1}
    assert "Žilina" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_figures_are_those_of_the_tables_and_what_is_left_out_is_of_the_facts(folder: Path) -> None:
    population = build(imported(folder))
    profiles = {profile.participant: profile for profile in population.profiles}
    hubertus, vrutky = profiles["hubertus"], profiles["vrutky"]
    assert isinstance(hubertus, PlantProfile)
    assert isinstance(vrutky, PlantProfile)
    lathe = hubertus.work_centres[0]
    assert (lathe.machines, lathe.rate_minor_per_hour, lathe.power_w) == (2, 5_200, 15_000)
    assert lathe.shifts == (
        Shift(start_minute=360, end_minute=840),
        Shift(start_minute=360, end_minute=720, weekdays=(5,)),
    )
    assert (vrutky.energy_minor_per_mwh, vrutky.grid_g_per_kwh) == (15_800, 110)
    assert hubertus.energy_minor_per_mwh == 18_700, "Austria is among the facts"
    assert hubertus.pricing.margin_ppm == 120_000
    ocel = profiles["ocel"]
    assert isinstance(ocel, SupplierProfile)
    assert ocel.materials[0].handling_us == 8 * HOUR_US
    lanes = {(lane.source, lane.target): lane for lane in population.network.lanes}
    assert (lanes["brno", "linz"].transit_minutes, lanes["brno", "linz"].fixed_minor) == (300, 9_500)
    assert lanes["linz", "graz"].fixed_minor == (50_00 + 14 * 220), "50 EUR + 0.14 EUR/km, as everywhere"
    assert lanes["gyor", "linz"].transit_minutes < 24 * 60, "no customs inside the EU"


def test_what_is_closed_is_not_offered(folder: Path) -> None:
    plant = next(p for p in build(imported(folder)).profiles if p.participant == "strojirny")
    assert isinstance(plant, PlantProfile)
    case = load_scenario(folder)
    may_us = instant_us(case.scenario.start) + 11 * DAY_US - HOUR_US  # May Day begins an hour before UTC's
    for centre in plant.work_centres:
        (closed,) = centre.closed
        assert (closed.start_us, closed.end_us) == (may_us, may_us + DAY_US)


@pytest.mark.parametrize(
    ("text", "minutes", "week"),
    [
        ("mon-fri 06:00-14:00", 480, 2_400),
        ("Mon-Thu 22:00-06:00 + fri 18:00-24:00", 0, 4 * 480 + 360),
        ("sat-mon 00:00-24:00", 1_440, 3 * 1_440),
        ("sun 22:00-02:00", 120, 240),
    ],
)
def test_shifts_are_read_as_people_write_them(text: str, minutes: int, week: int) -> None:
    found = shifts(Line("t.csv", 2, {"shifts": text}), "shifts")
    assert sum((s.end_minute - s.start_minute) * len(s.weekdays) for s in found) == week
    monday = sum(s.end_minute - s.start_minute for s in found if 0 in s.weekdays)
    assert monday in {minutes, minutes + 120}


@pytest.mark.parametrize(
    "text", ["06:00-14:00", "mon-fri 6-14", "mox 06:00-07:00", "mon 06:60-07:00", "mon 25:00-26:00"]
)
def test_wrong_shifts_are_refused(text: str) -> None:
    with pytest.raises(CsvTableError, match=r"t\.csv, line 2: shifts"):
        shifts(Line("t.csv", 2, {"shifts": text}), "shifts")


WRONG = [
    (
        "sites.csv",
        "linz;AT",
        "linz;AUT",
        "sites.csv, line 2: country: must be two letters such as DE; was 'AUT'",
    ),
    ("sites.csv", "48.3064", "48,3064", "line 2: latitude: must be degrees such as 48.2085; was '48,3064'"),
    ("sites.csv", "48.3064", "148.3", "line 2: latitude: must be from -90 to 90"),
    ("sites.csv", "graz;", "linz;", "sites.csv, line 3: site: is given twice; was 'linz'"),
    (
        "sites.csv",
        "16500",
        "",
        "sites.csv, line 4: energy_minor_per_mwh: must not be empty: the facts do not",
    ),
    ("lanes.csv", "brno;zilina", "brno;praha", "lanes.csv, line 6: target: is no site of the table of sites"),
    (
        "lanes.csv",
        "linz;graz;220;;;yes",
        "linz;graz;220;;;ja",
        "line 2: both_ways: must be yes or no; was 'ja'",
    ),
    ("lanes.csv", "graz;gyor", "brno;linz", "lanes.csv, line 5: target: is given twice; was 'brno -> linz'"),
    (
        "companies.csv",
        "ocel;supplier",
        "ocel;dealer",
        "line 7: role: must be one of plant, supplier, customer",
    ),
    (
        "companies.csv",
        "vrutky;plant;zilina",
        "vrutky;plant;wien",
        "line 4: site: is no site of the table of sites",
    ),
    ("companies.csv", "vrutky", "Vrútky", "companies.csv, line 4: company: must be"),
    (
        "companies.csv",
        "raba;customer",
        "raba;plant",
        "line 9: company: is a plant without a work centre; was 'raba'",
    ),
    ("companies.csv", "raba;customer", "raba;supplier", "line 9: company: is a supplier without stock"),
    (
        "work-centres.csv",
        "hubertus;lathe",
        "huber;lathe",
        "work-centres.csv, line 2: company: is no company of",
    ),
    (
        "work-centres.csv",
        "hubertus;lathe",
        "ocel;lathe",
        "line 2: company: is a supplier, not a plant; was 'ocel'",
    ),
    (
        "work-centres.csv",
        ";5200;",
        ";52.00;",
        "line 2: cost_minor_per_hour: must be a whole number; was '52.00'",
    ),
    (
        "work-centres.csv",
        ";5200;",
        ";;",
        "cost_minor_per_hour: must not be empty: the facts have no machine_rate of",
    ),
    (
        "work-centres.csv",
        "06:00-14:00 +",
        "06:00-14:00 + fri 13:00-15:00 +",
        "work-centres.csv, line 2: shifts: must end after it starts: shifts overlap",
    ),
    ("work-centres.csv", "400x400x800", "400 x 400", "envelope_mm: must be three lengths such as 150x120x60"),
    (
        "closures.csv",
        "kalvaria;furnace",
        "kalvaria;oven",
        "line 3: work_centre: is no work centre of kalvaria",
    ),
    ("closures.csv", "2026-05-12", "2026-05-32", "line 3: last_day: must be a day such as 2026-03-02"),
    ("closures.csv", "2026-05-12", "2026-05-10", "line 3: last_day: must not be before first_day"),
    ("stock.csv", "ocel;round-80;250", "ocel;round-80;-1", "line 3: stock_per_period: must be from 0"),
    (
        "routings.csv",
        "bar;;round-80;;turn",
        "bar;;;;turn",
        "routings.csv, line 2: material: must not be empty",
    ),
    (
        "routings.csv",
        "540;cut",
        "540;cud",
        "routings.csv, line 3: flows_into: is no lot of part gear; was 'cud'",
    ),
    ("routings.csv", "420;;", "420;turn;", "routings.csv, line 2: flows_into: of part gear"),
    ("routings.csv", "gear;cut;", "gear;turn;", "routings.csv, line 4: lot: is given twice for part gear"),
    (
        "routings.csv",
        "cut;gear_cutting;",
        "cut;;",
        "line 4: run_seconds: must be empty where there is no process; was '780'",
    ),
    (
        "companies.csv",
        "certificates;margin_ppm\nhubertus;plant;linz;iso9001;",
        "policy;margin_ppm\nhubertus;plant;linz;cost_pluss;",
        "companies.csv, line 2: policy: must be adaptive",
    ),
    ("routings.csv", ";780;", ";;", "routings.csv, line 4: run_seconds: must be a whole number; was ''"),
    ("orders.csv", "raba;gear;90", "raba;gaer;90", "orders[R-0885].part: is unknown; was 'gaer'"),
    ("orders.csv", ";560000;", ";5600.50;", "orders.csv, line 4: limit_minor"),
]


@pytest.mark.parametrize(("table", "old", "new", "message"), WRONG, ids=[f"{t}:{n}" for t, _, n, _ in WRONG])
def test_a_wrong_table_is_refused_with_file_line_column_and_value(
    folder: Path, table: str, old: str, new: str, message: str
) -> None:
    file = folder / table
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    done = CliRunner().invoke(main, ["import", "case", str(folder)])
    assert done.exit_code == 1, done.output
    assert message in done.output
    assert not (folder / "scenario.toml").exists(), "nothing is left behind"


@pytest.mark.parametrize("table", sorted(path.stem for path in GEARBOXES.glob("*.csv")))
def test_every_column_of_a_table_is_on_the_page(folder: Path, table: str) -> None:
    file = folder / f"{table}.csv"
    header, _, lines = file.read_text(encoding="utf-8").partition("\n")
    file.write_text(f"{header};colour\n{lines}", encoding="utf-8")
    done = CliRunner().invoke(main, ["import", "case", str(folder)])
    known = re.search(r"(?:known are|is not one of) ([a-z0-9_, ]+)", done.output)
    assert known is not None, done.output
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    for column in known[1].removesuffix(", each once").split(", "):
        assert f"`{column.strip()}`" in page, column


def test_a_missing_table_a_second_import_and_a_copy(folder: Path, tmp_path: Path) -> None:
    takt = CliRunner()
    copied = takt.invoke(main, ["import", "case", str(folder), "--out", str(tmp_path / "copy")])
    assert copied.exit_code == 0, copied.output
    assert not (folder / "scenario.toml").exists()
    assert build(load_scenario(tmp_path / "copy")).orders
    again = takt.invoke(main, ["import", "case", str(folder), "--out", str(tmp_path / "copy")])
    assert again.exit_code == 1
    assert (
        "scenario.toml: is there already" in again.output
        or "is there already; was 'scenario.toml'" in again.output
    )
    (folder / "stock.csv").write_text("company\n", encoding="utf-8")
    wrong = takt.invoke(main, ["import", "case", str(folder), "--out", str(tmp_path / "other")])
    assert "stock.csv, line 1: cost_minor: is missing" in wrong.output
    assert not (tmp_path / "other").exists()
    (folder / "routings.csv").unlink()
    missing = takt.invoke(main, ["import", "case", str(folder)])
    assert "routings.csv: is missing; was " in missing.output


def test_a_table_under_two_names_is_refused_and_one_that_is_none_is_told(folder: Path) -> None:
    takt = CliRunner()
    shutil.copy(folder / "closures.csv", folder / "closure.csv")
    shutil.copy(folder / "work-centres.csv", folder / "work_centres.csv")
    twice = takt.invoke(main, ["import", "case", str(folder)])
    assert twice.exit_code == 1
    assert "work_centres.csv: is there twice; was 'work-centres.csv'" in twice.output
    assert not (folder / "scenario.toml").exists()
    (folder / "work_centres.csv").unlink()
    told = takt.invoke(main, ["import", "case", str(folder)])
    assert told.exit_code == 0, told.output
    assert "mind   closure.csv is no table of a case and was not read" in told.output


def test_what_nobody_can_do_and_who_has_no_time_is_told(folder: Path) -> None:
    routings = folder / "routings.csv"
    routings.write_text(
        routings.read_text(encoding="utf-8").replace("gear_grinding", "honing"), encoding="utf-8"
    )
    orders = folder / "orders.csv"
    text = orders.read_text(encoding="utf-8")
    orders.write_text(
        text.replace("2026-05-08T00", "2026-04-21T08").replace("2026-05-13T00", "2026-04-21T12"),
        encoding="utf-8",
    )
    done = CliRunner().invoke(main, ["import", "case", str(folder)])
    assert done.exit_code == 0, done.output
    assert "mind   nobody can do lot grind of part gear: process honing, material 16mncr5" in done.output
    assert "mind   order 4500017332 has 720 minutes from release to deadline" in done.output


def test_tables_stand_beside_sections(folder: Path) -> None:
    imported(folder)
    file = folder / "scenario.toml"
    more = '\n[[strategies]]\nsellers = "kal*"\npolicy = "truthful"\n'
    more += '\n[[disruptions]]\nparticipant = "kalvaria"\nwork_centre = "furnace"\n'
    more += "start = 2026-05-04T00:00:00Z\nend = 2026-05-06T00:00:00Z\n"
    text = file.read_text(encoding="utf-8").replace("[tables]", "[tables]\nfloor = { scrap_ppm = 20_000 }")
    file.write_text(text + more, encoding="utf-8")
    kalvaria = next(p for p in build(load_scenario(file)).profiles if p.participant == "kalvaria")
    assert isinstance(kalvaria, PlantProfile)
    assert kalvaria.pricing.policy == "truthful"
    assert [d.resource for d in kalvaria.disruptions] == ["furnace"]
    assert kalvaria.floor is not None
    assert kalvaria.floor.scrap_ppm == 20_000


def test_companies_of_a_table_may_stand_in_cities_of_the_facts(folder: Path) -> None:
    for name in ("sites.csv", "lanes.csv"):
        (folder / name).unlink()
    for name in ("companies.csv", "orders.csv"):
        text = (folder / name).read_text(encoding="utf-8")
        for place, city in {
            "linz": "munich",
            "graz": "vienna",
            "brno": "milan",
            "zilina": "lyons",
            "gyor": "rome",
        }.items():
            text = text.replace(f";{place};", f";{city};")
        (folder / name).write_text(text, encoding="utf-8")
    population = build(imported(folder))
    assert {site.id for site in population.network.sites} == {"munich", "vienna", "milan", "lyons", "rome"}


@pytest.mark.parametrize(
    "mechanism", ["pay_as_bid", "vcg", "posted_price", "first_come", "local", "clairvoyant"]
)
def test_every_kind_of_mechanism_runs_on_tables(folder: Path, mechanism: MechanismName) -> None:
    row = run_cell(imported(folder), Cell(seed=1, mechanism=mechanism, settings={}), WallClock())
    assert row.metrics["served"]


def test_orders_can_be_drawn_for_companies_of_tables(folder: Path) -> None:
    case = imported(folder)
    demand = {
        "orders": 4,
        "days": 3,
        "slack_hours": {"low": 48, "typical": 72, "high": 96},
        "limit_ppm": {"low": 1_200_000, "typical": 1_500_000, "high": 2_000_000},
        "parts": [
            {
                "part": "gear",
                "weight": 1,
                "quantity": {"low": 10, "typical": 20, "high": 30},
                "window_hours": {"low": 700, "typical": 800, "high": 900},
            }
        ],
    }
    drawn = with_settings(case, {"orders": None, "demand": demand})
    assert len(build(drawn, seed=3).orders) == 4
    gear = next(part for part in drawn.scenario.parts if part.id == "gear")
    cost = ShouldCost(drawn.scenario, load_facts(), drawn.tables)
    # A typical bar and hour of each process, once with what it takes to set up.
    assert cost.minor(gear, 20) == pytest.approx(
        sum(
            (
                20 * (1_180 * 1.04 + 1_450 * 1.05) / 2 + (3_000 * 1.04 + 2_500 * 1.05) / 2,
                (60 / 60 + 20 * 540 / 3_600) * 3_400 * 1.09,
                (95 / 60 + 20 * 780 / 3_600) * (4_300 * 1.08 + 7_800 * 1.12) / 2,
                (30 / 60 + 20 * 240 / 3_600) * 5_600 * 1.08,
                (75 / 60 + 20 * 420 / 3_600) * 6_900 * 1.09,
                5 * sum(lane.fixed_minor + 20 * lane.unit_minor for lane in cost.lanes) / len(cost.lanes),
            )
        ),
        rel=0.01,
    )
    with pytest.raises(ScenarioError, match="demand"):
        build(with_settings(case, {"orders": None}))
