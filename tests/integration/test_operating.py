"""A market under its operator's hands: backup, restore, pause, status, a full disk, PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from scenarios.backup import Head, checked_head
from scenarios.cli import main
from tests.integration.live_market import Market, market, orders, plates, submit, wait_for
from tests.integration.live_market import takt as takt_process
from tests.integration.postgresql_server import PostgresqlServer, available
from tests.integration.small_disk import fill, mounted_disk


@dataclass(frozen=True)
class Said:
    """What a command came to, in this process: starting one takes seconds."""

    returncode: int
    stdout: str
    stderr: str


def takt(*arguments: str) -> Said:
    result = CliRunner().invoke(main, arguments)
    return Said(result.exit_code, result.stdout, result.stderr)


def ordered(running: Market, *keys: str) -> list[str]:
    with running.customer() as client:
        answers = [submit(client, key, plates()) for key in keys]
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    return [answer.json()["id"] for answer in answers]


@pytest.mark.slow
def test_a_market_is_backed_up_while_it_runs_and_goes_on_from_the_backup(tmp_path: Path) -> None:
    folder, other = tmp_path / "market", tmp_path / "other"
    with market(folder, "--empty") as running:
        first = ordered(running, "k-1", "k-2")
        made = takt("backup", str(tmp_path / "backup"), "--data", str(folder))
        assert made.returncode == 0, made.stderr
        assert "entries, every leaf computed again" in made.stdout
        assert takt("backup", str(tmp_path / "backup"), "--data", str(folder)).returncode == 1, (
            "never overwritten"
        )
        assert "stop it first" in takt("restore", str(tmp_path / "backup"), "--data", str(folder)).stderr
        second = ordered(running, "k-3")
        key = running.key
        assert running.stop() == 0
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    head = Head(**json.loads((tmp_path / "backup" / "backup.json").read_text()))

    older = takt("restore", str(tmp_path / "backup"), "--data", str(folder))
    assert older.returncode == 1
    assert "acknowledged ones would be lost" in older.stderr
    later = checked_head(folder / "journal.db")
    assert later.size > head.size
    fresh = ("restore", str(tmp_path / "backup"), "--data", str(other))
    assert "would be lost" in takt(*fresh, "--head", f"{later.size}:{later.root}").stderr
    forked = takt(*fresh, "--head", f"{head.size - 1}:{'0' * 64}")
    assert "another history" in forked.stderr
    assert not (other / "journal.db").exists()
    assert "64 hex digits" in takt(*fresh, "--head", "12:abc").stderr

    restored = takt(*fresh)
    assert restored.returncode == 0, restored.stderr
    with market(other, "--empty") as running:
        assert running.key == key, "customers' keys come back"
        with running.customer() as client:
            assert {order["id"] for order in orders(client)} == set(first)
        ordered(running, "k-3")
    lost = takt("restore", str(tmp_path / "backup"), "--data", str(folder), "--lose-newer")
    assert lost.returncode == 0, lost.stderr
    assert (folder / "replaced-1" / "journal.db").exists(), "nothing is deleted"
    assert checked_head(folder / "replaced-1" / "journal.db") == later
    assert second


def test_the_operators_verbs(tmp_path: Path) -> None:
    folder = tmp_path / "market"
    data = ("--data", str(folder))
    assert "no market runs" in takt("status", *data).stderr
    with market(folder, "--empty") as running:
        shown = takt("status", *data)
        assert shown.returncode == 0, shown.stderr
        assert "ready" in shown.stdout
        assert takt("pause", "--reason", "audit", *data).returncode == 0
        assert "paused        audit" in takt("status", *data).stdout
        assert takt("pause", "--reason", "again", *data).returncode == 1
        assert "no such round" in takt("void", "r-000001", "--reason", "x", *data).stderr
        assert takt("resume", "--reason", "done", *data).returncode == 0
        known = json.loads(takt("status", "--json", *data).stdout)
        assert known["paused"] is None
        assert known["nats_connected"]
        key = (folder / "keys" / "metrics").read_text().strip()
        metrics = httpx.get(f"{running.http_url}/metrics", headers={"Authorization": f"Bearer {key}"})
        assert "takt_ready 1.0" in metrics.text
        assert takt("status", "--check", *data).returncode == 0


# --- a full disk -----------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path, 24) as disk:
        yield disk


def test_a_market_whose_disk_is_full_acknowledges_nothing_lives_and_goes_on_once_there_is_space(
    small_disk: Path, tmp_path: Path
) -> None:
    folder = small_disk / "market"
    with market(folder, "--empty") as running, running.customer() as client:
        before = ordered(running, "k-0")
        fill(small_disk / "ballast")
        refused: list[int] = []

        def refuses() -> bool:
            fill(small_disk / "ballast")
            refused.append(submit(client, f"full-{len(refused)}", plates()).status_code)
            return refused[-1] == 503

        wait_for(refuses, "an order that is not acknowledged")
        assert set(refused) <= {201, 503}
        acknowledged = [f"full-{number}" for number, status in enumerate(refused) if status == 201]
        health = client.get("/readyz")
        assert health.status_code == 503
        assert "no space left" in health.json()["problems"][0]
        assert client.get("/healthz").status_code == 200
        assert {order["id"] for order in orders(client)} >= set(before), "what is stored can be read"
        assert takt("status", "--check", "--data", str(folder)).returncode == 1
        (small_disk / "ballast").unlink()
        wait_for(lambda: client.get("/readyz").status_code == 200, "the market to be ready again")
        after = ordered(running, *[f"full-{number}" for number in range(len(refused))], "last")
        assert len(set(after)) == len(refused) + 1
        shown = {order["id"] for order in orders(client)}
        assert set(before) | set(after) == shown, "each once"
        assert acknowledged or len(refused) == 1
        assert running.stop() == 0
    verified = takt("verify", str(folder / "journal.db"))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert tmp_path.exists()


# --- PostgreSQL ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_market_keeps_its_journal_in_postgresql_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    server = PostgresqlServer(available())
    try:
        server.start()
        options = ("--empty", "--database-url", server.url)
        folder = tmp_path / "market"
        with market(folder, *options) as running:
            made = ordered(running, "k-1", "k-2")
            assert takt("status", "--check", "--data", str(folder)).returncode == 0
            assert running.stop() == 0
        assert not (folder / "journal.db").exists()
        with market(folder, *options) as running, running.customer() as client:
            assert {order["id"] for order in orders(client)} == set(made)
            assert submit(client, "k-1", plates()).json()["id"] == made[0]
            second = takt_process(
                "up", "--data", str(tmp_path / "second"), "--empty", "--database-url", server.url
            )
            assert "another writer" in second.stderr
    finally:
        server.discard()
