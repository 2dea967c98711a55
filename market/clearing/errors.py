"""Errors of the clearing.

::

    ClearingError
    ├── CliqueError         a published clique whose bids do not all shut each other out
    ├── HelperLostError     a helper that ended before it answered; its part is searched here
    ├── ProblemError        a problem document that cannot be cleared: names path and value
    ├── SolverError         a solver that crashed or answered nonsense; the clearing falls back
    └── UnprovenError       an optimum asked for exactly that could not be proven in its limits

An infeasible or unproven market is a status of the result, never an exception.
"""

from __future__ import annotations


class ClearingError(Exception):
    """Base of everything the clearing raises on purpose."""


class ProblemError(ClearingError):
    """A problem that breaks the rules of ``takt.problem.v1``.

    Parameters
    ----------
    path
        Where, as ``bids[12].uses[0].resource``; indices count from 0 in the order given.
    detail
        What is wrong, with the value.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path
        self.detail = detail


class CliqueError(ClearingError):
    """Two bids of a published clique that can be accepted together; twice the same if one is repeated."""

    def __init__(self, bid: str, other: str) -> None:
        super().__init__(f"{bid} and {other} stand in one clique, yet do not shut each other out")
        self.bid = bid
        self.other = other


class HelperLostError(ClearingError):
    """A helper in another process that is no longer there."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class SolverError(ClearingError):
    """A solver that failed in a way that is not an answer about the program."""

    def __init__(self, solver: str, detail: str) -> None:
        super().__init__(f"{solver}: {detail}")
        self.solver = solver
        self.detail = detail


class UnprovenError(ClearingError):
    """An optimum that a payment or an explanation needs exactly, and that was not proven."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
