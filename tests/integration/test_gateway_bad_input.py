"""Bad input over HTTP: always a 4xx problem that names field and value, and nothing in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gateway.settings import GatewaySettings
from tests.integration.gateway_market import (
    ALICE,
    JSON,
    OPERATOR_KEY,
    PART,
    LiveMarket,
    live_market,
    order_body,
    sha256,
    submit,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market() -> AsyncIterator[LiveMarket]:
    settings = GatewaySettings(
        operator_key_sha256=sha256(OPERATOR_KEY), max_body_bytes=20_000, body_timeout_s=0.5
    )
    async with live_market(settings=settings) as running:
        assert (await running.alice.put("/v1/parts/bracket", json=PART)).status_code == 200
        yield running


def check_problem(answer: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    """Return the problem that ``answer`` must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("/v1/problems/")
    assert problem["title"]
    assert problem["detail"]
    if field is not None:
        assert problem["field"] == field, problem
        assert "value" in problem
    return problem


def text_body(**changes: str) -> bytes:
    """Return a good order as text, with raw JSON in place of some values."""
    members = {name: json.dumps(value) for name, value in order_body().items()} | changes
    return ("{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}").encode()


BAD_FIELDS: list[tuple[str, str, str, str]] = [
    # (field, raw JSON of its value, field that the problem names, value that it shows)
    ("part_id", '"nothing"', "part_id", "nothing"),
    ("part_id", '"../etc"', "part_id", "../etc"),
    ("part_id", '""', "part_id", ""),
    ("part_id", "null", "part_id", "null"),
    ("part_id", f'"{"x" * 200}"', "part_id", "x" * 97 + "..."),
    ("quantity", "-1", "quantity", "-1"),
    ("quantity", "0", "quantity", "0"),
    ("quantity", "1.5", "quantity", "1.5"),
    ("quantity", "10.0", "quantity", "10.0"),
    ("quantity", "1e2", "quantity", "1e2"),
    ("quantity", "1e400", "quantity", "1e400"),
    ("quantity", "NaN", "quantity", "NaN"),
    ("quantity", "Infinity", "quantity", "Infinity"),
    ("quantity", "-Infinity", "quantity", "-Infinity"),
    ("quantity", "2147483648", "quantity", "2147483648"),
    ("quantity", "9223372036854775808", "quantity", "9223372036854775808"),
    ("quantity", "1" * 5000, "quantity", "1" * 97 + "..."),
    ("quantity", "true", "quantity", "true"),
    ("quantity", '"10"', "quantity", "10"),
    ("quantity", "[10]", "quantity", "[10]"),
    ("destination", '"atlantis"', "destination", "atlantis"),
    ("destination", '"ber lin"', "destination", "ber lin"),
    ("destination", '{"id":1.5}', "destination", '{"id": "1.5"}'),
    ("due", '"2027-02-30T00:00:00Z"', "due", "2027-02-30T00:00:00Z"),
    ("due", '"2027-01-20"', "due", "2027-01-20"),
    ("due", '"2027-01-20T00:00:00"', "due", "2027-01-20T00:00:00"),
    ("due", '"2027-01-20T24:00:00Z"', "due", "2027-01-20T24:00:00Z"),
    ("due", '"1969-12-31T23:59:59Z"', "due", "1969-12-31T23:59:59Z"),
    ("due", '"9999-12-31T23:59:59Z"', "due", "9999-12-31T23:59:59Z"),
    ("due", '"0000-01-01T00:00:00Z"', "due", "0000-01-01T00:00:00Z"),
    ("due", '"2027-01-20T00:00:00.1234567Z"', "due", "2027-01-20T00:00:00.1234567Z"),
    ("due", '"2027-01-20T00:00:00+99:00"', "due", "2027-01-20T00:00:00+99:00"),
    ("due", "1800000000", "due", "1800000000"),
    ("due", '"2027-01-02T00:00:00Z"', "due", "2027-01-02T00:00:00Z"),
    ("release", '"2027-06-01T00:00:00Z"', "due", "2027-01-20T00:00:00Z"),
    ("deadline", '"2027-01-19T00:00:00Z"', "deadline", "2027-01-19T00:00:00Z"),
    ("reservation_value_minor", "-1", "reservation_value_minor", "-1"),
    ("reservation_value_minor", "9007199254740992", "reservation_value_minor", "9007199254740992"),
    ("reservation_value_minor", "1000000000001", "reservation_value_minor", "1000000000001"),
    ("currency", '"USD"', "currency", "USD"),
    ("currency", '"eur"', "currency", "eur"),
    ("data_class", '"secret"', "data_class", "secret"),
    ("good_for_takts", "0", "good_for_takts", "0"),
    ("certificates", '["iso-9001","iso-9001"]', "certificates[1]", "iso-9001"),
    ("certificates", '["iso 9001"]', "certificates[0]", "iso 9001"),
    ("max_suppliers", "0", "max_suppliers", "0"),
    ("partial", "1", "partial", "1"),
    ("colour", '"red"', "colour", "red"),
    ("documents", '[{"sha256":"00","name":"drawing"}]', "documents[0].sha256", "00"),
]


