"""What is read from other solvers, and when their answers count. No solver is run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.clearing.peers import broken_rows, cbc_values, read_cbc, write_mps

LOG = """Version: 2.10.3
Continuous objective value is -1500.5 - 0.02 seconds
Cbc0012I Integer solution of -1200 found by rounding after 0 iterations and 0 nodes (0.10 seconds)
Cbc0010I After 100 nodes, 20 on tree, -1300 best solution, best possible -1450 (1.50 seconds)
Cbc0004I Integer solution of -1300 found after 22 iterations and 90 nodes (1.40 seconds)
Result - Stopped on time limit
Objective value:                -1310.00000000
Lower bound:                    -1420.250
"""


def program() -> dict[str, Any]:
    """Return: maximise 3 x0 + 2 x1, x0 + x1 <= 4, 1 <= x0 - x1, both whole, 0 to 3."""
    return {
        "cost": np.array([3.0, 2.0]),
        "lower": np.zeros(2),
        "upper": np.array([3.0, 3.0]),
        "integer": np.array([True, True]),
        "row_lower": np.array([-np.inf, 1.0]),
        "row_upper": np.array([4.0, np.inf]),
        "row_ptr": np.array([0, 2, 4]),
        "column": np.array([0, 1, 0, 1]),
        "value": np.array([1.0, 1.0, 1.0, -1.0]),
    }


def test_a_log_of_cbc_is_read_as_a_maximisation() -> None:
    found = read_cbc(LOG, limit_s=5.0)
    assert found.trace == [(0.1, 1200.0), (1.4, 1300.0), (5.0, 1310.0)]
    assert found.bound == pytest.approx(1420.25)
    assert not found.proven


def test_bounds_of_six_digits_are_rounded_away_from_the_answer() -> None:
    found = read_cbc("Continuous objective value is -1.23457e+07 - 0.02 seconds", limit_s=5.0)
    assert found.bound >= 12_345_675


def test_a_proof_of_cbc_is_its_bound() -> None:
    found = read_cbc("Result - Optimal solution found\n\nObjective value: -7.0\n", limit_s=5.0)
    assert found.proven
    assert found.bound == 7.0


def test_an_infeasible_end_holds_no_values() -> None:
    assert cbc_values("Infeasible - objective value 0\n 0 x0 1 0\n", 2) is None
    assert cbc_values("Stopped on time - objective value -9\n      0 x0   3   3\n", 2).tolist() == [3.0, 0.0]


@pytest.mark.parametrize(("values", "broken"), [((3, 1), 0), ((3, 2), 1), ((1, 1), 1), ((4, 0), 1)])
def test_an_answer_counts_only_if_it_holds(values: tuple[int, int], broken: int) -> None:
    assert broken_rows(program(), np.array(values, dtype=float)) == broken


def test_programs_are_written_as_minimisations(tmp_path: Path) -> None:
    write_mps(program(), tmp_path / "p.mps")
    text = (tmp_path / "p.mps").read_text()
    assert " x0 cost -3.0" in text
    assert " L r0" in text
    assert " G r1" in text
    assert " rhs r1 1.0" in text
