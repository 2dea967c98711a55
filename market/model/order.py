"""What a customer wants: an order, and the lots that it is procured as."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from takt_sdk.model.capability import Requirement
from takt_sdk.model.errors import EmptyError, OutOfRangeError
from takt_sdk.model.order import Lot, OrderTerms
from takt_sdk.model.plan import Document, ProcessPlan
from takt_sdk.model.quickly_built import quickly_built
from takt_sdk.model.values import (
    MAX_QUANTITY,
    check_count,
    check_id,
    check_participant_id,
)


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Arc:
    """Goods flow from a lot into another lot, or (``target`` None) to the order's destination."""

    id: str
    source: str
    target: str | None


@quickly_built
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An accepted order, its plan multiplied out into lots and arcs.

    Build it with `expand`, which slices the dates and names the lots.
    """

    id: str
    customer: str
    part_id: str
    terms: OrderTerms
    lots: tuple[Lot, ...]
    arcs: tuple[Arc, ...]
    documents: tuple[Document, ...] = ()

    def __post_init__(self) -> None:
        check_id("id", self.id)
        check_participant_id("customer", self.customer)
        if not self.lots:
            raise EmptyError("lots", self.lots)
        check_count("documents", self.documents, 100)


def order_id(market: str, customer: str, idempotency_key: str, salt: str) -> str:
    """Return the id of a customer's order: derived from content, so that a retry names the same.

    ``salt`` is the market's secret; without it an id tells nothing of its customer.
    """
    content = f"order\n{salt}\n{market}\n{customer}\n{idempotency_key}"
    return f"o-{hashlib.sha256(content.encode()).hexdigest()[:20]}"


def expand(
    *,
    order_id: str,
    customer: str,
    part_id: str,
    plan: ProcessPlan,
    terms: OrderTerms,
    documents: tuple[Document, ...] = (),
    transit_us: int,
) -> Order:
    """Multiply a plan by the order's quantity and slice its dates over the lots.

    Every chain of lots shares ``[release, due)`` in proportion to its estimated times, with
    ``transit_us`` reserved after each lot, so that bids within their slices always fit together.

    Raises
    ------
    OutOfRangeError
        If a lot's quantity exceeds the largest quantity.
    """
    lots = {lot.id: lot for lot in plan.lots}
    demand = {lot.id: lot.quantity_per_piece * terms.quantity for lot in plan.lots}
    for name, quantity in demand.items():
        if quantity > MAX_QUANTITY:
            raise OutOfRangeError("quantity", terms.quantity, f"lot {name} would need {quantity} units")
    duration = {name: 1 + transit_us + lot.run_time_us * demand[name] for name, lot in lots.items()}
    before: dict[str, int] = {}
    for name in plan.topological_order:
        before[name] = max(
            (before[a.source] + duration[a.source] for a in plan.arcs if a.target == name), default=0
        )
    after: dict[str, int] = {}
    for name in reversed(plan.topological_order):
        after[name] = max(
            (after[a.target] + duration[a.target] for a in plan.arcs if a.source == name), default=0
        )
    span = terms.due_us - terms.release_us
    expanded = []
    for name, lot in lots.items():
        chain = before[name] + duration[name] + after[name]
        start = terms.release_us + span * before[name] // chain
        end = terms.due_us - span * after[name] // chain - min(transit_us, span * transit_us // chain)
        requirement = lot.requirement
        if terms.certificates:
            merged = tuple(sorted({*requirement.certificates, *terms.certificates}))
            requirement = Requirement(
                process=requirement.process,
                material=requirement.material,
                envelope=requirement.envelope,
                tolerance_um=requirement.tolerance_um,
                certificates=merged,
            )
        expanded.append(
            Lot(
                id=f"{order_id}.{name}",
                order_id=order_id,
                kind=lot.kind,
                requirement=requirement,
                quantity=demand[name],
                earliest_start_us=start,
                latest_end_us=max(end, start + 1),
                run_time_us=lot.run_time_us,
                inputs=tuple(f"{order_id}.{arc.source}" for arc in plan.arcs if arc.target == name),
            )
        )
    arcs = [
        Arc(id=f"{order_id}.{index}", source=f"{order_id}.{arc.source}", target=f"{order_id}.{arc.target}")
        for index, arc in enumerate(plan.arcs)
    ]
    arcs.append(Arc(id=f"{order_id}.{len(arcs)}", source=f"{order_id}.{plan.final_lot}", target=None))
    return Order(
        id=order_id,
        customer=customer,
        part_id=part_id,
        terms=terms,
        lots=tuple(expanded),
        arcs=tuple(arcs),
        documents=documents,
    )
