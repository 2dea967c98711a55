"""Your data only: every tenant asks for every object of the others, at every endpoint, on every subject."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from market.adapters.codec import encode_state
from market.engine.admission import OPERATOR
from market.ports import Request
from market.service.requests import _ALLOWED
from takt_sdk.codec import encode
from takt_sdk.model.errors import ModelError
from takt_sdk.model.execution import NotifyDisruption, RequestChange
from takt_sdk.model.messages import Envelope
from takt_sdk.model.proof import QueryLog
from tests.docs.protocol_samples import SAMPLES
from tests.integration.tenants import (
    AUDITOR,
    CLEARED,
    CUSTOMERS,
    EVERYBODY,
    PLANTS,
    Tenants,
    tenants_at_work,
    traded,
)
from tests.unit.market.service.small_market import until

NEVER = {
    "order_id": "o-00000000000000000000",
    "contract_id": "c-00000000000000000000",
    "part_id": "part-w000000000000",
    "round_id": "x-000099",
}
"""Ids of nothing, of the same form."""

MORE = (
    RequestChange(order_id="o-1", cancel=True),
    NotifyDisruption(notice_id="n-1", cause="demand", effect="quantity_change", order_id="o-1", quantity=30),
)
"""Messages whose parts depend on each other."""

VOLATILE = ("position", "leaf", "size", "root", "now_us", "now", "head", "at", "instance", "message_id")


@pytest.fixture
async def tenants() -> AsyncIterator[Tenants]:
    async with tenants_at_work() as market:
        yield market


def foreign(tenants: Tenants, reader: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, id) of every object that a reader has no part in."""
    for kind, ids in tenants.objects.items():
        for id_, owners in ids.items():
            if reader not in owners:
                yield kind, id_


def plain(data: bytes, id_: str) -> bytes:
    """Return an answer with the id that was asked for, and what passes with time, taken out."""
    try:
        document = json.loads(data.replace(id_.encode(), b"ID"))
    except ValueError:
        return data.replace(id_.encode(), b"ID")
    if isinstance(document, dict):
        document = {key: value for key, value in document.items() if key not in VOLATILE}
    return json.dumps(document, sort_keys=True).encode()


# --- HTTP ------------------------------------------------------------------------------------


async def test_no_endpoint_shows_or_changes_what_is_anothers(tenants: Tenants) -> None:
    await traded(tenants)
    document = (await tenants.http["nobody"].get("/v1/openapi.json")).json()
    before = encode_state(tenants.service.state_of().state)
    cells: list[tuple[str, str, str, str, str]] = []
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            names = " ".join(p["name"] for p in operation.get("parameters", ()) if p["in"] == "path")
            if method != "get" and not names:
                continue  # creates something of one's own
            for reader in (*EVERYBODY, AUDITOR, "nobody"):
                asked = foreign(tenants, reader) if names else [("", "")]
                cells += [(reader, method, path, kind if kind in names else "", id_) for kind, id_ in asked]
    slots = asyncio.Semaphore(48)

    async def check(reader: str, method: str, path: str, kind: str, id_: str) -> None:
        async with slots:
            status, said = await _ask(tenants, reader, method, path, id_)
            found = tenants.leaks(reader, said.replace(id_.encode(), b"ID") if id_ else said)
            assert not found, (reader, method, path, id_, found)
            if kind:
                never = await _ask(tenants, reader, method, path, NEVER[kind])
                same = (status, plain(said, id_)) == (never[0], plain(never[1], NEVER[kind]))
                assert same, (reader, method, path, id_, status, said, never)

    await asyncio.gather(*(check(*cell) for cell in cells))
    assert encode_state(tenants.service.state_of().state) == before
    assert len(cells) >= 1_000


async def _ask(tenants: Tenants, reader: str, method: str, path: str, id_: str) -> tuple[int, bytes]:
    path = re.sub(r"\{\w+\}", id_, path)
    if method == "put" and "/parts/" in path:
        return 0, b""  # a part of the same id in one's own catalogue is one's own
    if path.endswith("events"):
        return await _stream(tenants, reader, path)
    body: dict[str, str] | None = {} if method in {"post", "put"} else None
    answer = await tenants.http[reader].request(method.upper(), path, json=body)
    return answer.status_code, answer.content


async def _stream(tenants: Tenants, reader: str, path: str) -> tuple[int, bytes]:
    """Return the first of a stream: its status, and what came within a moment."""
    async with tenants.http[reader].stream("GET", path) as answer:
        chunks: list[bytes] = []
        if answer.status_code == 200:
            async for chunk in answer.aiter_bytes():
                chunks.append(chunk)
                if b"ready" in chunk or b"order" in chunk:
                    break
        else:
            chunks.append(await answer.aread())
        return answer.status_code, b"".join(chunks)


