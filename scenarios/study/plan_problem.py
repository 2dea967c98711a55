"""The central planner's problem as data: every way to make every order, and what there is for them.

An *option* is a lot at one work centre or one supplier; what it takes is filled into the periods of the
lot's window. Each option stands here twice. The *exact* one is what a planner may do who knows every
breakdown. The *loose* one is at least as good as whatever a market with the same companies and windows
can do: it knows no breakdown, and shares of a lot cost no more than their share of the whole. Plans
are made of the first, bounds of the second. Solves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SCALE = 1_000_000
"""Worth and prices are integers in millionths of a minor unit: emissions are weighed per tonne exactly."""
NEVER = -(2**60)
"""Worth of what can not be done."""


@dataclass(frozen=True, slots=True)
class Side:
    """What options need and cost on one side; rows are options, columns the periods of their windows.

    ``need`` minutes or units in all, at most ``most`` of them per period; ``cost`` scaled, ``again`` for
    every period used after the first. ``capacity`` is by resource.
    """

    need: Ints
    most: Ints
    cost: Ints
    again: Ints
    capacity: Ints


@dataclass(frozen=True, slots=True)
class Feed:
    """A lot that flows into another, as tables: rows are options of the one fed, columns of the other.

    ``lot`` is the place of the one that feeds. ``ways`` are worth of the way between two options, scaled and
    negative, or `NEVER` where no dates fit; ``spared`` what a set-up costs that both share.
    """

    lot: int
    ways: Ints
    transit_us: Ints
    spared: Ints


@dataclass(frozen=True, slots=True)
class PlannedLot:
    """A lot: its options are ``first`` to ``last`` (exclusive) of the problem's."""

    id: str
    first: int
    last: int
    feeds: tuple[Feed, ...]


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """An order: its lots, each after all that flow into it; ``transit_us`` from options of the last one."""

    id: str
    value: int
    due_us: int
    lots: tuple[PlannedLot, ...]
    transit_us: Ints

    @property
    def options(self) -> slice:
        """All options of the order."""
        return slice(self.lots[0].first, self.lots[-1].last)


@dataclass(frozen=True, slots=True)
class PlanProblem:
    """Everything that a central plan is made of. ``row`` is the resource of an option's first period."""

    orders: tuple[PlannedOrder, ...]
    exact: Side
    loose: Side
    row: Ints
    opens_us: Ints
    closes_us: Ints
