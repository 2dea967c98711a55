"""What requests hold: pydantic schemas, strict, that turn into values of the model.

They use the request's own names (``due`` rather than ``due_us``); an error of the model is raised
again in those names. The bounds here are the model's, so that the OpenAPI document states them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ParamSpec, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from gateway.errors import ProblemError
from gateway.field_errors import content_problem
from gateway.instants import format_instant, parse_instant
from gateway.strict_json import join, printable
from takt_sdk.model.capability import MAX_LENGTH_UM, DataClass, LotKind, Requirement, WorkEnvelope
from takt_sdk.model.errors import ModelError
from takt_sdk.model.messages import PublishPart, SubmitOrder
from takt_sdk.model.order import MAX_TAKTS, OrderTerms
from takt_sdk.model.plan import MAX_PLAN_LOTS, Document, Part, PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.values import MAX_MINOR, MAX_QUANTITY

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Schema = TypeVar("_Schema", bound=BaseModel)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable text")
    return text


Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")]
Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(_printable)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Money = Annotated[int, Field(ge=0, le=MAX_MINOR)]
Length = Annotated[int, Field(ge=0, le=MAX_LENGTH_UM)]
Instant = Annotated[
    int,
    BeforeValidator(parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2027-01-31T12:00:00Z"]}),
]


class Request(BaseModel):
    """Base of what a request holds: strict types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _build(path: str, factory: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call ``factory``; an error of the model gets ``path`` before its field and becomes a problem."""
    try:
        return factory(*args, **kwargs)
    except ModelError as error:
        field = join(path, error.field)
        detail = f"{field} {error.rule}" + (f": {error.detail}" if error.detail else "")
        raise ProblemError("invalid_content", detail, field=field, value=printable(error.value)) from error


class EnvelopeRequest(Request):
    """Outer dimensions in micrometres."""

    x_um: Length
    y_um: Length
    z_um: Length


class RequirementRequest(Request):
    """What must be able to make or supply a lot."""

    process: Id
    material: Id
    envelope: EnvelopeRequest | None = None
    tolerance_um: Length = 0
    certificates: Annotated[list[Id], Field(max_length=100)] = []

    def value(self, path: str) -> Requirement:
        """Return the model's value."""
        size = self.envelope
        return _build(
            path,
            Requirement,
            process=self.process,
            material=self.material,
            envelope=None if size is None else WorkEnvelope(x_um=size.x_um, y_um=size.y_um, z_um=size.z_um),
            tolerance_um=self.tolerance_um,
            certificates=tuple(self.certificates),
        )


class LotRequest(Request):
    """One operation or material of a plan, per piece of the part."""

    id: Id
    kind: LotKind
    requirement: RequirementRequest
    quantity_per_piece: Annotated[int, Field(ge=1, le=MAX_QUANTITY)] = 1
    run_time_us: Annotated[int, Field(ge=0, le=2**53 - 1)] = 0


class ArcRequest(Request):
    """Goods flow from lot ``source`` into lot ``target``."""

    source: Id
    target: Id


class PlanRequest(Request):
    """A process plan: lots, and arcs that say what flows into what; exactly one final lot."""

    lots: Annotated[list[LotRequest], Field(min_length=1, max_length=MAX_PLAN_LOTS)]
    arcs: Annotated[list[ArcRequest], Field(max_length=MAX_PLAN_LOTS * 4)] = []

    def value(self) -> ProcessPlan:
        """Return the model's value."""
        lots = tuple(
            _build(
                f"plan.lots[{index}]",
                PlannedLot,
                id=lot.id,
                kind=lot.kind,
                requirement=lot.requirement.value(f"plan.lots[{index}].requirement"),
                quantity_per_piece=lot.quantity_per_piece,
                run_time_us=lot.run_time_us,
            )
            for index, lot in enumerate(self.lots)
        )
        arcs = tuple(PlannedArc(source=arc.source, target=arc.target) for arc in self.arcs)
        return _build("plan", ProcessPlan, lots=lots, arcs=arcs)


class DocumentRequest(Request):
    """A document by its SHA-256, lower-case hex."""

    sha256: Sha256
    name: Text


Documents = Annotated[list[DocumentRequest], Field(max_length=100)]


def _documents(requests: list[DocumentRequest]) -> tuple[Document, ...]:
    return tuple(Document(sha256=request.sha256, name=request.name) for request in requests)


class PartRequest(Request):
    """A part of the sender's catalogue."""

    name: Text
    plan: PlanRequest
    documents: Documents = []

    def command(self, part_id: str) -> PublishPart:
        """Return the command that puts this part into the catalogue as ``part_id``."""
        part = _build(
            "",
            Part,
            id=part_id,
            name=self.name,
            plan=self.plan.value(),
            documents=_documents(self.documents),
        )
        return PublishPart(part=part)


class OrderRequest(Request):
    """An order for a part of the catalogue, or with its plan inline.

    Money is integer minor units of the market's currency; ``currency`` may be given to have it checked.
    """

    part_id: Id
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY, description="Pieces of the part.")]
    destination: Annotated[Id, Field(description="Site to which the part goes.")]
    release: Annotated[Instant, Field(description="Nothing starts before it.")]
    due: Annotated[Instant, Field(description="Date asked for, after ``release``.")]
    deadline: Annotated[
        Instant | None,
        Field(description="Last acceptable receipt, not before ``due``; else ``due``."),
    ] = None
    reservation_value_minor: Annotated[
        Money, Field(description="The most the order may cost in total; sealed, never shown to bidders.")
    ]
    currency: Currency | None = None
    lateness_penalty_minor_per_day: Money = 0
    partial: Annotated[bool, Field(description="Whether fewer pieces may be served.")] = False
    max_suppliers: Annotated[int, Field(ge=1, le=1000)] | None = None
    certificates: Annotated[list[Id], Field(max_length=100)] = []
    data_class: DataClass = "open"
    good_for_takts: Annotated[int, Field(ge=1, le=MAX_TAKTS)] = 1
    plan: PlanRequest | None = None
    documents: Documents = []

    def command(self, idempotency_key: str) -> SubmitOrder:
        """Return the command that submits this order."""
        deadline_us = self.due if self.deadline is None else self.deadline
        if self.due <= self.release:
            raise _date_problem("due", "must be after release", self.due)
        if deadline_us < self.due:
            raise _date_problem("deadline", "must not be before due", deadline_us)
        terms = _build(
            "",
            OrderTerms,
            quantity=self.quantity,
            destination=self.destination,
            release_us=self.release,
            due_us=self.due,
            deadline_us=deadline_us,
            reservation_value_minor=self.reservation_value_minor,
            lateness_penalty_minor_per_day=self.lateness_penalty_minor_per_day,
            partial=self.partial,
            max_suppliers=self.max_suppliers,
            certificates=tuple(self.certificates),
            data_class=self.data_class,
            good_for_takts=self.good_for_takts,
        )
        return _build(
            "",
            SubmitOrder,
            idempotency_key=idempotency_key,
            part_id=self.part_id,
            terms=terms,
            plan=None if self.plan is None else self.plan.value(),
            documents=_documents(self.documents),
        )


def _date_problem(field: str, rule: str, time_us: int) -> ProblemError:
    return ProblemError("invalid_content", f"{field} {rule}", field=field, value=format_instant(time_us))


def validate(schema: type[_Schema], value: object) -> _Schema:
    """Return ``value`` as ``schema``.

    Raises
    ------
    ProblemError
        ``invalid_content``, naming every offending field (at most `gateway.field_errors.MAX_ERRORS`).
    """
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        raise content_problem(error.errors(include_url=False)) from error
