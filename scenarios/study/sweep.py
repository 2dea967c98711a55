"""Sweep files: which cells of a study are run.

One TOML file names a scenario, seeds, mechanisms and parameters; their product (grid), their rows
(list) or a Latin hypercube are the cells. The plan is a pure function of the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from scipy.stats import qmc

from scenarios.mechanisms import MechanismName
from scenarios.scenario import Case, load_scenario, located, toml_to_json
from scenarios.sections import Name, Section
from scenarios.study.cell import Cell
from scenarios.study.variant import Setting


class ParameterSection(Section):
    """A setting of the scenario that varies, over ``values`` or (hypercube only) from ``low`` to ``high``."""

    path: str
    values: tuple[Setting, ...] = ()
    labels: tuple[str, ...] = ()
    """Names of the values in tables, where the values themselves are unwieldy."""
    low: int | None = None
    high: int | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ranged = self.low is not None and self.high is not None
        if bool(self.values) == ranged:
            raise ValueError("either values, or low and high, are due")
        if self.labels and len(self.labels) != len(self.values):
            raise ValueError("as many labels as values are due")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low <= high is due, was {self.low}, {self.high}")
        return self


class Sweep(Section):
    """A sweep file."""

    kind: Literal["takt.sweep.v1"] = "takt.sweep.v1"
    name: Name
    scenario: str
    """Path of the scenario's folder or file, from this file."""
    first_seed: Annotated[int, Field(ge=0)] = 1
    seeds: Annotated[int, Field(gt=0, le=1_000_000)] = 10
    mechanisms: Annotated[tuple[MechanismName, ...], Field(min_length=1)] = ("pay_as_bid",)
    design: Literal["grid", "list", "latin_hypercube"] = "grid"
    """How parameters are combined: all with all, row by row, or ``samples`` points of a Latin hypercube."""
    samples: Annotated[int, Field(gt=0, le=1_000_000)] = 10
    parameters: tuple[ParameterSection, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.design == "list" and len({len(p.values) for p in self.parameters}) > 1:
            raise ValueError("a list needs as many values of each parameter")
        for parameter in self.parameters:
            if self.design != "latin_hypercube" and not parameter.values:
                raise ValueError(f"{parameter.path}: low and high are for a latin_hypercube")
        if len(set(self.mechanisms)) < len(self.mechanisms):
            raise ValueError("a mechanism is named twice")
        return self


def load_sweep(path: Path) -> tuple[Sweep, Case]:
    """Read a sweep file, or a scenario (then a sweep of its own seeds), and the scenario it names.

    Raises
    ------
    ScenarioFileError
        If a file cannot be read or breaks its schema.
    """
    if path.is_dir() or not _is_sweep(path):
        case = load_scenario(path)
        return Sweep(name=case.scenario.name, scenario=str(path)), case
    text = path.read_text(encoding="utf-8")
    try:
        sweep = Sweep.model_validate_json(toml_to_json(text, source=str(path)))
    except ValidationError as error:
        raise located(str(path), error, text) from error
    return sweep, load_scenario(path.parent / sweep.scenario)


def _is_sweep(path: Path) -> bool:
    try:
        return "takt.sweep." in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def points(sweep: Sweep) -> list[dict[str, Setting]]:
    """Return the combinations of the sweep's parameters, in a fixed order."""
    names = [parameter.path for parameter in sweep.parameters]
    if not names:
        return [{}]
    if sweep.design == "latin_hypercube":
        # Seeded by the sweep's name: the same file gives the same points.
        seed = int.from_bytes(sha256(sweep.name.encode()).digest()[:8], "big")
        unit = qmc.LatinHypercube(d=len(names), rng=seed).random(sweep.samples)
        return [
            {p.path: _value(p, float(x)) for p, x in zip(sweep.parameters, row, strict=True)} for row in unit
        ]
    combined = itertools.product if sweep.design == "grid" else zip
    columns = [parameter.values for parameter in sweep.parameters]
    return [dict(zip(names, row, strict=True)) for row in combined(*columns)]


def _value(parameter: ParameterSection, unit: float) -> Setting:
    """Return the value at a point of [0, 1)."""
    if parameter.values:
        return parameter.values[int(unit * len(parameter.values))]
    assert parameter.low is not None
    assert parameter.high is not None
    return parameter.low + int(unit * (parameter.high - parameter.low + 1))


def cells(sweep: Sweep) -> Iterator[Cell]:
    """Yield the cells: point by point, seed by seed, mechanism by mechanism."""
    for point in points(sweep):
        label = _label(sweep, point)
        for seed in range(sweep.first_seed, sweep.first_seed + sweep.seeds):
            for mechanism in sweep.mechanisms:
                yield Cell(seed=seed, mechanism=mechanism, settings=point, label=label)


def _label(sweep: Sweep, point: dict[str, Setting]) -> str:
    """Return a point in words: labels where there are some, else setting and value."""
    words = []
    for parameter in sweep.parameters:
        value = point[parameter.path]
        if parameter.labels:
            words.append(parameter.labels[parameter.values.index(value)])
        else:
            words.append(f"{parameter.path.rpartition('.')[2]}={value}")
    return ", ".join(words)
