"""Scenario files: one TOML file, one schema, refused with file, field and value where wrong.

A scenario names its participants by city and kind; figures that it leaves out are drawn from the
facts (`scenarios.facts`) with the run's seed. `scenarios.population` turns it into participants and
orders. Holds the whole and its reading, `scenarios.sections` its parts; draws and decides nothing.
"""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from scenarios.errors import ScenarioFileError
from scenarios.imports.case_tables import read_tables
from scenarios.imports.routings import read_routings
from scenarios.imports.tabled import Tables
from scenarios.orders_file import OrderLine, read_orders
from scenarios.sections import (
    Count,
    CustomerSection,
    DemandSection,
    DisruptionSection,
    LaneSection,
    MaterialSection,
    Name,
    NoticeSection,
    PartSection,
    PlantSection,
    RulesSection,
    Section,
    SilenceSection,
    StrategySection,
    SupplierSection,
    TablesSection,
    WorkCentreSection,
)
from scenarios.toml_lines import line_of, path_of

FILE_NAME = "scenario.toml"


class Scenario(Section):
    """A scenario file."""

    kind: Literal["takt.scenario.v1"]
    name: Name
    title: str
    seed: Count = 1
    start: datetime
    """First instant of market time and origin of the capacity periods, UTC."""
    horizon_days: Annotated[int, Field(gt=0, le=3660)]
    orders: str | None = None
    """Name of the orders file beside this one; without it, orders are drawn from ``demand``."""
    rules: RulesSection = RulesSection()
    materials: tuple[MaterialSection, ...] = ()
    parts: tuple[PartSection, ...] = ()
    work_centres: dict[Name, WorkCentreSection] = Field(default_factory=dict)
    plants: tuple[PlantSection, ...] = ()
    suppliers: tuple[SupplierSection, ...] = ()
    customers: tuple[CustomerSection, ...] = ()
    tables: TablesSection = TablesSection()
    demand: DemandSection | None = None
    disruptions: tuple[DisruptionSection, ...] = ()
    lanes: tuple[LaneSection, ...] = ()
    notices: tuple[NoticeSection, ...] = ()
    silences: tuple[SilenceSection, ...] = ()
    strategies: tuple[StrategySection, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.parts and self.tables.routings is None:
            raise ValueError("parts or tables.routings is due")
        if not self.customers and self.tables.companies is None:
            raise ValueError("customers or tables.companies is due")
        if self.orders is None and self.demand is None:
            raise ValueError("one of orders and demand is due")
        return self

    @field_validator("start")
    @classmethod
    def _is_utc(cls, start: datetime) -> datetime:
        if start.utcoffset() != timedelta(0):
            raise ValueError("must be in UTC (…Z)")
        return start


class Case(Section):
    """A scenario with its orders: all that a run reads from files."""

    source: str
    scenario: Scenario
    orders: tuple[OrderLine, ...] | None
    """None where they are drawn from the scenario's demand."""
    text: str = Field(default="", exclude=True, repr=False)
    """The file as it was read, for the lines of errors; empty where its settings were changed."""
    tables: Tables = Tables()
    """All but the parts, which stand in the scenario."""


def load_scenario(path: Path) -> Case:
    """Read a scenario file, or the ``scenario.toml`` of a folder, its orders file and its tables.

    Raises
    ------
    ScenarioFileError
        If the file cannot be read or breaks the schema.
    OrdersFileError, CsvTableError
        At the first wrong line of the orders file or of a table.
    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioFileError(str(file), "", file.name, f"cannot be read ({error})") from error
    scenario = parse_scenario(text, source=str(file))
    orders = None if scenario.orders is None else read_orders(file.parent / scenario.orders)
    named = scenario.tables.model_dump(exclude={"floor"}, exclude_none=True)
    files = {table: file.parent / name for table, name in named.items()}
    if "routings" in files:
        scenario = _with_parts(scenario, read_routings(files["routings"]), str(file))
    return Case(source=str(file), scenario=scenario, orders=orders, tables=read_tables(files), text=text)


def _with_parts(scenario: Scenario, parts: tuple[PartSection, ...], source: str) -> Scenario:
    for part in parts:
        if part.id in {own.id for own in scenario.parts}:
            raise ScenarioFileError(source, "parts", part.id, "is in the table of routings, too")
    return scenario.model_copy(update={"parts": (*scenario.parts, *parts)})


def parse_scenario(text: str, *, source: str = FILE_NAME) -> Scenario:
    """Return the scenario in TOML text; errors as in `load_scenario`."""
    document = toml_to_json(text, source=source)
    try:
        return Scenario.model_validate_json(document)
    except ValidationError as error:
        raise located(source, error, text) from error


def parse_document(document: object, *, source: str) -> Scenario:
    """Return the scenario in a JSON document; errors as in `load_scenario`."""
    try:
        return Scenario.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise located(source, error) from error


def toml_to_json(text: str, *, source: str) -> str:
    """Return TOML text as JSON, dates in ISO 8601; raises `ScenarioFileError`."""
    try:
        return json.dumps(tomllib.loads(text), default=_isoformat, allow_nan=False)
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(source, text, error) from error
    except ValueError as error:
        raise ScenarioFileError(source, "", "nan or inf", "holds a number that is none") from error


def located(source: str, error: ValidationError, text: str | None = None) -> ScenarioFileError:
    """Return the first thing that is wrong, with its line where the TOML text is given."""
    first = error.errors(include_url=False)[0]
    location = first["loc"]
    line = None if text is None else line_of(text, location)
    detail = _DETAILS.get(first["type"], first["msg"]).removeprefix("Value error, ")
    return ScenarioFileError(source, _path(location), first["input"], detail, line=line)


_DETAILS = {"extra_forbidden": "is no key of this section", "missing": "is missing"}


def with_line(case: Case, error: ScenarioFileError) -> ScenarioFileError:
    """Return what is wrong in a case, with file and line where it was told without them."""
    if error.line is not None or error.source not in {case.source, case.scenario.name}:
        return error
    line = line_of(case.text, path_of(error.field))
    return ScenarioFileError(case.source, error.field, error.value, error.detail, line=line)


def _no_toml(source: str, text: str, error: tomllib.TOMLDecodeError) -> ScenarioFileError:
    """Return an error with the line that `tomllib` names in its words."""
    words, _, place = str(error).partition(" (at ")
    found = re.match(r"line (\d+)", place)
    lines = text.splitlines() or [""]
    line = int(found[1]) if found else len(lines)
    return ScenarioFileError(
        source, "", lines[min(line, len(lines)) - 1], f"is not TOML ({words})", line=line
    )


def _isoformat(value: object) -> str:
    assert isinstance(value, date | time), f"TOML holds no {type(value).__name__}"
    return value.isoformat()


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(
        "."
    )
