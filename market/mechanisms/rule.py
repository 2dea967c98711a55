"""What every payment rule takes and returns. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from market.clearing.errors import UnprovenError

if TYPE_CHECKING:
    from market.clearing.formulation.allocation import Allocation
    from market.clearing.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Payments in minor units: per accepted bid, and the fixed price per opened group."""

    bids: Mapping[int, int]
    groups: Mapping[int, int]

    @property
    def total(self) -> int:
        """The sum of all payments."""
        return sum(self.bids.values()) + sum(self.groups.values())


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a rule gives no payments here; one sentence without names of losing bidders."""

    reason: str


ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Resolve(Protocol):
    """Optima of changed markets, exact.

    `without` and `best` raise `market.clearing.errors.UnprovenError` rather than return what is not
    proven optimal. ``a`` is an allocation of ``p`` to start from.
    """

    def without(self, p: Problem, a: Allocation, bidders: Sequence[int]) -> list[Allocation | None]:
        """Return an optimum without each bidder in turn; None where must-serve orders need it."""
        ...

    def best(self, p: Problem, a: Allocation) -> Allocation:
        """Return an optimal allocation."""
        ...

    def each(self, job: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> list[ResultT]:
        """Do a job that solves for every item, in any order and at the same time; return in theirs."""
        ...


class _Unresolved:
    """Solves nothing: there is no time, or no solver."""

    def without(self, p: Problem, a: Allocation, bidders: Sequence[int]) -> list[Allocation | None]:  # noqa: ARG002
        """Refuse."""
        raise UnprovenError(NO_TIME_LEFT)

    def best(self, p: Problem, a: Allocation) -> Allocation:  # noqa: ARG002
        """Refuse."""
        raise UnprovenError(NO_TIME_LEFT)

    def each(self, job: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> list[ResultT]:
        """Do the jobs one by one."""
        return [job(item) for item in items]


NO_TIME_LEFT = "no time left to solve again what payments compare with"


UNRESOLVED: Resolve = _Unresolved()
"""For where nothing can be solved again: rules that need it refuse."""

Pay = Callable[["Problem", "Allocation", Resolve], Paid | Refused]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A payment rule by name; ``needs_proof`` where payments mean nothing below the optimum."""

    name: str
    needs_proof: bool
    pay: Pay
