"""The page of the clearing benchmark from a few recorded runs."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks.clearing.page import write_page

META: dict[str, Any] = {
    "date": "2026-01-31",
    "full": False,
    "limit_s": 5.0,
    "threads": 2,
    "machine": {
        "processor": "Imagined",
        "cores": 2,
        "memory_gib": 8,
        "system": "Linux x86_64",
        "python": "3.11.7",
        "versions": {"takt": "0.1.0"},
    },
    "commit": "abc1234",
    "absent": ["cpsat", "scip"],
}


def solve(name: str, solver: str, objective: int | None, **more: object) -> dict[str, Any]:
    return {
        "key": f"solve/gap/{name}/{solver}/5",
        "section": "solve",
        "family": "gap",
        "name": name,
        "solver": solver,
        "best_cost": 1000,
        "objective": objective,
        "bound": -999.0,
        "bound_kind": "certified",
        "status": "feasible",
        "trace": [] if objective is None else [[1.5, float(objective)]],
        "version": "1",
        "load": 2.25,
        **more,
    }


RECORDS: list[dict[str, Any]] = [
    solve("a", "takt", -1020),
    solve("a", "highs", -1500),
    solve("a", "cbc", -1010),
    solve("b", "takt", -1000),
    solve("b", "highs", None),
    {"key": "solve/gap/b/cbc/5", "section": "solve", "error": "ended by force after 70 s", "load": 7.5},
    {
        "key": "build/2x2",
        "section": "build",
        "orders": 2,
        "bids": 2,
        "rows": 3,
        "columns": 4,
        "non_zeros": 8,
        "seconds": {"direct": 0.5, "arrays": 0.75, "usual": 60.0},
    },
    *(
        {
            "key": f"scale/{bids}",
            "section": "scale",
            "bids": bids,
            "gap_ppm": 20_000,
            "target_ppm": 100_000,
            "limit_s": 120.0,
            "wall": bids / 10_000,
            "peak_kib": 1024 * bids / 1000,
            "bound_kind": "certified",
            "parts": {"read": 0.1, "build": 0.1, "solve": 0.1, "check": 0.1},
        }
        for bids in (10_000, 100_000)
    ),
    {
        "key": "load/80/1",
        "section": "load",
        "percent": 80,
        "joint_cost": 1000,
        "greedy_cost": 1030,
        "arrival_cost": 1050,
        "gap_ppm": 1000,
    },
]


@pytest.fixture
def page(tmp_path: Path) -> str:
    return write_page(RECORDS, META, tmp_path).read_text()


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-31",
        "Commit abc1234.",
        "Not installed and so not run: CP-SAT and SCIP.",
        "Load average when a run began: 2.2 to 7.5",
        "| Generalised assignment | Takt | 2 | 2 without answer | 1.00 %, 2.00 % | 0 of 2 |",
        "| Generalised assignment | HiGHS | 2 | 2 without answer | 1 without answer | 0 of 2 |",
        "| 0.5000 s | 1.50 | 120 | 80 |",
        "time grows with bids to the power 1.00 and memory grows with bids to the power 1.00",
        "| 80 % | 1 | 5.00 % | 3.00 % | 0.10 % |",
        "* `solve/gap/b/cbc/5`: ended by force after 70 s",
    ],
)
def test_figures_are_those_of_the_records(page: str, line: str) -> None:
    assert line in page


def test_where_another_is_better_the_page_says_so(page: str) -> None:
    assert "Takt on 1 of 2, HiGHS on 0 of 2, CBC on 1 of 1" in page
    assert "Generalised assignment `a` (2.00 %, CBC 1.00 %)" in page


def test_pictures_are_well_formed_and_call_no_other_host(page: str, tmp_path: Path) -> None:
    assert "![" in page
    pictures = sorted(tmp_path.glob("*.svg"))
    assert [p.name for p in pictures] == ["clearing-gap.svg", "clearing-scaling.svg"]
    for picture in pictures:
        text = picture.read_text()
        ET.fromstring(text)  # noqa: S314  our own
        assert "prefers-color-scheme" in text
        assert "nan" not in text
        assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_nothing_measured_is_a_page_without_sections(tmp_path: Path) -> None:
    text = write_page([], META, tmp_path).read_text()
    assert "## " not in text
    assert "public instances" in text
    assert not list(tmp_path.glob("*.svg"))
