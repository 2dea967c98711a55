"""Generated requests: never a 5xx, always JSON, and what was accepted can be read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.gateway_market import (
    ALICE,
    OPERATOR_KEY,
    PART,
    ThreadedMarket,
    order_body,
    threaded_market,
)

FUZZ = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def running() -> Iterator[ThreadedMarket]:
    with threaded_market() as market:
        yield market


@pytest.fixture(scope="module")
def client(running: ThreadedMarket) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {ALICE}", "Content-Type": "application/json"}
    with httpx.Client(base_url=running.market.server.url, headers=headers, timeout=20.0) as made:
        assert made.put("/v1/parts/bracket", json=PART).status_code == 200
        yield made


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.text(st.characters(categories=["Cs", "Cc", "Lu"]), max_size=5)
    | st.sampled_from(["berlin", "bracket", "2027-01-20T00:00:00Z", "open", "o-" + "0" * 20, "../x", "\x00"])
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_GOOD = order_body(
    deadline="2027-01-25T00:00:00Z",
    lateness_penalty_minor_per_day=5,
    partial=True,
    max_suppliers=3,
    certificates=["iso-9001"],
    data_class="nda",
    good_for_takts=2,
    currency="EUR",
    plan=PART["plan"] | {"arcs": []},
    documents=[{"sha256": "0" * 64, "name": "drawing"}],
)


def _places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _places(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _places(child, (*path, index))


def _replaced(value: Any, path: tuple[Any, ...], new: object) -> object:  # noqa: ANN401  JSON is any value
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


def _check(client: httpx.Client, answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    body = answer.json()
    if answer.is_success:
        if "location" in answer.headers:
            assert client.get(answer.headers["location"]).json()["id"] == body["id"]
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert body["status"] == answer.status_code
        answer.content.decode().encode()


@FUZZ
@given(path=st.sampled_from(list(_places(_GOOD))), new=_JSON, number=st.integers(0, 10**9))
def test_an_order_with_anything_in_place_of_a_field(
    client: httpx.Client, path: tuple[Any, ...], new: object, number: int
) -> None:
    body = json.dumps(_replaced(_GOOD, path, new)).encode()
    _check(client, client.post("/v1/orders", content=body, headers={"Idempotency-Key": f"k{number}"}))


@FUZZ
@given(body=st.binary(max_size=300) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body(client: httpx.Client, body: bytes) -> None:
    _check(client, client.post("/v1/orders", content=body, headers={"Idempotency-Key": "any"}))
    _check(client, client.put("/v1/parts/any", content=body))


@FUZZ
@given(path=st.sampled_from(list(_places(PART))), new=_JSON)
def test_a_part_with_anything_in_place_of_a_field(
    client: httpx.Client, path: tuple[Any, ...], new: object
) -> None:
    _check(client, client.put("/v1/parts/fuzzed", content=json.dumps(_replaced(PART, path, new)).encode()))
    assert client.get("/v1/parts").status_code == 200


_VISIBLE = st.text(
    st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=150
).map(lambda text: text.encode("latin-1"))


@FUZZ
@given(
    key=_VISIBLE,
    last=_VISIBLE,
    token=_VISIBLE,
    content_type=_VISIBLE,
)
def test_any_headers(
    client: httpx.Client, key: bytes, last: bytes, token: bytes, content_type: bytes
) -> None:
    good = json.dumps(order_body()).encode()
    headers = {b"Idempotency-Key": key, b"Content-Type": content_type}
    _check(client, client.post("/v1/orders", content=good, headers=headers))
    _check(client, client.get("/v1/orders/x/events", headers={b"Last-Event-ID": last}))
    _check(client, client.get("/v1/orders", headers={b"Authorization": b"Bearer x" + token}))


@FUZZ
@given(
    path=st.lists(st.text(max_size=30), max_size=3),
    query=st.dictionaries(
        st.sampled_from(["state", "after", "limit"]) | st.text(max_size=5), st.text(max_size=30), max_size=3
    ),
    root=st.sampled_from(["/v1/orders", "/v1/clearings", "/v1/parts", "/v1/problems", "/v1", "/page", ""]),
)
def test_any_path_and_query(client: httpx.Client, path: list[str], query: dict[str, str], root: str) -> None:
    where = str(client.base_url).rstrip("/") + "/".join([root, *(_quoted(part) for part in path)])
    answer = client.get(where, params={_quoted(key): _quoted(value) for key, value in query.items()})
    assert answer.status_code < 500, answer.text
    assert client.post(f"{where}/cancel", content=b"{}").status_code < 500


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))


@pytest.mark.slow
@FUZZ
@given(body=st.dictionaries(st.sampled_from(sorted(_GOOD)), _JSON), number=st.integers(0, 10**9))
def test_an_order_of_anything(client: httpx.Client, body: dict[str, object], number: int) -> None:
    content = json.dumps(_GOOD | body).encode()
    _check(client, client.post("/v1/orders", content=content, headers={"Idempotency-Key": f"a{number}"}))


@FUZZ
@given(body=_JSON, participant=st.sampled_from(["carol", "plant-1", "operator", "host"]))
def test_the_operators_routes_take_anything(
    running: ThreadedMarket, client: httpx.Client, body: object, participant: str
) -> None:
    operator = {"Authorization": f"Bearer {OPERATOR_KEY}"}
    content = json.dumps(body).encode()
    for method, path in (
        ("PUT", f"/v1/operator/participants/{participant}"),
        ("POST", "/v1/operator/participants/nobody/suspend"),
        ("PUT", "/v1/operator/rules"),
    ):
        _check(client, client.request(method, path, content=content, headers=operator))
    assert running.market.service.state_of().state.rules.version == 1
