"""The demo itself: a week of orders in Europe, to summary and report, the same each time."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from scenarios.summary import read_summary
from takt_sdk.model.messages import TERMINAL_ORDER_STATES
from tests.integration.live_market import takt

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "takt.summary.v1.json"
JOB_SHOPS = Path(__file__).parents[2] / "scenarios" / "library" / "european-job-shops"


@pytest.mark.slow
def test_the_demo_writes_a_valid_summary_and_a_report_and_comes_to_the_same_each_time(tmp_path: Path) -> None:
    digests = []
    for number in ("1", "2"):
        out = tmp_path / number
        done = takt("run", str(JOB_SHOPS), "--transport", "memory", "--out", str(out), timeout_s=300.0)
        assert done.returncode == 0, done.stderr
        written = (out / "summary.json").read_bytes()
        jsonschema.validate(json.loads(written), json.loads(SCHEMA.read_text()))
        summary = read_summary(written)
        assert sum(summary.orders_by_state.values()) == summary.orders_total > 50
        assert set(summary.orders_by_state) <= TERMINAL_ORDER_STATES
        assert summary.comparison.joint_welfare_minor > summary.comparison.order_by_order_welfare_minor
        report = (out / "report.html").read_text()
        assert report.startswith("<!doctype html>")
        assert "http://" not in report.replace("http://www.w3.org/", "")
        assert f"outcome {summary.outcome_digest}" in done.stdout
        digests.append(summary.outcome_digest)
    assert digests[0] == digests[1]
