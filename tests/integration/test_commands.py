"""What a wrong option, file or folder is answered with: exit code, field and value, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.cli import COMMANDS, main
from tests.integration.live_market import SMOKE


def _takt(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--takt-s", "0"], "'--takt-s': 0 is not in the range 1<=x<=86400"),
        (["up", "--response-s", "soon"], "'--response-s': 'soon' is not a valid integer"),
        (
            ["up", "--takt-s", "10", "--response-s", "11"],
            "--response-s: must be at most the takt of 10 s; was 11",
        ),
        (["up", "--response-s", "61"], "--response-s: must be at most the takt of 60 s; was 61"),
        (["up", "--http-port", "65536"], "'--http-port': 65536 is not in the range"),
        (["up", "--hosts", "0"], "'--hosts': 0 is not in the range"),
        (["up", "--scenario", "no-such"], "'--scenario': Path 'no-such' does not exist"),
        (["run", "no-such"], "'FILE': Path 'no-such' does not exist"),
        (["run", str(SMOKE), "--seed", "-1"], "'--seed': -1 is not in the range"),
        (["run", str(SMOKE), "--transport", "pigeon"], "'--transport': 'pigeon' is not one of"),
        (["run"], "Missing argument 'FILE'"),
        (["partner", "add", "Not An Id", "--role", "plant"], "NAME"),
        (["partner", "add", "acme", "--role", "king"], "'--role': 'king' is not one of"),
        (["partner", "add", "acme"], "Missing option '--role'"),
        (["join", "no-such", "--creds", "c", "--nats-url", "nats://localhost:1"], "no-such"),
        (["verify", "no-such"], "'JOURNAL': Path 'no-such' does not exist"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(arguments: list[str], said: str) -> None:
    code, output = _takt(*arguments)
    assert code == 2
    assert said in output


def test_a_rule_that_finds_no_payments_is_named_where_nothing_was_awarded(tmp_path: Path) -> None:
    text = (SMOKE / "scenario.toml").read_text()  # its supplier has no rival
    (tmp_path / "scenario.toml").write_text(text.replace("[rules]", '[rules]\nmechanism = "vcg"'))
    (tmp_path / "orders.csv").write_text((SMOKE / "orders.csv").read_text())
    code, output = _takt("run", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 0
    assert "optimal, nothing awarded: no payments under vcg" in output
    assert "under vcg in 2 takts" in " ".join(output.split())


def test_a_scenario_with_a_wrong_value_is_named_with_file_field_and_value(tmp_path: Path) -> None:
    text = (SMOKE / "scenario.toml").read_text()
    (tmp_path / "scenario.toml").write_text(text.replace("takt_minutes = 720", "takt_minutes = -720"))
    (tmp_path / "orders.csv").write_text((SMOKE / "orders.csv").read_text())
    code, output = _takt("run", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 1
    assert "rules.takt_minutes" in output
    assert "-720" in output


def test_an_order_with_a_wrong_value_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "scenario.toml").write_text((SMOKE / "scenario.toml").read_text())
    lines = (SMOKE / "orders.csv").read_text().replace(",plate,40,", ",plate,4.5,")
    (tmp_path / "orders.csv").write_text(lines)
    code, output = _takt("run", str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 1
    assert "orders.csv, line 3: quantity" in output
    assert "4.5" in output


def test_a_partner_needs_a_running_market(tmp_path: Path) -> None:
    code, output = _takt("partner", "add", "acme", "--role", "plant", "--data", str(tmp_path))
    assert code == 1
    assert f"no market runs in {tmp_path}: start one with `takt up --data {tmp_path}`" in output


def test_a_market_json_left_by_a_killed_market_sends_the_operators_key_to_nobody(tmp_path: Path) -> None:
    left = (
        '{"market": "smoke", "http_url": "http://127.0.0.1:1", "nats_url": "nats://127.0.0.1:1", "pid": %d}'
    )
    (tmp_path / "market.json").write_text(left % (2**22 - 1))  # no such process
    code, output = _takt("partner", "add", "acme", "--role", "plant", "--data", str(tmp_path))
    assert (code, "no market runs" in output) == (1, True)


def test_what_is_no_journal_is_not_verified(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("not a journal")
    code, output = _takt("verify", str(tmp_path / "journal.db"))
    assert code == 1
    assert "journal.db" in output


def test_every_command_explains_itself() -> None:
    code, listed = _takt("--help")
    assert code == 0
    for name in COMMANDS:
        assert name in listed
        code, output = _takt(name, "--help")
        assert (code, output.startswith("Usage: ")) == (0, True)
