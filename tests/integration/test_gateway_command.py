"""``takt order`` against a real market."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.order_command import order
from tests.integration.gateway_market import ALICE, PART, ThreadedMarket, order_body, threaded_market

FLAGS = [
    "--part=bracket",
    "--quantity=7",
    "--to=berlin",
    "--release=2027-01-02T00:00:00Z",
    "--due=2027-01-20T00:00:00Z",
    "--limit=500000",
]


@pytest.fixture(scope="module")
def running() -> Iterator[ThreadedMarket]:
    with threaded_market() as market:
        market.run(market.market.alice.put("/v1/parts/bracket", json=PART))
        yield market


def _takt(running: ThreadedMarket, *arguments: str, key: str = ALICE, **options: Any) -> Result:  # noqa: ANN401
    environment = {"TAKT_URL": running.market.server.url, "TAKT_API_KEY": key}
    return CliRunner().invoke(order, arguments, env=environment, **options)


def _submit(running: ThreadedMarket, *arguments: str, **options: Any) -> str:  # noqa: ANN401
    result = _takt(running, "submit", "--json", *arguments, **options)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.output)["id"])


def test_flags_make_an_order_and_the_same_again_is_the_same(running: ThreadedMarket) -> None:
    id_ = _submit(running, *FLAGS)
    assert _submit(running, *FLAGS) == id_
    assert _submit(running, *FLAGS, "--idempotency-key=second") != id_
    said = _takt(running, "submit", *FLAGS)
    assert f"order {id_} is in the market's log at position" in said.output


def test_a_file_is_sent_with_flags_over_it(running: ThreadedMarket, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text(json.dumps(order_body(quantity=3)))
    id_ = _submit(running, str(path), "--quantity=4")
    shown = json.loads(_takt(running, "show", id_, "--json").output)
    assert shown["quantity"] == 4
    assert _submit(running, "-", input=json.dumps(order_body(quantity=4))) == id_


def test_orders_are_listed_and_shown(running: ThreadedMarket) -> None:
    id_ = _submit(running, *FLAGS, "--idempotency-key=listed")
    assert id_ in _takt(running, "show").output
    assert id_ in _takt(running, "show", "--state=submitted").output
    assert _takt(running, "show", "--state=settled").output == "no orders\n"
    shown = _takt(running, "show", id_).output
    assert f"order {id_}: submitted" in shown
    assert "limit 5,000.00 EUR" in shown


def test_an_order_is_followed_to_its_end(running: ThreadedMarket) -> None:
    id_ = _submit(running, *FLAGS, "--idempotency-key=followed")
    running.run(running.market.alice.post(f"/v1/orders/{id_}/cancel"))
    followed = _takt(running, "show", id_, "--follow")
    assert [line.split()[1] for line in followed.output.splitlines()] == ["submitted", "cancelled"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["submit"], "give a file that holds an order"),
        (["submit", *FLAGS, "--quantity=0"], "quantity was 0"),
        (["submit", *FLAGS, "--due=soon"], "due was soon"),
        (["submit", "--part=bracket"], "quantity was missing"),
        (["submit", *FLAGS, "--idempotency-key=schlüssel"], "visible ASCII"),
        (["submit", "no-such-file"], "No such file"),
        (["show", "o-nothing"], "(404)"),
        (["show", "o-nothing", "--follow"], "(404)"),
        (["show", "--state=nonsense"], "state was nonsense"),
    ],
)
def test_mistakes_are_said_in_words(running: ThreadedMarket, arguments: list[str], said: str) -> None:
    result = _takt(running, *arguments)
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("text", ["", "{", "[]", '{"quantity":1,"quantity":2}', '{"quantity":NaN}'])
def test_a_file_that_is_no_order_is_refused(running: ThreadedMarket, text: str) -> None:
    result = _takt(running, "submit", "-", input=text)
    assert result.exit_code == 1
    assert "Error" in result.output


def test_a_wrong_key_or_address_is_said(running: ThreadedMarket) -> None:
    assert "(401)" in _takt(running, "show", key="wrong").output
    assert "no key has" in _takt(running, "show", key="schlüssel").output
    environment = {"TAKT_URL": "http://127.0.0.1:1", "TAKT_API_KEY": ALICE}
    unreachable = CliRunner().invoke(order, ["show"], env=environment)
    assert unreachable.exit_code == 1
    assert "gave no answer" in unreachable.output
