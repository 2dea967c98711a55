from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.errors import OrdersFileError, ScenarioFileError
from scenarios.orders_file import format_orders, parse_orders, read_orders
from scenarios.population import build
from scenarios.scenario import load_scenario, parse_scenario

LIBRARY = Path(__file__).parents[3] / "scenarios" / "library"
SMOKE = (LIBRARY / "smoke" / "scenario.toml").read_text(encoding="utf-8")
ORDERS = (LIBRARY / "smoke" / "orders.csv").read_text(encoding="utf-8")


def refusal(old: str, new: str) -> ScenarioFileError:
    assert old in SMOKE, old
    with pytest.raises(ScenarioFileError) as caught:
        parse_scenario(SMOKE.replace(old, new, 1), source="smoke.toml")
    return caught.value


@pytest.mark.parametrize("name", sorted(path.parent.name for path in LIBRARY.glob("*/scenario.toml")))
def test_every_scenario_of_the_library_reads_and_is_called_as_its_folder(name: str) -> None:
    case = load_scenario(LIBRARY / name)
    assert case.scenario.name == name
    assert case == load_scenario(LIBRARY / name / "scenario.toml")


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("seed = 1", "seed = -1", "seed", -1),
        ("seed = 1", "seed = 1.5", "seed", 1.5),
        ("seed = 1", 'seed = "1"', "seed", "1"),
        ("seed = 1", "seed = true", "seed", True),
        ("seed = 1", "sead = 1", "sead", 1),
        ("takt_minutes = 720", "takt_minutes = 0", "rules.takt_minutes", 0),
        ("fee_ppm = 10_000", "fee_ppm = 10_000_001", "rules.fee_ppm", 10_000_001),
        ("fee_ppm = 10_000", 'mechanism = "coin"', "rules.mechanism", "coin"),
        ("blank_mm = [110, 90, 12]", "blank_mm = [110, 90]", "materials[0].blank_mm[2]", None),
        ("blank_mm = [110, 90, 12]", "blank_mm = [110, 90, 0]", "materials[0].blank_mm[2]", 0),
        ('kind = "operation"', 'kind = "magic"', "parts[0].lots[1].kind", "magic"),
        ('id = "metals"', 'id = "Metals"', "suppliers[0].id", "Metals"),
        (
            "start_minute = 360",
            'start_minute = "6:00"',
            "work_centres.milling.shifts[0].start_minute",
            "6:00",
        ),
        ("stock_per_period = 200", "stock_per_period = { low = 3, typical = 1, high = 9 }", None, None),
        ('cities = ["calais"]', "cities = []", "customers[0].cities", None),
        ("2026-03-02T00:00:00Z", "2026-03-02T00:00:00+01:00", "start", "2026-03-02T00:00:00+01:00"),
        ("2026-03-02T00:00:00Z", '"some day"', "start", "some day"),
        ('orders = "orders.csv"', "", "", None),
        ('flows_into = "mill"', 'flows_into = "press"', "parts[0]", None),
        ("takt_minutes = 720", "takt_minutes = 30", "rules", None),
        ("end_minute = 840", "end_minute = 360", "work_centres.milling.shifts[0]", None),
    ],
)
def test_a_wrong_value_is_refused_with_file_field_and_value(
    old: str, new: str, field: str | None, value: object
) -> None:
    error = refusal(old, new)
    assert error.source == "smoke.toml"
    changed = SMOKE.replace(old, new, 1).splitlines()
    at = next((number for number, line in enumerate(changed, 1) if new and new in line), None)
    line = "" if error.line is None else f", line {error.line}"
    assert str(error).startswith(f"smoke.toml{line}: ")
    if field:
        assert error.line is not None
        assert at is not None
        assert error.line == at or "{" in changed[at - 1] or "[" in changed[error.line - 1]
    if field is not None:
        assert error.field == field
    if value is not None:
        assert error.value == value
        assert f"was {value!r}" in str(error)


def test_text_that_is_no_toml_is_refused_with_its_line() -> None:
    with pytest.raises(ScenarioFileError, match=r"smoke\.toml, line 3: is not TOML .*was 'c = = 3'"):
        parse_scenario("a = 1\nb = 2\nc = = 3\n", source="smoke.toml")
    assert "number that is none" in str(refusal("seed = 1", "seed = nan"))
    assert "number that is none" in str(refusal("seed = 1", "seed = inf"))


