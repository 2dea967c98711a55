"""`takt up --sealed` as its users start it, killed at any moment of its rounds; and an escrow on its own."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from market.adapters.codec import decode_events
from market.adapters.journal import open_journal
from market.service.audit import audit
from takt_sdk.wall_clock import OsEntropy
from tests.integration.live_market import (
    killed,
    market,
    orders,
    plates,
    program,
    submit,
    verified,
    wait_for,
    wait_for_state,
)

BEAT = ("--takt-s", "3", "--response-s", "2", "--hosts", "1")
SERVED = {"awarded", "confirmed", "in_production"}


def kinds(folder: Path) -> list[str]:
    """Return the kinds of all events of a journal."""
    journal = open_journal(folder / "journal.db", entropy=OsEntropy())
    try:
        return [event.kind for stored in journal.read() for event in decode_events(stored.entry.events)]
    finally:
        journal.close()


@pytest.mark.slow
def test_sealed_rounds_survive_kill_9_anywhere_and_verify(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    made: list[str] = []
    for number, wait_s in enumerate((0.3, 1.4, 2.3)):
        with market(folder, "--sealed", *BEAT) as live:
            with live.customer() as client:
                answer = submit(client, f"order-{number}", plates() | {"good_for_takts": 50})
                assert answer.status_code == 201, answer.text
                made.append(answer.json()["id"])
                reached = [0.0]

                def later(limit: float = wait_s, reached: list[float] = reached) -> bool:
                    reached[0] += 0.02
                    return reached[0] > limit

                wait_for(later, "a moment of the round")
            killed(live)
    with market(folder, "--sealed", *BEAT) as live:
        with live.customer() as client:
            for order_id in made:
                wait_for_state(client, order_id, SERVED)
            assert len(orders(client)) == len(made)
        live.process.send_signal(signal.SIGINT)
        assert live.process.wait(60) == 0
    found = kinds(folder)
    rounds = found.count("takt.round_opened.v1")
    assert found.count("takt.seals_opened.v1") + found.count("takt.round_voided.v1") in {rounds, rounds - 1}
    assert found.count("takt.sheet_received.v1") == found.count("takt.call_declined.v1") == 0
    assert found.count("takt.answer_opened.v1") >= 1
    journal = open_journal(folder / "journal.db", entropy=OsEntropy())
    assert audit(journal).clearings >= 1
    journal.close()
    verified(folder / "journal.db")


@pytest.mark.slow
def test_an_escrow_of_its_own_that_dies_voids_the_round_and_the_next_one_is_cleared(tmp_path: Path) -> None:
    folder, keys = tmp_path / "market", tmp_path / "escrow"
    with program(["escrow", str(keys)], tmp_path / "escrow.log") as escrow:
        escrow.wait_until_printed("token")
        place = escrow.said(r"escrow +(\S+)")
        options = ("--sealed", "--escrow", place, "--escrow-token", str(keys / "token"), *BEAT)
        with market(folder, *options) as live, live.customer() as client:
            order_id = submit(client, "o1", plates() | {"good_for_takts": 50}).json()["id"]
            wait_for_state(client, order_id, {"calling"})
            escrow.process.kill()
            wait_for_state(client, order_id, {"clearing"})
            wait_for(lambda: "cannot be opened" in live.printed(), "the trouble is told")
            ready = client.get("/readyz")
            assert ready.status_code == 200
            assert "cannot be opened" in ready.json()["problems"][0]
            again = ["escrow", str(keys), "--port", place.rpartition(":")[2]]
            with program(again, tmp_path / "escrow-2.log") as second:
                second.wait_until_printed("token")
                wait_for_state(client, order_id, SERVED)