async def test_streams_mail_and_tape_carry_ones_own_only(tenants: Tenants) -> None:
    heard: dict[str, list[bytes]] = {name: [] for name in EVERYBODY}

    async def follow(name: str) -> None:
        async with tenants.http[name].stream("GET", "/v1/events", timeout=None) as answer:
            async for chunk in answer.aiter_bytes():
                heard[name].append(chunk)

    tasks = [asyncio.create_task(follow(name)) for name in EVERYBODY]
    await until(lambda: all(heard.values()))
    await traded(tenants)
    for name in EVERYBODY:
        for chunk in heard[name]:
            assert tenants.leaks(name, chunk) == [], name
    for message in tenants.journal.sent:
        readers = EVERYBODY if message.channel == "tape" else (message.participant,)
        for reader in readers:
            assert tenants.leaks(reader, message.body) == [], (reader, message.body)
    assert {message.participant for message in tenants.journal.sent} >= set(EVERYBODY)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_uncleared_receive_nothing_about_a_restricted_order(tenants: Tenants) -> None:
    await traded(tenants)
    state = tenants.service.state_of().state
    hidden = [o for o, record in state.orders.items() if record.order.terms.data_class == "restricted"]
    assert len(hidden) == 2
    assert all(state.orders[order].state == "confirmed" for order in hidden)
    uncleared = {*PLANTS, "qalice", "qbob"}
    for message in tenants.journal.sent:
        if message.participant in uncleared or message.channel == "tape":
            assert not [order for order in hidden if order.encode() in message.body]
            assert b"x-000001" not in message.body
    listed = (await tenants.http["qalice"].get("/v1/clearings")).json()["clearings"]
    assert [(row["round_id"], row["number"], row["orders"], row["served"]) for row in listed] == [
        ("r-000001", 1, 4, 4)
    ]
    assert (listed[0]["called"], listed[0]["answered"]) == (6, 6)
    assert {listed[0][name] for name in ("objective", "bound", "gap_ppm", "greedy_objective", "digest")} == {
        None
    }
    tapes = [json.loads(m.body)["body"] for m in tenants.journal.sent if m.channel == "tape"]
    assert [(tape["round_id"], tape["orders"], tape["served"]) for tape in tapes] == [("r-000001", 4, 4)]


async def test_a_hidden_round_that_is_open_is_no_round_to_the_market_page(tenants: Tenants) -> None:
    await tenants.order("qcarol", "c2", "restricted")
    await tenants.advance(0)
    assert tenants.service.state_of().state.round_id == "x-000001"
    for name in ("qalice", *PLANTS, *CLEARED, "qcarol"):
        assert (await tenants.http[name].get("/v1/market")).json()["round_id"] is None
        assert (await tenants.http[name].get("/v1/clearings")).json()["clearings"] == []
        assert (await tenants.http[name].get("/v1/clearings/x-000001")).status_code == 404


# --- bus -------------------------------------------------------------------------------------


async def test_no_subject_shows_or_changes_what_is_anothers(tenants: Tenants) -> None:
    await traded(tenants)
    before = encode_state(tenants.service.state_of().state)
    cells, kinds = 0, set()
    for channel, bodies in _ALLOWED.items():
        for body in bodies:
            for reader in (*EVERYBODY, AUDITOR):
                if (reader, body) == (AUDITOR, QueryLog):
                    continue  # it alone, and this alone: below
                if (own := _made(body, "", "")) is not None:
                    kinds.add(body)
                    cells += 1
                    answer = await _request(tenants, channel, reader, own)
                    assert tenants.leaks(reader, answer) == [], (reader, body, answer)
                    assert reader != AUDITOR or b"takt.receipt" not in answer, (body, answer)
                for kind, id_ in foreign(tenants, reader):
                    made, never = _made(body, kind, id_), _made(body, kind, NEVER[kind])
                    if made is None or never is None or made == never:
                        continue
                    kinds.add(body)
                    cells += 1
                    answers = [await _request(tenants, channel, reader, one) for one in (made, never)]
                    said = answers[0].replace(id_.encode(), b"ID")
                    assert tenants.leaks(reader, said) == [], (reader, body, id_, answers[0])
                    same = plain(answers[0], id_) == plain(answers[1], NEVER[kind])
                    assert same, (reader, body, kind, id_, answers)
                    assert b"takt.receipt" not in answers[0], (reader, body, answers[0])
    assert cells >= 300
    assert kinds == {body for bodies in _ALLOWED.values() for body in bodies}
    assert not _changed(before, encode_state(tenants.service.state_of().state))


