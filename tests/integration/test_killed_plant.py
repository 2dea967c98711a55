"""A plant's agent is killed in mid order: its work has a new award within 30 s, and every order goes on."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.live_market import (
    Market,
    Program,
    admitted,
    join_of,
    market,
    orders,
    plates,
    program,
    submit,
    verified,
    wait_for,
    wait_for_state,
    written_profiles,
)

ROLES = {"cologne-mill": "plant", "paris-mill": "plant", "brussels-metals": "supplier"}
MILLS = ("cologne-mill", "paris-mill")
RUNNING = {"confirmed", "in_production"}
ORDERS = 4
LIMIT_S = 30.0


def _join(live: Market, folder: Path, stack: contextlib.ExitStack) -> dict[str, Program]:
    """Admit the smoke scenario's sellers and start each as a process of its own."""
    profiles, found = written_profiles(folder), {}
    for name, role in ROLES.items():
        join = join_of(live, profiles[name], admitted(live, profiles[name], role))
        found[name] = stack.enter_context(program(join, folder / f"{name}.log"))
    for name, one in found.items():
        one.wait_until_printed(f"{name} joins")
    return found


def _milling(client: httpx.Client, order_id: str) -> list[str]:
    """Return the contracts that stand for the milling of an order."""
    timeline: dict[str, Any] = client.get(f"/v1/orders/{order_id}/timeline").json()["timeline"]
    return [
        entry["contract_id"]
        for entry in timeline["entries"]
        if entry["lot_id"].endswith(".mill") and entry["state"] not in {"ended", "at_risk"}
    ]


@pytest.mark.slow
def test_the_work_of_a_killed_plant_is_awarded_anew_and_no_order_is_lost_doubled_or_stuck(
    tmp_path: Path,
) -> None:
    with (
        market(tmp_path / "market", "--empty", "--takt-s", "2", "--response-s", "1") as live,
        live.customer() as client,
        contextlib.ExitStack() as stack,
    ):
        agents = _join(live, tmp_path, stack)
        body = plates() | {"good_for_takts": 30}
        ids = []
        for number in range(ORDERS):
            answer = submit(client, f"k-{number}", body)
            assert answer.status_code == 201, answer.text
            ids.append(answer.json()["id"])
        for id_ in ids:
            wait_for_state(client, id_, RUNNING)
        held = {id_: _milling(client, id_) for id_ in ids}
        assert all(len(contracts) == 1 for contracts in held.values()), held
        first = held[ids[0]][0]
        dead = next(name for name in MILLS if f"won {first}" in agents[name].printed())
        theirs = [id_ for id_ in ids if f"won {held[id_][0]}" in agents[dead].printed()]
        agents[dead].process.send_signal(signal.SIGKILL)
        killed_s = time.monotonic()

        def awarded_anew() -> bool:
            now = {id_: _milling(client, id_) for id_ in theirs}
            return all(len(now[id_]) == 1 and now[id_] != held[id_] for id_ in theirs)

        wait_for(awarded_anew, f"new awards of {theirs}", LIMIT_S)
        assert time.monotonic() - killed_s <= LIMIT_S
        sys.stdout.write(f"awarded anew after {time.monotonic() - killed_s:.1f} s\n")
        for id_ in ids:
            wait_for_state(client, id_, RUNNING)
        risks = client.get("/v1/risks").json()["risks"]["risks"]
        assert not [risk for risk in risks if risk["state"] in {"at_risk", "reallocating"}], risks

        # The plant comes back: what it lost stays lost, what is ordered again is the same order.
        join = join_of(live, tmp_path / f"{dead}.toml", tmp_path / f"{dead}.creds")
        back = stack.enter_context(program(join, tmp_path / f"{dead}-again.log"))
        back.wait_until_printed(f"{dead} joins")
        for number, id_ in enumerate(ids):
            assert submit(client, f"k-{number}", body).json()["id"] == id_
        assert sorted(order["id"] for order in orders(client)) == sorted(ids)
        now = {id_: _milling(client, id_) for id_ in ids}
        assert all(len(contracts) == 1 for contracts in now.values()), now
        assert not [id_ for id_ in ids if f"won {now[id_][0]}" in agents[dead].printed()]
        for id_ in ids:
            quote = client.post(f"/v1/orders/{id_}/changes", json={"cancel": True}).json()["quote"]
            done = client.post(f"/v1/orders/{id_}/changes/{quote['quote_id']}/accept")
            assert done.status_code == 200, done.text
            wait_for_state(client, id_, {"cancelled"})
        for one in (*(agents[name] for name in agents if name != dead), back):
            assert one.stop(signal.SIGTERM) == 0, one.printed()
        assert live.stop() == 0, live.printed()
    verified(tmp_path / "market" / "journal.db")