def test_a_folder_without_a_scenario_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioFileError, match=r"scenario\.toml: cannot be read"):
        load_scenario(tmp_path)
    (tmp_path / "scenario.toml").write_text(SMOKE, encoding="utf-8")
    with pytest.raises(ScenarioFileError, match=r"orders\.csv: cannot be read"):
        load_scenario(tmp_path)


DOWN = """
[[disruptions]]
participant = "cologne-mill"
work_centre = "milling"
start = 2026-03-05T00:00:00Z
end = 2026-03-06T00:00:00Z
"""


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"cologne", "paris"', '"colonge", "paris"', "plants[0].cities"),
        ('work_centres = ["milling"]', 'work_centres = ["miling"]', "plants[0].work_centres"),
        ('cities = ["calais"]', 'cities = ["calai"]', "customers[0].cities"),
        ('alloy = "al_6061"', 'alloy = "al_9999"', "materials[0].alloy"),
        ('materials = ["plate-blank"]', 'materials = ["gold"]', "suppliers[0].materials"),
        ('cycle = "Plate"', 'cycle = "Plat"', "parts[0].lots[1].cycle"),
        ('work_centre = "milling"', 'work_centre = "miling"', "disruptions[0].work_centre"),
        ('policy = "cost_plus"', 'policy = "cost_minus"', "strategies[0].policy"),
    ],
)
def test_a_name_that_leads_to_nothing_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, field: str
) -> None:
    """What a section says of another is looked at when the companies are drawn, long after reading."""
    text = SMOKE + (DOWN if old in DOWN else "") + '\n[[strategies]]\npolicy = "cost_plus"\n'
    assert old in text
    text = text.replace(old, new, 1)
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "scenario.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioFileError) as caught:
        build(load_scenario(tmp_path))
    error = caught.value
    at = next(number for number, line in enumerate(text.splitlines(), 1) if new in line)
    assert error.field == field
    assert error.line is not None
    assert error.line == at or "lots" in field
    assert str(error).startswith(f"{tmp_path / 'scenario.toml'}, line {error.line}: {field}: ")


def test_orders_read_back_as_they_were_written() -> None:
    lines = read_orders(LIBRARY / "european-job-shops" / "orders.csv")
    assert len(lines) > 60
    assert parse_orders(format_orders(lines)) == lines
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    shuffled = ORDERS.splitlines()
    assert parse_orders("\n".join([shuffled[0], *reversed(shuffled[1:])])) == parse_orders(ORDERS)


@pytest.mark.parametrize(
    ("old", "new", "field", "line"),
    [
        ("plate,20,", "plate,-20,", "quantity", 2),
        ("plate,20,", "plate,2.5,", "quantity", 2),
        ("plate,20,", "plate,,", "quantity", 2),
        ("plate,20,", "plate,NaN,", "quantity", 2),
        ("plate,40,", "plate,99999999999,", "quantity", 3),
        ("2026-03-02T15:00:00Z", "2026-03-02T15:00:00", "at", 4),
        ("2026-03-02T15:00:00Z", "2026-02-30T15:00:00Z", "at", 4),
        ("smoke-2,", "smoke-1,", "key", 3),
        ("calais,2026-03-03T00:00:00Z,2026-03-13", "calais,tomorrow,2026-03-13", "release", 4),
        (",1500\n", ",1500,surplus\n", "", 2),
        ("limit_minor,", "", "limit_minor", 1),
        ("limit_minor,", "limit_minor,colour,", "colour", 1),
        ("limit_minor,", "limit_minor,limit_minor,", "limit_minor", 1),
    ],
)
def test_a_wrong_order_is_refused_with_line_column_and_value(
    old: str, new: str, field: str, line: int
) -> None:
    assert old in ORDERS
    with pytest.raises(OrdersFileError) as caught:
        parse_orders(ORDERS.replace(old, new, 1), source="week.csv")
    assert (caught.value.line, caught.value.field) == (line, field)
    assert re.match(rf"week\.csv, line {line}: ", str(caught.value))
