"""The commands of docs/http.md work as printed, and its table of problems is the code's."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from gateway.problems import PROBLEMS
from gateway.settings import GatewaySettings
from tests.integration.gateway_market import ALICE, live_market

PAGE = Path(__file__).parents[2] / "docs" / "http.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on PATH")
async def test_the_commands_of_the_page_work_one_after_the_other() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    script = "\necho\n".join(blocks)
    script = script.replace("curl --silent", "curl --fail-with-body --silent")
    async with live_market() as market:
        environment = os.environ | {"TAKT_URL": market.server.url, "TAKT_API_KEY": ALICE}
        shell = await asyncio.create_subprocess_exec(
            "bash",
            "-euo",
            "pipefail",
            "-c",
            script,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(shell.communicate(), 60)
        assert shell.returncode == 0, output.decode()
        (order,) = market.service.state_of().state.orders.values()
        assert order.state == "cancelled"
        assert b"event: history" in output


def test_the_table_of_problems_is_complete() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)
    shown = {
        (int(status), code)
        for statuses, codes in rows
        for status in statuses.split(", ")
        for code in re.findall(r"`(\w+)`", codes)
        if PROBLEMS[code].status == int(status)
    }
    assert shown == {(kind.status, code) for code, kind in PROBLEMS.items() if code != "internal_error"}


def test_the_limits_that_the_page_names_are_the_codes() -> None:
    text, settings = PAGE.read_text(), GatewaySettings()
    assert f"at most {settings.max_body_bytes // 1024} KiB" in text
    assert f"every {settings.stream_heartbeat_s:g} seconds" in text
    assert f"after {settings.stream_max_age_s / 60:g} minutes" in text