@pytest.mark.parametrize(("name", "raw", "field", "value"), BAD_FIELDS)
async def test_a_bad_field_is_named_with_its_value(
    market: LiveMarket, name: str, raw: str, field: str, value: str
) -> None:
    size = market.service.state_of().state.size
    answer = await submit(market.alice, "bad", None, text_body(**{name: raw}))
    assert check_problem(answer, 422, field)["value"] == value
    assert market.service.state_of().state.size == size
    assert (await submit(market.alice, "k1", order_body())).status_code == 201


def _lot(id_: str, **changes: object) -> dict[str, object]:
    return {"id": id_, "kind": "operation", "requirement": {"process": "p", "material": "m"}} | changes


BAD_PLANS: list[tuple[dict[str, Any], str]] = [
    ({"lots": []}, "plan.lots"),
    ({"lots": [_lot("a"), _lot("a")]}, "plan.lots[1].id"),
    ({"lots": [_lot("a"), _lot("b")]}, "plan.lots"),
    ({"lots": [_lot("a")], "arcs": [{"source": "a", "target": "x"}]}, "plan.arcs[0].target"),
    ({"lots": [_lot("a")], "arcs": [{"source": "a", "target": "a"}]}, "plan.arcs"),
    (
        {
            "lots": [_lot("a"), _lot("b")],
            "arcs": [{"source": "a", "target": "b"}, {"source": "b", "target": "a"}],
        },
        "plan.arcs",
    ),
    (
        {"lots": [_lot("a"), _lot("b")], "arcs": [{"source": "a", "target": "b"}] * 2},
        "plan.arcs[1]",
    ),
    (
        {
            "lots": [_lot("a", quantity_per_piece=2), _lot("b", quantity_per_piece=3)],
            "arcs": [{"source": "a", "target": "b"}],
        },
        "plan.arcs[0]",
    ),
    ({"lots": [_lot("a", kind="magic")]}, "plan.lots[0].kind"),
    ({"lots": [_lot("a", quantity_per_piece=2**31)]}, "plan.lots[0].quantity_per_piece"),
    ({"lots": [_lot("a", quantity_per_piece=2**31 - 1)]}, "quantity"),
    ({"lots": [_lot("a", run_time_us=-1)]}, "plan.lots[0].run_time_us"),
    (
        {"lots": [_lot("a", requirement={"process": "p", "material": "m", "certificates": ["c", "c"]})]},
        "plan.lots[0].requirement.certificates[1]",
    ),
    (
        {"lots": [_lot("a", requirement={"process": "p", "material": "m", "envelope": {"x_um": 1}})]},
        "plan.lots[0].requirement.envelope.y_um",
    ),
]


@pytest.mark.parametrize(("plan", "field"), BAD_PLANS)
async def test_a_bad_plan_is_named_to_the_lot_or_arc(
    market: LiveMarket, plan: dict[str, Any], field: str
) -> None:
    size = market.service.state_of().state.size
    check_problem(await submit(market.alice, "bad", order_body(plan=plan)), 422, field)
    if field != "quantity":
        answer = await market.alice.put("/v1/parts/bracket", json={"name": "x", "plan": plan})
        check_problem(answer, 422, field)
    assert market.service.state_of().state.size == size


NOT_STRICT: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("half", b'{"part_id":'),
    ("trailing", b"{} {}"),
    ("two byte encoding", json.dumps(order_body()).encode("utf-16")),
    ("latin-1", b'{"part_id":"\xe9"}'),
    ("encoded surrogate", b'{"part_id":"\xed\xa0\x80"}'),
    ("byte order mark", b"\xef\xbb\xbf{}"),
    ("duplicate key", text_body().replace(b"{", b'{"quantity":1,', 1)),
    ("duplicate key by escape", text_body().replace(b"{", b'{"\\u0071uantity":1,', 1)),
    ("lone surrogate", text_body(part_id='"\\ud800"')),
    ("reversed surrogates", text_body(part_id='"\\udc00\\ud800"')),
    ("NUL", text_body(part_id='"a\\u0000b"')),
    ("surrogate in a key", text_body().replace(b"{", b'{"\\udfff":1,', 1)),
    ("raw control character", text_body(part_id='"a\x01b"')),
    ("deep list", b"[" * 9_000 + b"]" * 9_000),
    ("deep object", b'{"plan":' * 2_000 + b"1" + b"}" * 2_000),
    ("unclosed depth", b"[" * 19_000),
    ("comment", b"{/* */}"),
    ("single quotes", b"{'part_id':1}"),
]


@pytest.mark.parametrize(("what", "body"), NOT_STRICT, ids=[what for what, _ in NOT_STRICT])
async def test_what_is_not_strict_json_is_400(market: LiveMarket, what: str, body: bytes) -> None:
    problem = check_problem(await submit(market.alice, "bad", None, body), 400)
    assert problem["type"] == "/v1/problems/invalid_json", what


