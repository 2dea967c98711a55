from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from scenarios.orders_file import COLUMNS
from scenarios.population import build
from scenarios.report.picture import picture
from scenarios.scenario import Scenario, load_scenario, parse_scenario
from scenarios.schemas import schemas
from scenarios.summary import read_summary, write_summary
from tests.unit.scenarios.samples import sample_summary

ROOT = Path(__file__).parents[3]
LIBRARY = ROOT / "scenarios" / "library"
PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")


def test_the_published_schemas_are_those_of_the_code() -> None:
    for name, text in schemas().items():
        assert (ROOT / "docs" / "schemas" / name).read_text(encoding="utf-8") == text, (
            f"{name}: run scenarios.schemas"
        )


def test_a_summary_reads_back_and_keeps_to_its_published_schema() -> None:
    summary = sample_summary()
    text = write_summary(summary)
    assert read_summary(text) == summary
    schema = json.loads(schemas()["takt.summary.v1.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(text), schema)
    broken = json.loads(text)
    broken["orders"][0]["quantity"] = 1.5
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


def test_every_section_and_column_is_on_the_page() -> None:
    for name in Scenario.model_fields.keys() - {"kind"}:
        assert re.search(rf"`(\[+)?{name}(\.NAME)?(\]+)?`", PAGE), name
    for column in COLUMNS:
        assert f"`{column}`" in PAGE, column


def test_the_snippet_of_the_page_is_part_of_a_scenario() -> None:
    (snippet,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    smoke = (LIBRARY / "smoke" / "scenario.toml").read_text(encoding="utf-8")
    head, _, rest = smoke.partition("[work_centres.milling]")
    tail = rest[rest.index("[[suppliers]]") :]
    assert parse_scenario(head + snippet + tail) == parse_scenario(smoke)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in LIBRARY.glob("*/scenario.toml")))
def test_every_scenario_of_the_library_has_its_page_and_picture(name: str) -> None:
    page = (LIBRARY / name / "README.md").read_text(encoding="utf-8")
    assert f"takt run scenarios/library/{name}" in page
    assert "](map.svg)" in page
    committed = (LIBRARY / name / "map.svg").read_text(encoding="utf-8")
    assert picture(build(load_scenario(LIBRARY / name))) == committed
