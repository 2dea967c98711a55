"""Parts with their routings from a CSV table: one line a lot, the lines of a part together or apart."""

from __future__ import annotations

from pathlib import Path

from scenarios.imports.csv_table import Line, read_table
from scenarios.sections import LotSection, PartSection
from takt_sdk.model.capability import Requirement
from takt_sdk.model.errors import ModelError
from takt_sdk.model.plan import PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.values import check_id, check_local_id

SUPPLY = "supply"
MAX_RUN_SECONDS = 366 * 24 * 3600


def read_routings(path: Path) -> tuple[PartSection, ...]:
    """Return the parts of a table in the order in which they first stand there.

    A lot without a process is a material that suppliers sell.

    Raises
    ------
    CsvTableError
        If a value is wrong, a lot of a part stands twice, or flows into none of the part's.
    """
    optional = {"process", "material", "name", "quantity_per_piece", "run_seconds", "flows_into"}
    optional |= {"envelope_mm", "tolerance_um", "certificates"}
    lots: dict[str, dict[str, tuple[Line, LotSection]]] = {}
    names: dict[str, str] = {}
    for line in read_table(path, frozenset({"part", "lot"}), frozenset(optional)):
        part, lot = line.text("part"), _lot(line)
        for column, check in (("part", check_id), ("lot", check_local_id)):
            try:
                check(column, line.text(column))
            except ModelError as error:
                raise line.wrong(column, line.text(column), f"must be {error.detail}") from error
        of_part = lots.setdefault(part, {})
        if lot.id in of_part:
            raise line.wrong("lot", lot.id, f"is given twice for part {part}")
        of_part[lot.id] = line, lot
        name = line.text("name", "")
        if name and names.setdefault(part, name) != name:
            raise line.wrong("name", name, f"must be {names[part]} as on the part's first line with a name")
    for part, of_part in lots.items():
        for line, lot in of_part.values():
            if lot.flows_into is not None and lot.flows_into not in of_part:
                raise line.wrong("flows_into", lot.flows_into, f"is no lot of part {part}")
        _check_plan(part, tuple(of_part.values()))
    return tuple(
        PartSection(id=part, name=names.get(part, part), lots=tuple(lot for _, lot in of_part.values()))
        for part, of_part in lots.items()
    )


def _check_plan(part: str, lots: tuple[tuple[Line, LotSection], ...]) -> None:
    """Refuse lots that make no plan at the first line of the part."""
    first, _ = lots[0]
    arcs = tuple(
        PlannedArc(source=lot.id, target=lot.flows_into) for _, lot in lots if lot.flows_into is not None
    )
    try:
        ProcessPlan(lots=tuple(_planned(line, lot) for line, lot in lots), arcs=arcs)
    except ModelError as error:
        detail = f"of part {part}: {error.rule} {error.detail}".rstrip()
        raise first.wrong("flows_into", error.value, detail) from error


def _planned(line: Line, lot: LotSection) -> PlannedLot:
    try:
        requirement = Requirement(process=lot.process, material=lot.material, certificates=lot.certificates)
        return PlannedLot(
            id=lot.id, kind=lot.kind, requirement=requirement, quantity_per_piece=lot.quantity_per_piece
        )
    except ModelError as error:
        raise line.wrong(error.field, error.value, f"{error.rule} {error.detail}") from error


def _lot(line: Line) -> LotSection:
    process = line.text("process", "")
    if not process and line.text("run_seconds", ""):
        raise line.wrong("run_seconds", line.text("run_seconds"), "must be empty where there is no process")
    material = line.text("material", "any" if process else None)
    return LotSection(
        id=line.text("lot"),
        kind="operation" if process else "material",
        process=process or SUPPLY,
        material=material,
        envelope_mm=line.size_mm("envelope_mm"),
        tolerance_um=line.whole("tolerance_um", 0, 10**9, 0),
        certificates=line.words("certificates"),
        quantity_per_piece=line.whole("quantity_per_piece", 1, 10**6, 1),
        run_seconds=line.whole("run_seconds", 0, MAX_RUN_SECONDS) if process else None,
        flows_into=line.text("flows_into", "") or None,
    )
