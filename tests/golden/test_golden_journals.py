"""Journals of every release fold to the state and outcome that they had, and pass the audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from market.adapters.codec import state_digest
from market.engine.engine import ENGINE_VERSION
from market.service.audit import audit
from market.service.recovery import recover
from scenarios.outcome import outcome, outcome_digest
from takt_sdk.codec import encode
from tests.golden.golden_journal import FOLDER, GoldenJournal, run_smoke

JOURNALS = sorted(FOLDER.glob("*.jsonl"))


def test_this_release_has_a_golden_journal() -> None:
    assert FOLDER / f"smoke-engine-{ENGINE_VERSION}.jsonl" in JOURNALS


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_golden_journal_folds_and_audits(path: Path) -> None:
    journal = GoldenJournal(path)
    state = recover(journal)
    assert outcome_digest(state) == journal.golden.outcome_digest
    found = audit(journal)
    assert found.state_digest == state_digest(state)  # the file's own is of the state's shape in its release
    assert found.clearings == len(state.rounds) > 0


def test_the_smoke_scenario_still_comes_to_the_golden_awards() -> None:
    """If this fails and should: a new engine version, and ``python -m tests.golden.golden_journal``."""
    golden = outcome(recover(GoldenJournal(FOLDER / f"smoke-engine-{ENGINE_VERSION}.jsonl")))
    now = outcome(run_smoke()[0])
    for part in ("orders", "contracts"):  # how hard the solver worked may change without another outcome
        assert encode(now[part]) == encode(golden[part])
