"""What a bid is told on the command line when its exact threshold is not waited for."""

from __future__ import annotations

import json
import time
from threading import Event

from market.adapters.solver_pulp import PulpSolver
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.limits import Limits
from scenarios.clear_explanation import explained
from takt_sdk.wall_clock import WallClock
from tests.integration.clear_markets import hard_market


def test_an_interrupt_ends_the_search_for_the_exact_threshold() -> None:
    halt, drafts = Event(), list[bytes]()
    halt.set()
    began_s = time.monotonic()
    said = json.loads(
        explained(
            problem_from_document(hard_market()),
            "c001",
            solver=PulpSolver(),
            limits=Limits(time_s=400.0),
            clock=WallClock(),
            halt=halt,
            draft=drafts.append,
        )
    )
    assert [json.loads(draft) for draft in drafts] == [said]
    assert (said["bid"], said["estimate"]) == ("c001", True)
    assert time.monotonic() - began_s < 100  # of 240 s that the exact search may take
