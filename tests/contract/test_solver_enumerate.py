"""Enumeration behind the solver contract."""

from __future__ import annotations

import pytest

from market.adapters.solver_enumerate import EnumerateSolver
from market.clearing.program import Solver
from tests.contract.solver_contract import SolverContract


class TestEnumerate(SolverContract):
    duals = False

    @pytest.fixture
    def solver(self) -> Solver:
        return EnumerateSolver()
