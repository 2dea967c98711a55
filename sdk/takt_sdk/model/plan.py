"""Process plans: what has to happen to one piece of a part, as a DAG of lots.

A plan is per piece; an order multiplies it by its quantity. Holds no prices and no dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd

from takt_sdk.model.capability import LotKind, Requirement
from takt_sdk.model.errors import (
    CyclicPlanError,
    DuplicateIdError,
    EmptyError,
    IndivisibleFlowError,
    UnknownReferenceError,
    UnreachableLotError,
)
from takt_sdk.model.values import (
    MAX_QUANTITY,
    check_choice,
    check_count,
    check_id,
    check_int,
    check_local_id,
    check_sha256,
    check_text,
)

MAX_PLAN_LOTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLot:
    """One operation or material of a plan.

    ``quantity_per_piece`` counts units of this lot per piece of the part. ``run_time_us`` is the
    planner's estimate per unit; it slices the order's dates, it binds nobody.
    """

    id: str
    kind: LotKind
    requirement: Requirement
    quantity_per_piece: int = 1
    run_time_us: int = 0

    def __post_init__(self) -> None:
        check_local_id("id", self.id)
        check_choice("kind", self.kind, ("operation", "material"))
        check_int("quantity_per_piece", self.quantity_per_piece, 1, MAX_QUANTITY)
        check_int("run_time_us", self.run_time_us, 0, 2**53 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedArc:
    """Goods flow from ``source`` into ``target``."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class ProcessPlan:
    """A DAG of lots with exactly one final lot, whose output is the part.

    Raises
    ------
    EmptyError, DuplicateIdError, UnknownReferenceError, CyclicPlanError, UnreachableLotError,
    IndivisibleFlowError
        Naming the lot or arc.
    """

    lots: tuple[PlannedLot, ...]
    arcs: tuple[PlannedArc, ...] = ()

    def __post_init__(self) -> None:
        if not self.lots:
            raise EmptyError("lots", self.lots)
        check_count("lots", self.lots, MAX_PLAN_LOTS)
        check_count("arcs", self.arcs, MAX_PLAN_LOTS * 4)
        quantity: dict[str, int] = {}
        for index, lot in enumerate(self.lots):
            if lot.id in quantity:
                raise DuplicateIdError(f"lots[{index}].id", lot.id)
            quantity[lot.id] = lot.quantity_per_piece
        pairs: set[tuple[str, str]] = set()
        for index, arc in enumerate(self.arcs):
            for end in ("source", "target"):
                if getattr(arc, end) not in quantity:
                    raise UnknownReferenceError(f"arcs[{index}].{end}", getattr(arc, end))
            if (arc.source, arc.target) in pairs:
                raise DuplicateIdError(f"arcs[{index}]", f"{arc.source} -> {arc.target}")
            pairs.add((arc.source, arc.target))
            low, high = sorted((quantity[arc.source], quantity[arc.target]))
            if gcd(low, high) != low:
                raise IndivisibleFlowError(
                    f"arcs[{index}]", f"{arc.source} -> {arc.target}", f"{low} and {high}"
                )
        order = self.topological_order
        finals = [lot for lot in order if not any(arc.source == lot for arc in self.arcs)]
        if len(finals) > 1:
            raise UnreachableLotError("lots", finals[0], f"more than one final lot: {', '.join(finals)}")

    @cached_property
    def topological_order(self) -> tuple[str, ...]:
        """Lot ids, each after all that flow into it; ties in the order given."""
        waiting = {lot.id: 0 for lot in self.lots}
        for arc in self.arcs:
            waiting[arc.target] += 1
        order: list[str] = []
        while waiting:
            ready = next((lot for lot, count in waiting.items() if count == 0), None)
            if ready is None:
                raise CyclicPlanError("arcs", " -> ".join(waiting))
            del waiting[ready]
            order.append(ready)
            for arc in self.arcs:
                if arc.source == ready:
                    waiting[arc.target] -= 1
        return tuple(order)

    @property
    def final_lot(self) -> str:
        """Id of the lot whose output is the part."""
        return self.topological_order[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that an eligible participant may fetch with its own credentials."""

    sha256: str
    name: str

    def __post_init__(self) -> None:
        check_sha256("sha256", self.sha256)
        check_text("name", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A catalogue entry of one customer: a revision of a part with its plan."""

    id: str
    name: str
    plan: ProcessPlan
    documents: tuple[Document, ...] = ()

    def __post_init__(self) -> None:
        check_id("id", self.id)
        check_text("name", self.name)
        check_count("documents", self.documents, 100)
