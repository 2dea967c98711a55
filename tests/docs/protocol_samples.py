"""One message of each kind that participants send, with every optional field set; and how it can go wrong."""

from __future__ import annotations

import copy
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from market.protocol.script import START_US, sheet
from takt_sdk.codec import DecodeError
from takt_sdk.model import errors
from takt_sdk.model.capability import Requirement, WorkEnvelope
from takt_sdk.model.execution import (
    AcceptChange,
    AppealScore,
    NotifyDisruption,
    QueryRisks,
    QueryScorecard,
    QueryStatement,
    QueryTimeline,
    ReportProgress,
    RequestChange,
)
from takt_sdk.model.messages import (
    CancelOrder,
    DeclineCall,
    Heartbeat,
    ParticipantCommand,
    PublishPart,
    Query,
    QuerySync,
    ReportBreakdown,
    ReportMilestone,
    SubmitOrder,
)
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import Document, Part, PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.proof import QueryLog, QueryProof
from takt_sdk.model.sealed import SEAL_OVERHEAD, SEALED_SIZES, SealedSheet
from takt_sdk.model.values import Window

Json = Any
Path = tuple[str | int, ...]

DOCUMENT = Document(sha256="0" * 64, name="drawing.pdf")
PLAN = ProcessPlan(
    lots=(
        PlannedLot(
            id="saw",
            kind="operation",
            requirement=Requirement(
                process="sawing",
                material="steel",
                envelope=WorkEnvelope(x_um=10, y_um=20, z_um=30),
                tolerance_um=5,
                certificates=("iso9001", "en9100"),
            ),
            quantity_per_piece=2,
            run_time_us=60,
        ),
        PlannedLot(id="mill", kind="operation", requirement=Requirement(process="m", material="steel")),
    ),
    arcs=(PlannedArc(source="saw", target="mill"),),
)
TERMS = OrderTerms(
    quantity=5,
    destination="berlin",
    release_us=START_US,
    due_us=START_US + 10,
    deadline_us=START_US + 20,
    reservation_value_minor=1_000,
    lateness_penalty_minor_per_day=10,
    partial=True,
    max_suppliers=2,
    certificates=("iso9001", "en9100"),
    data_class="nda",
    good_for_takts=3,
)

SAMPLES: tuple[ParticipantCommand | Query | Heartbeat, ...] = (
    PublishPart(part=Part(id="bracket", name="Bracket", plan=PLAN, documents=(DOCUMENT,))),
    SubmitOrder(idempotency_key="k", part_id="p", terms=TERMS, plan=PLAN, documents=(DOCUMENT,)),
    CancelOrder(order_id="o-1"),
    sheet("r-1", "o-1.mill", 100),
    DeclineCall(round_id="r-1", code="dates", detail="full"),
    SealedSheet(round_id="r-1", ciphertext=b64encode(bytes(SEALED_SIZES[0] + SEAL_OVERHEAD)).decode()),
    ReportMilestone(
        contract_id="c-1", milestone="delayed", at_us=5, lot_id="l", quantity=3, expected_end_us=9, detail="x"
    ),
    ReportBreakdown(notice_id="n", resource="mill-1", window=Window(start_us=1, end_us=9), detail="spindle"),
    ReportProgress(
        contract_id="c-1", lot_id="l", done=3, scrapped=1, at_us=5, expected_end_us=9, confidence_ppm=800_000
    ),
    NotifyDisruption(
        notice_id="n-1",
        cause="breakdown",
        effect="capacity_reduction",
        status="open",
        source_id="n-0",
        resource="mill-1",
        window=Window(start_us=1, end_us=9),
        lane_source="bonn",
        lane_target="gent",
        transit_minutes=60,
        order_id="o-1",
        quantity=3,
        detail="spindle",
    ),
    AppealScore(contract_id="c-1", reason="the steel came late"),
    RequestChange(order_id="o-1", quantity=5, due_us=9, deadline_us=12),
    AcceptChange(order_id="o-1", quote_id="o-1.q7"),
    QueryStatement(after="l-00000001"),
    QueryScorecard(),
    QueryTimeline(order_id="o-1"),
    QueryRisks(),
    QuerySync(),
    QueryProof(positions=(3, 9), since_size=2),
    QueryLog(start=3, offset=7),
    Heartbeat(),
)


def paths(value: Json, at: Path = ()) -> Iterator[Path]:
    """Yield the path of every value inside a JSON value; of lists the first two elements."""
    yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:2]):
            yield from paths(item, (*at, index))


def replaced(value: Json, path: Path, new: Json) -> Json:
    """Return a copy with another value at a path."""
    if not path:
        return new
    whole = copy.deepcopy(value)
    parent = whole
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = new
    return whole


def without(value: Json, path: Path) -> Json:
    """Return a copy without what stands at a path."""
    whole = copy.deepcopy(value)
    parent = whole
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]
    return whole


def rule_of(error: DecodeError) -> str:
    """Return the rule beside the schema that a refusal names; empty if it is none of them."""
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return "json"
    first = cause.errors(include_url=False)[0]
    if first["type"] == "int_type" and isinstance(first["input"], float) and first["input"].is_integer():
        return "integer"
    broken = first.get("ctx", {}).get("error")
    return _rule_of_model(broken) if isinstance(broken, errors.ModelError) else ""


def _rule_of_model(error: errors.ModelError) -> str:
    column = error.field.rpartition(".")[2].partition("[")[0]
    match error:
        case errors.InvalidWindowError():
            return "window"
        case errors.ColumnLengthError():
            return "columns"
        case errors.UnknownReferenceError():
            return "reference"
        case errors.CyclicPlanError() | errors.UnreachableLotError() | errors.IndivisibleFlowError():
            return "plan"
        case errors.InvalidIdError(detail="printable text"):
            return "printable"
    return {
        "item_offset": "items" if "at least one" in error.detail else "columns",
        "use_offset": "columns",
        "group_offset": "columns",
        "min_quantity": "divisible",
        "use_capacity": "items" if error.detail == "used twice" else "reference",
        "group_index": "reference",
        "ciphertext": "sealed",
        "item_lot": "items",
        "resource/period": "unique",
        "id": "unique" if isinstance(error, errors.DuplicateIdError) else "",
        "arcs": "unique" if isinstance(error, errors.DuplicateIdError) else "",
    }.get(column, "")
