"""``python -m tests.integration.faulty_clear FAULT ARGUMENTS``: `takt clear` with a solver that fails."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from market.adapters import solver_pulp
from market.clearing.program import Answer, ProgramResult
from scenarios.clear_command import clear

if TYPE_CHECKING:
    from collections.abc import Callable

    from market.clearing.program import Program

Real = solver_pulp.PulpSolver


def _raise() -> None:
    raise RuntimeError("planted: the solver raised")


def _no_memory() -> None:
    raise MemoryError


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _sleep() -> None:
    time.sleep(1000)


def _sleep_with_lock() -> None:
    """Hang without letting any other thread of the process run."""
    ctypes.PyDLL(None).sleep(1000)


BEFORE: dict[str, Callable[[], None]] = {
    "raises": _raise,
    "no_memory": _no_memory,
    "crashes": _crash,
    "hangs": _sleep,
    "hangs_with_lock": _sleep_with_lock,
}


def _lie(fault: str, program: Program, right: ProgramResult) -> ProgramResult:
    """Return a wrong result of a program."""
    ones = np.ones(program.n_columns)
    match fault:
        case "nan":
            return replace(right, values=ones * np.nan, duals=None, bound=float("nan"))
        case "nan_duals":
            return replace(right, duals=np.full(program.n_rows, np.nan))
        case "infeasible_point":
            return replace(right, answer=Answer.OPTIMAL, values=program.upper.copy(), bound=1e9)
        case "says_infeasible":
            return replace(right, answer=Answer.INFEASIBLE, values=None, duals=None)
        case "low_bound":
            return replace(right, answer=Answer.OPTIMAL, bound=-1e6)
        case "says_optimal":
            return replace(right, answer=Answer.OPTIMAL, values=ones * 0.0, objective=0.0, bound=0.0)
        case "short":
            return replace(right, values=ones[:1])
        case _:
            raise ValueError(fault)


class Faulty:
    """A solver that fails in the way named on the command line."""

    name = "faulty"
    fault = ""

    def __getattr__(self, name: str) -> Callable[..., ProgramResult]:
        def solve(program: Program, *args: object, **options: object) -> ProgramResult:
            if self.fault in BEFORE:
                BEFORE[self.fault]()
            right: ProgramResult = getattr(Real(), name)(program, *args, **options)
            return _lie(self.fault, program, right)

        return solve


if __name__ == "__main__":
    Faulty.fault = sys.argv.pop(1)
    solver_pulp.PulpSolver = Faulty  # type: ignore[misc, assignment]
    clear()
