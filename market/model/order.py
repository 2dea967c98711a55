"""What a customer wants: an order, and the lots that it is procured as."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from market.model.capability import DATA_CLASSES, DataClass, LotKind, Requirement
from market.model.errors import EmptyError, InvalidWindowError, OutOfRangeError
from market.model.plan import Document, ProcessPlan
from market.model.values import (
    MAX_QUANTITY,
    check_choice,
    check_count,
    check_id,
    check_ids,
    check_int,
    check_money,
    check_participant_id,
    check_time,
)

MAX_TAKTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """The customer's side of an order, sealed but for what a call must say.

    Attributes
    ----------
    quantity
        Pieces of the part.
    destination
        Site to which the part goes.
    release_us
        No lot starts before it.
    due_us
        Date asked for; lateness is counted from it.
    deadline_us
        Last acceptable receipt, >= ``due_us``; nothing later is chosen.
    reservation_value_minor
        The most the customer pays in total. Never leaves the market.
    lateness_penalty_minor_per_day
        Booked per started day after ``due_us``.
    partial
        Whether fewer pieces may be served.
    max_suppliers
        Most distinct participants over all lots, None = no limit.
    good_for_takts
        Takts in which the order is called before it ends unserved.
    """

    quantity: int
    destination: str
    release_us: int
    due_us: int
    deadline_us: int
    reservation_value_minor: int
    lateness_penalty_minor_per_day: int = 0
    partial: bool = False
    max_suppliers: int | None = None
    certificates: tuple[str, ...] = ()
    data_class: DataClass = "open"
    good_for_takts: int = 1

    def __post_init__(self) -> None:
        check_int("quantity", self.quantity, 1, MAX_QUANTITY)
        check_id("destination", self.destination)
        for name in ("release_us", "due_us", "deadline_us"):
            check_time(name, getattr(self, name))
        if self.due_us <= self.release_us:
            raise InvalidWindowError("due_us", self.due_us, f"after release_us {self.release_us}")
        if self.deadline_us < self.due_us:
            raise InvalidWindowError("deadline_us", self.deadline_us, f"not before due_us {self.due_us}")
        check_money("reservation_value_minor", self.reservation_value_minor)
        check_money("lateness_penalty_minor_per_day", self.lateness_penalty_minor_per_day)
        if self.max_suppliers is not None:
            check_int("max_suppliers", self.max_suppliers, 1, 1000)
        check_ids("certificates", self.certificates)
        check_choice("data_class", self.data_class, DATA_CLASSES)
        check_int("good_for_takts", self.good_for_takts, 1, MAX_TAKTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """The smallest thing that is procured: one operation or material, in one quantity.

    ``earliest_start_us`` and ``latest_end_us`` are the lot's slice of the order's dates.
    ``run_time_us`` is the planner's estimate per unit, from which a bidder derives its own;
    ``inputs`` names the lots that flow into this one, so that a bidder can see a chain of its own.
    """

    id: str
    order_id: str
    kind: LotKind
    requirement: Requirement
    quantity: int
    earliest_start_us: int
    latest_end_us: int
    run_time_us: int = 0
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arc:
    """Goods flow from a lot into another lot, or (``target`` None) to the order's destination."""

    id: str
    source: str
    target: str | None


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
