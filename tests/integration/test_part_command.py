"""``takt part`` against a real market: parts are put, listed, shown, and put again as they were shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.order_command import order
from gateway.part_command import part
from tests.integration.gateway_market import ALICE, BOB, PART, ThreadedMarket, threaded_market

TWO_LOTS: dict[str, Any] = {
    "lots": [
        {"id": "steel", "kind": "material", "requirement": {"process": "supply", "material": "steel"}},
        {
            "id": "mill",
            "kind": "operation",
            "requirement": {"process": "milling", "material": "steel", "tolerance_um": 50},
            "run_time_us": 90_000_000,
        },
    ],
    "arcs": [{"source": "steel", "target": "mill"}],
}


@pytest.fixture(scope="module")
def running() -> Iterator[ThreadedMarket]:
    with threaded_market() as market:
        yield market


def takt(running: ThreadedMarket, *arguments: str, key: str = ALICE, **options: Any) -> Result:  # noqa: ANN401
    environment = {"TAKT_URL": running.market.server.url, "TAKT_API_KEY": key}
    return CliRunner().invoke(part, arguments, env=environment, **options)


def test_a_part_by_flags_can_be_ordered(running: ThreadedMarket) -> None:
    said = takt(
        running, "put", "plate", "--process=milling", "--material=steel", "--run-s=60", "--name=A plate"
    )
    assert said.exit_code == 0, said.output
    assert "part plate is in your catalogue" in said.output
    assert "A plate" in takt(running, "show").output
    assert "milling in steel" in takt(running, "show", "plate").output
    flags = ["--part=plate", "--quantity=7", "--to=berlin", "--release=2027-01-02T00:00:00Z"]
    flags += ["--due=2027-01-20T00:00:00Z", "--limit=500000"]
    environment = {"TAKT_URL": running.market.server.url, "TAKT_API_KEY": ALICE}
    ordered = CliRunner().invoke(order, ["submit", *flags], env=environment)
    assert ordered.exit_code == 0, ordered.output


@pytest.mark.parametrize("content", [PART, PART["plan"], TWO_LOTS, {"name": "Two", "plan": TWO_LOTS}])
def test_a_file_holds_a_part_or_its_plan_and_what_is_shown_can_be_put(
    running: ThreadedMarket, tmp_path: Path, content: dict[str, Any]
) -> None:
    path = tmp_path / "part.json"
    path.write_text(json.dumps(content))
    assert takt(running, "put", "bracket", str(path)).exit_code == 0
    shown = takt(running, "show", "bracket", "--json").output
    assert takt(running, "put", "copy:1/a", "-", input=shown).exit_code == 0
    assert json.loads(takt(running, "show", "copy:1/a", "--json").output) == json.loads(shown)


def test_a_plan_is_shown_lot_by_lot(running: ThreadedMarket) -> None:
    assert takt(running, "put", "two", "-", input=json.dumps(TWO_LOTS)).exit_code == 0
    first, *lots = takt(running, "show", "two").output.splitlines()
    assert first == "part two: two"
    assert [line.split()[:2] for line in lots] == [["steel", "material"], ["mill", "operation"]]
    assert lots[1].endswith("90 s, within 50 µm, of steel")


def test_a_catalogue_is_its_customers_own(running: ThreadedMarket) -> None:
    takt(running, "put", "mine", "--process=milling", "--material=steel")
    assert "(404)" in takt(running, "show", "mine", key=BOB).output
    assert takt(running, "show", key=BOB).output == "no parts; `takt part put` makes one\n"


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (["put", "p"], "", "--process and --material"),
        (["put", "p", "--process=milling"], "", "--process and --material"),
        (["put", "p", "-"], "[]", "--process and --material"),
        (["put", "p", "-"], "{", "Error"),
        (["put", "p", "-"], '{"plan": {"lots": []}}', "plan.lots"),
        (["put", "p p", "--process=milling", "--material=steel"], "", "(422)"),
        (["put", "p", "-", "--process=milling"], '{"lots": []}', "--process and --material"),
        (["show", "nothing"], "", "(404)"),
    ],
)
def test_mistakes_are_said_in_words(
    running: ThreadedMarket, arguments: list[str], text: str, said: str
) -> None:
    result = takt(running, *arguments, input=text)
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output
