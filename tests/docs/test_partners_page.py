"""docs/partners.md, followed to the letter: files as printed, commands in order, an award at the end."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from scenarios.cli import main
from tests.integration.live_market import Market, program, wait_for, wait_for_state

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "partners.md").read_text()
SHELL = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FILES = dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
DO = re.compile(r"`(takt(?:-join)? [a-z-]+(?: [a-z-]+)?)")


def customer(live: Market, key: str) -> httpx.Client:
    """Return a client that holds the customer's key."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=live.http_url, headers=headers, timeout=20.0)


def test_the_pricing_has_ten_lines() -> None:
    lines = [line for line in FILES["pricing.py"].splitlines() if line.strip()]
    assert len(lines) <= 10
    assert list(FILES) == ["pricing.py", "shop.py"]


def test_every_command_that_the_page_names_exists() -> None:
    named = set(DO.findall(PAGE))
    assert len(named) > 8
    join = str(Path(sys.executable).parent / "takt-join")
    for command in sorted(named):
        name, *words = command.split()
        if name == "takt":
            path = words if words[0] == "partner" else words[:1]
            helped = CliRunner().invoke(main, [*path, "--help"])
            assert (helped.exit_code, helped.output[:6]) == (0, "Usage:"), command
        else:
            done = subprocess.run(
                [join, words[0], "--help"], capture_output=True, text=True, check=False, timeout=120
            )
            assert done.returncode == 0, (command, done.stderr)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on PATH")
def test_from_nothing_to_the_first_award(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for name, content in FILES.items():
        Path(name).write_text(content)
    up, admit, join, order = SHELL

    def shell(script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    with program(up.split()[1:], tmp_path / "up.log") as running:
        running.wait_until_printed("Ctrl-C stops.")
        live = Market(process=running.process, log=running.log, folder=tmp_path / "market")
        listed = shell(admit)
        assert re.search(r"^acme +plant +active", listed, re.MULTILINE)
        key = live.said(r"customer \S+, key (\w+)")
        for name, value in (("NATS_URL", live.nats_url), ("TAKT_URL", live.http_url), ("TAKT_API_KEY", key)):
            monkeypatch.setenv(name, value)
        log = tmp_path / "join.log"
        with log.open("wb") as out:
            partner = subprocess.Popen(["bash", "-c", f"exec {join}"], stdout=out, stderr=out)
        try:
            wait_for(lambda: "connected: " in log.read_text(), "connected")
            answer = shell(order)
            wait_for(lambda: "confirmed" in log.read_text() or partner.poll() is not None, "an award")
            said = log.read_text()
        finally:
            partner.terminate()
            assert partner.wait(20) == 0
        for pattern in (r"called r-\d+: 1 lots", r"bid in r-\d+: 3 bids on 1 lots, from 217\.50", r"won c-"):
            assert re.search(pattern, said), said
        found = re.search(r'"id":"(o-\w+)"', answer)
        assert found is not None
        with customer(live, key) as client:
            wait_for_state(client, found.group(1), {"confirmed"})
        run = "import asyncio, os, shop; asyncio.run(shop.main(os.environ['NATS_URL']))"
        done = subprocess.run(
            [sys.executable, "-c", run], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        with customer(live, key) as client:
            wait_for_state(client, found.group(1), {"in_production"})
        box = "acme.outbox.db --creds acme.creds"
        sent = shell(f"takt-join sent {box}; takt-join receipts {box} kept")
        assert sent.count("takt.receipt.v1") == 3  # sheet, confirmed, started
        assert len(list((tmp_path / "kept").glob("receipt-*.json"))) == 3