async def test_proofs_are_given_of_ones_own_entries_only(tenants: Tenants) -> None:
    await traded(tenants)
    (body,) = (one for one in _ALLOWED["query"] if one.__name__ == "QueryProof")
    size = tenants.service.state_of().state.size
    for reader in (*CUSTOMERS, PLANTS[0]):
        for position in range(size):
            answer = await _request(tenants, "query", reader, body(positions=(position,)))
            assert tenants.leaks(reader, answer) == [], (reader, position, answer)


async def test_an_auditor_reads_the_whole_log_and_nobody_else_any_of_it(tenants: Tenants) -> None:
    await traded(tenants)
    assert not [message for message in tenants.journal.sent if message.participant == AUDITOR]
    size, read = tenants.service.state_of().state.size, b""
    refusals = set()
    for start in range(size + 2):
        for reader in EVERYBODY:
            refusals.add(await _request(tenants, "query", reader, QueryLog(start=start)))
        read += await _request(tenants, "query", AUDITOR, QueryLog(start=start))
    assert len(refusals) == 1
    assert b"not_allowed" in refusals.pop()
    assert {mark for mark in tenants.marks if mark not in read} == set()


async def _request(tenants: Tenants, channel: Any, reader: str, body: Any) -> bytes:  # noqa: ANN401
    envelope = Envelope(
        message_id="m-1",
        correlation_id="",
        causation_id="",
        sender=reader,
        sequence=9,
        occurred_us=tenants.clock.now_us(),
        body=body,
    )
    return await tenants.service.requests.handle(
        Request(channel=channel, participant=reader, body=encode(envelope))
    )


def _changed(before: bytes, after: bytes) -> list[str]:
    """Return which orders, contracts and rounds of the state before are others now."""
    one, other = json.loads(before), json.loads(after)
    kinds = ("orders", "contracts", "rounds")
    return [id_ for kind in kinds for id_ in one[kind] if one[kind][id_] != other[kind].get(id_)]


def _made(body: type, kind: str, id_: str) -> Any:  # noqa: ANN401 - any message
    """Return a message of a class that names an object wherever it can; None where none can be made."""
    sample = next((one for one in (*SAMPLES, *MORE) if type(one) is body), None)
    if body.__name__ in {"SubmitOrder", "PublishPart"} and kind not in {"", "part_id"}:
        return None
    known = {kind: id_, "item_lot": f"{id_}.mill" if kind == "order_id" else "", "lot_id": ""}
    try:
        if sample is not None:
            return _renamed(sample, known)
        return body(
            **{
                one.name: _filler(one.name, get_type_hints(body)[one.name], known)
                for one in fields(body)
                if one.name in known or (one.default is MISSING and one.default_factory is MISSING)
            }
        )
    except ModelError:
        return None


def _renamed(value: Any, known: dict[str, str]) -> Any:  # noqa: ANN401 - any value
    """Return a value with the ids in it replaced."""
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed: dict[str, Any] = {}
    for one in fields(value):
        present = getattr(value, one.name)
        if known.get(one.name) and isinstance(present, str):
            changed[one.name] = known[one.name]
        elif known.get(one.name) and isinstance(present, tuple):
            changed[one.name] = tuple(known[one.name] for _ in present)
        else:
            changed[one.name] = _renamed(present, known)
    return type(value)(**changed)


def _filler(name: str, hint: Any, known: dict[str, str]) -> Any:  # noqa: ANN401 - any type
    """Return some value of a type."""
    if known.get(name):
        return known[name]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return arguments[0]
    if origin in {Union, UnionType}:
        return None if NoneType in arguments else _filler(name, arguments[0], known)
    if origin is tuple:
        return ()
    if is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        return hint(**{one.name: _filler(one.name, hints[one.name], known) for one in fields(hint)})
    return {str: "x-1", int: 1, bool: False}.get(hint)


def test_the_operator_is_none_of_the_tenants() -> None:
    assert OPERATOR not in EVERYBODY


async def test_a_dropped_tenant_filter_would_be_found(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    await traded(tenants)
    rows = tenants.journal.rows

    def unfiltered(model: Any, *, tenant: str | None = None, **asked: Any) -> Any:  # noqa: ANN401, ARG001
        return rows(model, **asked)

    monkeypatch.setattr(tenants.journal, "rows", unfiltered)
    for path in ("/v1/orders", "/v1/parts"):
        _, said = await _ask(tenants, "qbob", "get", path, "")
        assert tenants.leaks("qbob", said)
