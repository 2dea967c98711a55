"""`takt audit` as an auditor types it, against a market in a process of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import nats
import nats.errors
import pytest
from click.testing import CliRunner, Result

from market.adapters.journal_reader import JournalReader
from market.adapters.nats_identity import MarketKeys
from scenarios.cli import main
from scenarios.issue_command import ABOUT
from takt_sdk.nats.credentials import CredentialsFile
from takt_sdk.nats.creds import claims_of, jwt_of
from takt_sdk.nats.subjects import stream_name, tape_subject
from tests.integration.live_market import Market, market, program, wait_for
from tests.integration.test_partner_command import ran

DENIED_S = 20.0


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with market(tmp_path_factory.mktemp("market") / "m", "--empty", "--takt-s", "60") as running:
        yield running


@pytest.fixture(scope="module")
def creds(live: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("eve") / "eve.creds"
    said = ran("partner", "add", "eve", "--role", "auditor", "--out", str(file), "--data", str(live.folder))
    assert "rules 2 name it as an auditor: it reads the whole log" in said
    assert f"next: takt audit COPY --creds {file} --nats-url" in said
    return file


def audited(live: Market, creds: Path, copy: Path, *more: str) -> Result:
    return CliRunner().invoke(
        main, ["audit", str(copy), "--creds", str(creds), "--nats-url", live.nats_url, *more]
    )


def entries(copy: Path) -> int:
    with JournalReader(copy) as log:
        return log.head().size


def test_an_auditor_follows_the_log_and_verifies_its_copy(live: Market, creds: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    done = audited(live, creds, copy)
    assert done.exit_code == 0, done.output
    before = entries(copy)
    following = ("audit", str(copy), "--creds", str(creds), "--nats-url", live.nats_url, "--follow")
    with program(following, tmp_path / "audit.log") as running:
        data = ("--data", str(live.folder))
        ran("partner", "add", "bertha", "--role", "plant", "--out", str(tmp_path / "b"), *data)
        wait_for(lambda: entries(copy) > before, "the new partner in the copy")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0, running.printed()
    done = audited(live, creds, copy)
    assert done.exit_code == 0, done.output
    said = ran("verify", str(copy))
    assert said.startswith("right: ")
    with JournalReader(copy) as log, JournalReader(live.folder / "journal.db") as own:
        assert any(b'"bertha"' in one.entry.message for one in log.read())
        assert [one.leaf for one in log.read()] == [one.leaf for one in own.read()][: entries(copy)]


def test_it_reads_no_more_once_the_rules_do_not_name_it(live: Market, creds: Path, tmp_path: Path) -> None:
    other = tmp_path / "mallory.creds"
    data = ("--data", str(live.folder))
    ran("partner", "add", "mallory", "--role", "customer", "--agent", "--out", str(other), *data)
    done = audited(live, other, tmp_path / "mallory.db")
    assert done.exit_code == 1
    assert "the whole log is for the auditors whom the rules name" in done.output
    ran("partner", "suspend", "eve", *data)
    done = audited(live, creds, tmp_path / "none.db")
    assert "the whole log is for the auditors whom the rules name" in done.output
    ran("partner", "reinstate", "eve", *data)
    assert audited(live, creds, tmp_path / "none.db").exit_code == 0
    assert (
        "WRONG (head): the market's key must be"
        in audited(
            live, creds, tmp_path / "other.db", "--market-key", claims_of(jwt_of(creds.read_text()))["sub"]
        ).output
    )


async def test_its_credentials_let_it_ask_and_nothing_else(live: Market, creds: Path) -> None:
    market_id = CredentialsFile(creds).market
    errors: list[Exception] = []

    async def on_error(error: Exception) -> None:
        errors.append(error)

    client = await nats.connect(
        live.nats_url, user_credentials=str(creds), inbox_prefix=b"_INBOX_eve", error_cb=on_error
    )
    prefix, stream = f"takt.v1.{market_id}", stream_name(market_id, "eve")
    denied = [f"{prefix}.{channel}.eve" for channel in ("bid", "report", "order", "heartbeat")]
    denied.append(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.mailbox")
    try:
        for subject in denied:
            await client.publish(subject, b"{}")
        await client.subscribe(tape_subject(market_id))
        await client.flush()
        await client.flush()
        told = " ".join(str(error).lower() for error in errors)
        for subject in (*denied, tape_subject(market_id)):
            assert f'"{subject.lower()}"' in told, (subject, told)
        answer = await client.request(f"{prefix}.query.eve", b"{}", timeout=DENIED_S)
        assert b"takt.refused.v1" in answer.data  # malformed: it was heard
    finally:
        await client.close()


def test_renewed_and_rotated_credentials_of_an_auditor_still_only_read(
    live: Market, creds: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "eve.creds"
    copy.write_text(creds.read_text())
    for how in ("renew", "rotate"):
        ran("partner", how, "eve", "--out", str(copy), "--data", str(live.folder))
        assert len(claims_of(jwt_of(copy.read_text()))["nats"]["pub"]["allow"]) == 1
    assert audited(live, copy, tmp_path / "copy.db").exit_code == 0


def test_exported_keys_issue_credentials_of_an_auditor_too(tmp_path: Path) -> None:
    keys, out = tmp_path / "keys", tmp_path / "out"
    MarketKeys.load_or_create(keys)
    (keys / ABOUT).write_text('{"market": "m"}')
    issue = ("partner", "issue", "eve", "--keys", str(keys), "--out", str(out))
    for options in (("--auditor",), ("--renew", "--expires", "9"), ("--rotate",)):
        ran(*issue, *options)
        claims = claims_of(jwt_of((out / "eve.creds").read_text()))
        assert claims["nats"]["pub"]["allow"] == ["takt.v1.m.query.eve"]
        assert claims["nats"]["sub"]["allow"] == ["_INBOX_eve.>"]