@pytest.mark.parametrize("body", [b"null", b"[]", b'"order"', b"7", b"true", b"1e400", b"NaN"])
async def test_json_that_is_no_object_is_422(market: LiveMarket, body: bytes) -> None:
    check_problem(await submit(market.alice, "bad", None, body), 422, "body")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/jsonp",
    ],
)
async def test_another_content_type_is_415(market: LiveMarket, content_type: str) -> None:
    headers = {"Idempotency-Key": "k1", "Content-Type": content_type}
    answer = await market.alice.post("/v1/orders", content=text_body(), headers=headers)
    check_problem(answer, 415, "Content-Type")


@pytest.mark.parametrize("length", [20_001, 30_000, 500_000])
async def test_a_large_body_is_413(market: LiveMarket, length: int) -> None:
    problem = check_problem(await submit(market.alice, "bad", None, b" " * length), 413, "Content-Length")
    assert problem["value"] == str(length)


async def test_a_huge_body_is_413_before_it_is_sent(market: LiveMarket) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", market.server.port)
    writer.write(_head(b"Content-Length: 999999999999999999"))
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 10)
    assert b"connection: close" in await asyncio.wait_for(reader.read(), 10)
    writer.close()


async def _pour(writer: asyncio.StreamWriter, most: int) -> int:
    """Send an endless body until the server ends the connection; return how much went out."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < most:
            writer.write(b"2710\r\n" + b" " * 10_000 + b"\r\n")
            await asyncio.wait_for(writer.drain(), 10)
            sent += 10_000
    return sent


async def test_an_endless_body_is_cut_off(market: LiveMarket) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", market.server.port)
    writer.write(_head(b"Transfer-Encoding: chunked"))
    sent = await _pour(writer, most=200_000_000)
    writer.close()
    assert sent < 50_000_000
    assert (await submit(market.alice, "k1", order_body())).status_code == 201


async def test_an_endless_body_without_a_key_is_cut_off(market: LiveMarket) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", market.server.port)
    writer.write(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert b" 401 " in answer
    assert b"connection: close" in answer


def _head(framing: bytes) -> bytes:
    return (
        b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + ALICE.encode() + b"\r\n"
        b"Idempotency-Key: bad\r\nContent-Type: application/json\r\n" + framing + b"\r\n\r\n"
    )


async def test_a_body_that_does_not_arrive_is_408(market: LiveMarket) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", market.server.port)
    writer.write(_head(b"Content-Length: 100") + b"{")
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
    writer.close()
    assert b" 408 " in answer
    assert (await submit(market.alice, "k1", order_body())).status_code == 201


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /v1/orders HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET /v1/orders/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    ],
)
async def test_a_broken_request_is_4xx_and_harms_nobody(market: LiveMarket, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", market.server.port)
    writer.write(raw)
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert answer.split(b" ")[1].startswith(b"4"), answer
    assert (await submit(market.alice, "k1", order_body())).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/orders/", 404),
        ("GET", "/v1/orders/%00", 404),
        ("GET", "/v1/orders/%ff", 404),
        ("GET", "/v1/orders/../../etc/passwd", 404),
        ("GET", "/v1/orders/" + "o" * 5_000, 404),
        ("GET", "/v1/clearings/%00", 404),
        ("GET", "/v1/clearings/%ed%a0%80", 404),
        ("GET", "/v1/clearings/nothing", 404),
        ("GET", "/page/../app.py", 404),
        ("GET", "/page/%2e%2e%2fapp.py", 404),
        ("GET", "/page/index.html%00", 404),
        ("DELETE", "/v1/orders", 405),
        ("PATCH", "/v1/orders/o-0", 405),
        ("PUT", "/v1/parts/%00", 422),
        ("PUT", "/v1/parts/a b", 422),
        ("PUT", "/v1/parts/" + "a" * 129, 422),
    ],
)
async def test_a_bad_path_or_method_is_a_problem(
    market: LiveMarket, method: str, path: str, status: int
) -> None:
    answer = await market.alice.request(method, path, content=b"{}", headers=JSON)
    check_problem(answer, status)


@pytest.mark.parametrize("last", ["-1", "x", "1.5", "99999999999999999999"])
async def test_a_bad_last_event_id_is_422(market: LiveMarket, last: str) -> None:
    id_ = (await submit(market.alice, "k1", order_body())).json()["id"]
    answer = await market.alice.get(f"/v1/orders/{id_}/events", headers={"Last-Event-ID": last})
    check_problem(answer, 422, "last-event-id")


async def test_several_bad_fields_are_all_named(market: LiveMarket) -> None:
    answer = await submit(market.alice, "bad", order_body(quantity=0, due="soon", extra=1))
    problem = check_problem(answer, 422, "quantity")
    assert [error["field"] for error in problem["errors"]] == ["quantity", "due", "extra"]


async def test_the_type_of_a_problem_says_what_it_means(market: LiveMarket) -> None:
    problem = check_problem(await market.nobody.get("/v1/orders"), 401)
    meaning = (await market.nobody.get(problem["type"])).json()
    assert meaning == {"type": problem["type"], "status": 401, "title": problem["title"]}
