"""PuLP with CBC behind the solver contract."""

from __future__ import annotations

import pytest

from market.adapters.solver_cbc import CbcSolver
from market.clearing.program import Solver
from tests.contract.solver_contract import SolverContract


class TestCbc(SolverContract):
    duals = False

    @pytest.fixture
    def solver(self) -> Solver:
        return CbcSolver()
