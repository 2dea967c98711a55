"""What a customer asks for, and the lots that bidders are called for."""

from __future__ import annotations

from dataclasses import dataclass

from takt_sdk.model.capability import DATA_CLASSES, DataClass, LotKind, Requirement
from takt_sdk.model.errors import InvalidWindowError
from takt_sdk.model.quickly_built import quickly_built
from takt_sdk.model.values import (
    MAX_QUANTITY,
    check_choice,
    check_id,
    check_ids,
    check_int,
    check_money,
    check_time,
)

MAX_TAKTS = 1000


@quickly_built
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


@quickly_built
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
