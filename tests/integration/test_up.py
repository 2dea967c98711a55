"""The live market as a process: partners from outside, kill -9, Ctrl-C, a second start, verification."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.integration.live_market import (
    SMOKE,
    STOP_S,
    admitted,
    join_of,
    left_of,
    market,
    orders,
    plates,
    program,
    submit,
    takt,
    verified,
    wait_for,
    wait_for_state,
    written_profiles,
)

BEAT = ("--takt-s", "2", "--response-s", "1")


@pytest.fixture
def profiles(tmp_path: Path) -> dict[str, Path]:
    return written_profiles(tmp_path)


def test_a_partner_joins_from_outside_wins_an_order_and_the_journal_is_right(
    tmp_path: Path, profiles: dict[str, Path]
) -> None:
    with market(tmp_path / "market", "--empty", *BEAT) as live:
        mill, metals = profiles["paris-mill"], profiles["brussels-metals"]
        joins = [
            join_of(live, profile, admitted(live, profile, role))
            for profile, role in ((mill, "plant"), (metals, "supplier"))
        ]
        with (
            program(joins[0], tmp_path / "mill.log") as first,
            program(joins[1], tmp_path / "metals.log") as second,
        ):
            for partner in (first, second):
                partner.wait_until_printed(" joins smoke at nats://")
            with live.customer() as client:
                answer = submit(client, "first-order", plates() | {"good_for_takts": 20})
                assert answer.status_code == 201, answer.text
                served = wait_for_state(client, answer.json()["id"], {"awarded", "confirmed", "unserved"})
                assert served["state"] in {"awarded", "confirmed"}, served["reasons"]
                assert 0 < served["charge_minor"] <= 500_000
                assert (
                    submit(client, "first-order", plates() | {"good_for_takts": 20}).json()["id"]
                    == served["id"]
                )
                (only,) = orders(client)
                assert only["id"] == served["id"]
            locked = takt("up", "--data", str(live.folder), "--scenario", str(SMOKE), "--empty")
            assert (locked.returncode, locked.stdout) == (1, "")
            assert "another writer has it open" in locked.stderr
            assert "Traceback" not in locked.stderr
            for partner in (first, second):
                assert partner.stop(signal.SIGTERM) == 0, partner.printed()
        family = live.family()
        assert live.stop() == 0, live.printed()
        assert live.printed().endswith("stopping\n")
        assert left_of(family, 5.0) == []
    assert not (live.folder / "market.json").exists()
    assert verified(live.folder / "journal.db").startswith("right: ")
    gone = takt("partner", "add", "late", "--role", "plant", "--data", str(live.folder))
    assert (gone.returncode, gone.stdout) == (1, "")
    assert f"no market runs in {live.folder}" in gone.stderr


def test_an_order_acknowledged_before_kill_9_is_there_once_and_comes_to_an_end(
    tmp_path: Path, profiles: dict[str, Path]
) -> None:
    folder = tmp_path / "market"
    with market(folder, "--empty", "--takt-s", "3", "--response-s", "3") as live, live.customer() as client:
        admitted(live, profiles["paris-mill"], "plant")  # called, and never answers: the round stays open
        answer = submit(client, "k", plates())
        assert answer.status_code == 201, answer.text
        wait_for_state(client, answer.json()["id"], {"calling"})
        family = live.family()
        live.process.kill()
        live.process.wait(STOP_S)
        assert left_of(family, 10.0) == []  # neither nats-server nor the solver's process stays
    with market(folder, "--empty", "--takt-s", "2", "--response-s", "1") as live, live.customer() as client:
        (only,) = orders(client)
        assert only["id"] == answer.json()["id"]
        again = submit(client, "k", plates())
        assert (again.status_code, again.json()["id"]) == (answer.status_code, only["id"])
        ended = wait_for_state(client, only["id"], {"unserved"})
        assert ended["reasons"]
        assert len(orders(client)) == 1
        assert live.stop(signal.SIGTERM) == 0
        assert live.printed().endswith("stopping\n")
    verified(folder / "journal.db")


def test_another_scenario_on_the_folder_of_a_market_is_refused(tmp_path: Path) -> None:
    with market(tmp_path, "--empty"):
        pass
    other = takt("up", "--data", str(tmp_path), "--empty")
    assert other.returncode == 1
    assert "is of the market 'smoke'; was asked for 'european-job-shops'" in other.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "seconds"),
    [(signal.SIGINT, 0, 5.0), (signal.SIGTERM, 0, 5.0), (signal.SIGKILL, -9, 10.0)],
)
def test_nothing_is_left_of_a_market_with_companies_on_ray(
    tmp_path: Path, number: signal.Signals, code: int, seconds: float
) -> None:
    with market(tmp_path, *BEAT) as live:
        with live.customer() as client:
            order = submit(client, "k", plates()).json()
            wait_for_state(client, order["id"], {"confirmed"})
        family = live.family()
        assert {"nats-server", "raylet", "gcs_server"} <= {one.name() for one in family}
        assert live.stop(number) == code, live.printed()
        assert "Traceback" not in live.printed()
        assert "SIGTERM received" not in live.printed()
        assert left_of(family, seconds) == []


@pytest.mark.slow
def test_ctrl_c_ends_a_run_and_leaves_nothing(tmp_path: Path) -> None:
    weeks = SMOKE.with_name("european-job-shops")  # not over before it is told to stop
    arguments = ("run", str(weeks), "--transport", "nats", "--out", str(tmp_path / "out"))
    with program(arguments, tmp_path / "run.log") as running:
        wait_for((tmp_path / "out" / "market" / "market.json").exists, "a running market")
        family = running.family()
        assert running.stop() == 130, running.printed()
        assert "Traceback" not in running.printed()
        assert left_of(family, 10.0) == []


def test_a_port_that_is_taken_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        refused = takt("up", "--empty", "--data", str(folder), "--http-port", str(taken))
    assert refused.returncode == 1
    assert f"the http port must be free on 127.0.0.1; {taken} is taken" in refused.stderr
    assert not folder.exists()


def test_a_market_keeps_its_ports_and_admits_nobody_twice_by_mistake(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    with market(folder, "--empty", *BEAT) as live:
        first = (live.http_url, live.nats_url)
        creds = str(tmp_path / "maker.creds")
        add = ("partner", "add", "maker", "--role", "customer", "--out", creds, "--data", str(folder))
        assert takt(*add).returncode == 0
        again = takt(*add)
        assert again.returncode == 1
        assert "maker is admitted already" in again.stderr
        assert takt(*add, "--replace").returncode == 0
    with market(folder, "--empty", *BEAT) as live:
        assert (live.http_url, live.nats_url) == first
