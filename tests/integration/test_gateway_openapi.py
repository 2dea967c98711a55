"""The OpenAPI document is true: real answers fit it, and every answer that it promises occurs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest_asyncio

from gateway.settings import GatewaySettings
from market.adapters.journal_memory import MemoryJournal
from market.model.contract_rules import ContractRules
from takt_sdk.codec import encode
from takt_sdk.model.execution import AppealScore
from tests.integration.gateway_market import (
    OPERATOR_KEY,
    PART,
    PLANT_KEY,
    RULES,
    LiveMarket,
    live_market,
    order_body,
    sha256,
    submit,
)
from tests.signers import signer_of

Content = bytes | dict[str, Any]
NEW_KEY = signer_of("new").key

NOTHING = "o-" + "0" * 20

OPERATORS_READS = ("participants", "rules", "status", "approvals")
WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/orders", order_body()),
    ("PUT", "/v1/parts/bracket", PART),
    ("PUT", "/v1/operator/participants/bob", {"roles": ["customer"], "agent": False}),
    ("POST", "/v1/operator/participants/bob/suspend", {}),
    ("PUT", "/v1/operator/rules", {"rules": json.loads(encode(RULES)) | {"version": 2}}),
    ("POST", "/v1/operator/pause", {"reason": "x"}),
    ("POST", "/v1/operator/resume", {"reason": "x"}),
    ("PUT", "/v1/operator/participants/dora", {"roles": ["supplier"]}),
    ("POST", "/v1/operator/participants/dora/rotate", {"signing_key": NEW_KEY}),
    ("POST", "/v1/operator/participants/dora/revoke", {}),
    ("POST", "/v1/operator/rounds/r-000002/void", {"reason": "x"}),
    ("POST", f"/v1/orders/{NOTHING}/changes", {"cancel": True}),
    ("POST", f"/v1/operator/orders/{NOTHING}/approval", {"approve": True}),
    ("POST", "/v1/operator/participants/bob/payments", {"amount_minor": -5, "reference": "bank-1"}),
    ("POST", "/v1/operator/appeals/c-00000000000000000000", {"upheld": True}),
]


@dataclass
class Checker:
    """Holds answers against the document, and remembers which occurred."""

    document: dict[str, Any]
    seen: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def template(self, path: str) -> str:
        """Return the documented path that ``path`` belongs to."""
        if path in self.document["paths"]:
            return path
        for template in self.document["paths"]:
            if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path):
                return str(template)
        raise AssertionError(f"{path} is not documented")

    def check(self, answer: httpx.Response) -> None:
        """Assert that an answer is one that the document promises."""
        path, method = self.template(answer.request.url.path), answer.request.method.lower()
        promised = self.document["paths"][path][method]["responses"]
        status = str(answer.status_code)
        assert status in promised, (method, path, status, answer.text)
        self.seen.setdefault((method, path), set()).add(status)
        content = promised[status].get("content")
        if not content:
            assert answer.content == b""
            return
        media = answer.headers["content-type"].partition(";")[0]
        if media == "application/json" or media.endswith("+json"):
            schema = content[media]["schema"] | {"components": self.document["components"]}
            jsonschema.Draft202012Validator(schema).validate(answer.json())

    def missing(self) -> dict[tuple[str, str], list[str]]:
        """Return what was promised and did not occur."""
        return {
            (method, path): sorted(lacking)
            for path, operations in self.document["paths"].items()
            for method, operation in operations.items()
            if (lacking := set(operation["responses"]) - self.seen.get((method, path), set()))
        }


@pytest_asyncio.fixture
async def market() -> AsyncIterator[LiveMarket]:
    settings = GatewaySettings(
        operator_key_sha256=sha256(OPERATOR_KEY), body_timeout_s=0.2, answer_timeout_s=0.2
    )
    async with live_market(settings=settings) as running:
        yield running


def _client(market: LiveMarket, path: str) -> httpx.AsyncClient:
    return market.operator if path.startswith(("/v1/operator", "/metrics")) else market.alice


async def _send(
    client: httpx.AsyncClient, method: str, path: str, content: Content, key: str = "x"
) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    if isinstance(content, bytes):
        headers["Content-Type"] = "application/json"
        return await client.request(method, path, content=content, headers=headers)
    return await client.request(method, path, json=content, headers=headers)


async def test_every_promised_answer_occurs_and_fits_its_schema(market: LiveMarket) -> None:
    checker = Checker((await market.nobody.get("/v1/openapi.json")).json())
    await market.alice.put("/v1/parts/bracket", json=PART)
    path = (await submit(market.alice, "k1", order_body())).headers["location"]
    for answer in [
        *await _successes(market, path),
        *await _bad_writes(market),
        *await _refusals(market, path),
        *await _without_key(market, checker.document),
        *await _slow_bodies(market),
        *await _failures(market, path),
        *await _after_the_award(),
    ]:
        checker.check(answer)
    assert checker.missing() == {}


async def _successes(market: LiveMarket, path: str) -> list[httpx.Response]:
    alice, operator, nobody = market.alice, market.operator, market.nobody
    await market.advance(0.001)
    await market.bid(120_000)
    changes = market.service.watch("alice")
    async with asyncio.timeout(20):
        while (await alice.get(path)).json()["state"] != "awarded":
            await anext(changes)
    await submit(alice, "second", order_body())
    await market.advance(0.01)
    await market.bid(120_000)
    async with asyncio.timeout(20):
        while (await alice.get("/v1/clearings")).json()["clearings"][-1]["status"] != "cleared":
            await anext(changes)
    answers = [await _send(_client(market, where), method, where, body) for method, where, body in WRITES]
    answers.append(await operator.post("/v1/operator/participants/bob/reinstate"))
    round_id = (await alice.get("/v1/clearings")).json()["clearings"][0]["round_id"]
    over = (await submit(alice, "over", order_body())).headers["location"]
    answers += [
        await alice.post(f"{over}/cancel"),
        await alice.get(f"{over}/events"),
        await alice.get(f"{over}/events", headers={"Last-Event-ID": "2"}),
        *[
            await alice.get(where)
            for where in ("/v1/orders", path, "/v1/parts", "/v1/parts/bracket", "/v1/clearings", "/v1/market")
        ],
        await alice.get(f"/v1/clearings/{round_id}"),
        *[await operator.get(f"/v1/operator/{where}") for where in OPERATORS_READS],
        await operator.get("/metrics"),
        *[await nobody.get(where) for where in ("/healthz", "/readyz", "/v1/problems/not_found")],
    ]
    async with alice.stream("GET", "/v1/events") as followed:
        pass
    return [*answers, httpx.Response(200, headers=followed.headers, request=followed.request)]


async def _after_the_award() -> list[httpx.Response]:
    """Let a contract end by its participant's fault; change, approve, appeal, in a market of its own."""
    limits = ContractRules(approve_above_minor=0, tolerance_us=0)
    async with live_market(rules=replace(RULES, contracts=limits)) as market:
        alice, operator = market.alice, market.operator
        order = await market.order("k")
        path = f"/v1/orders/{order}"
        await market.advance(0)
        await market.bid(1_000)
        while (await alice.get(path)).json()["state"] != "awarded":
            await market.advance(0)
        (contract_id,) = market.service.state_of().state.contracts
        winner = market.service.state_of().state.contracts[contract_id].contract.participant
        asked = await alice.post(f"{path}/changes", json={"cancel": True})
        accept = f"{path}/changes/{asked.json()['quote']['quote_id']}/accept"
        admission = market.service.state_of().state.participants[winner].admission
        keyed = replace(admission, api_key_sha256=sha256("winner-key"))
        await market.command("operator", keyed, "key")
        headers = {"Authorization": "Bearer winner-key"}
        plant = httpx.AsyncClient(base_url=market.server.url, headers=headers)
        await market.report("refused", 1)
        await market.command(winner, AppealScore(contract_id=contract_id, reason="x"), "appeal")
        appeal = f"/v1/operator/appeals/{contract_id}"
        approval = f"/v1/operator/orders/{order}/approval"
        payments = "/v1/operator/participants/nobody/payments"
        answers = [
            asked,
            *[await operator.post(appeal, json={"upheld": True}) for _ in range(2)],
            *[await operator.post(approval, json={"approve": True}) for _ in range(2)],
            await operator.post(payments, json={"amount_minor": 5, "reference": "x"}),
            *[await plant.get(where) for where in ("/v1/contracts", f"/v1/contracts/{contract_id}")],
            *[await alice.get(where) for where in ("/v1/risks", "/v1/statement", "/v1/scorecard")],
            *[await alice.get(where) for where in (f"{path}/timeline", "/v1/contracts/c-x")],
            *[await alice.get(where) for where in ("/v1/contracts?limit=0", "/v1/statement?after=A")],
            await alice.get(f"/v1/orders/{NOTHING}/timeline"),
            await alice.get(f"/v1/orders/{NOTHING}/timeline/events"),
        ]
        with _full(market):
            answers += [
                await alice.post(f"{path}/changes", json={"cancel": True}),
                await alice.post(accept),
                await alice.get(f"{path}/timeline/events"),
            ]
        again = await alice.post(f"{path}/changes", json={"cancel": True})
        over = f"{path}/changes/{again.json()['quote']['quote_id']}/accept"
        answers += [await alice.post(over), await alice.post(accept)]
        answers.append(await alice.post(f"{path}/changes/q-1/accept"))
        answers.append(await alice.post(f"/v1/orders/{NOTHING}/changes/q-1/accept"))
        answers.append(await alice.post(f"{path}/changes", json={"cancel": True}))
        async with alice.stream("GET", f"{path}/timeline/events") as followed:
            pass
        await plant.aclose()
        return [*answers, httpx.Response(200, headers=followed.headers, request=followed.request)]


async def _bad_writes(market: LiveMarket) -> list[httpx.Response]:
    answers = [await market.alice.post("/v1/orders", json=order_body())]
    for method, path, _ in WRITES:
        client = _client(market, path)
        bad: list[Content] = [b"{", b" " * 300_000, {"surprise": 1}]
        answers += [await _send(client, method, path, content) for content in bad]
        answers.append(await client.request(method, path, data={"a": "b"}, headers={"Idempotency-Key": "x"}))
    return answers


async def _refusals(market: LiveMarket, path: str) -> list[httpx.Response]:
    alice, operator, gate = market.alice, market.operator, market.context.gate
    nothing = "/v1/orders/o-" + "0" * 20
    await market.report("confirmed", 1)
    answers = [
        *[await alice.get(f"/v1/{where}?limit=0") for where in ("orders", "parts", "clearings")],
        *[await operator.get(f"/v1/operator/{where}?limit=0") for where in ("participants", "approvals")],
        *[
            await alice.get(where)
            for where in (nothing, f"{nothing}/events", "/v1/clearings/r-0", "/v1/parts/x")
        ],
        await alice.get("/v1/problems/nothing"),
        await alice.get(f"{path}/events", headers={"Last-Event-ID": "-1"}),
        *[await alice.post(f"{where}/cancel") for where in (nothing, path)],
        await _send(operator, "POST", "/v1/operator/participants/nobody/suspend", {}),
        await operator.post("/v1/operator/participants/nobody/reinstate"),
        await _send(operator, "POST", "/v1/operator/participants/nobody/revoke", {}),
        await _send(operator, "POST", "/v1/operator/participants/nobody/rotate", {"signing_key": NEW_KEY}),
        await _send(operator, "POST", "/v1/operator/participants/dora/revoke", {}),
        await _send(operator, "POST", "/v1/operator/participants/dora/rotate", {"signing_key": NEW_KEY}),
        *[await _send(operator, "POST", "/v1/operator/pause", {"reason": "x"}) for _ in range(2)],
        *[await _send(operator, "POST", "/v1/operator/resume", {"reason": "x"}) for _ in range(2)],
        await _send(operator, "POST", "/v1/operator/rounds/r-000001/void", {"reason": "x"}),
        await operator.post("/v1/operator/participants/Nobody/reinstate"),
        await _send(operator, "PUT", "/v1/operator/rules", WRITES[4][2]),
        await _send(
            operator,
            "PUT",
            "/v1/operator/participants/carol",
            {"roles": ["customer"], "api_key_sha256": sha256(PLANT_KEY)},
        ),
    ]
    plant = {"Authorization": f"Bearer {PLANT_KEY}", "Idempotency-Key": "p"}
    answers += [
        await market.nobody.request(method, where, json=body, headers=plant)
        for method, where, body in WRITES[:2]
    ]
    with gate.enter("alice", "x"), gate.enter("alice", "part bracket"):
        answers += [await _send(alice, method, where, body) for method, where, body in WRITES[:2]]
    with _full(market):
        answers += [await _send(alice, method, where, body) for method, where, body in WRITES[:2]]
        answers += [await alice.post(f"{path}/cancel")]
        answers += [await alice.get(where) for where in (f"{path}/events", "/v1/events")]
    return answers


@contextlib.contextmanager
def _full(market: LiveMarket) -> Iterator[None]:
    """Let Alice have as much under way as she may."""
    settings, gate = market.context.settings, market.context.gate
    gate._count["alice"] = settings.max_in_flight_per_customer
    releases = [market.context.streams.acquire("alice") for _ in range(settings.max_streams_per_customer)]
    try:
        yield
    finally:
        del gate._count["alice"]
        for release in releases:
            release()


async def _without_key(market: LiveMarket, document: dict[str, Any]) -> list[httpx.Response]:
    return [
        await market.nobody.request(method, re.sub(r"\{[^}]*\}", "x", path))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "401" in operation["responses"]
    ]


async def _slow_bodies(market: LiveMarket) -> list[httpx.Response]:
    answers = []
    for method, path, _ in WRITES:
        client = _client(market, path)
        reader, writer = await asyncio.open_connection("127.0.0.1", market.server.port)
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: slow\r\nContent-Length: 9\r\n"
        head += f"Content-Type: application/json\r\nAuthorization: {client.headers['authorization']}\r\n\r\n"
        writer.write(head.encode())
        status = await asyncio.wait_for(reader.readline(), 10)
        fields = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        length = int(fields.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        content = await asyncio.wait_for(reader.readexactly(length), 10)
        writer.close()
        answers.append(
            httpx.Response(
                int(status.split()[1]),
                headers={"content-type": "application/problem+json"},
                content=content,
                request=httpx.Request(method, f"{market.server.url}{path}"),
            )
        )
    return answers


async def _failures(market: LiveMarket, path: str) -> list[httpx.Response]:
    """Let the disk stall, then stop the market, then close its journal."""
    writes = [*WRITES[2:], ("POST", f"{path}/cancel", {}), ("POST", f"{path}/changes/q-1/accept", {})]
    writes += [("POST", "/v1/operator/participants/bob/reinstate", {})]
    writes += [("POST", "/v1/orders", order_body()), ("PUT", "/v1/parts/new", PART)]
    journal = market.service._journal
    assert isinstance(journal, MemoryJournal)
    with journal._mutex:
        answers = [
            await _send(_client(market, where), method, where, body, "new") for method, where, body in writes
        ]
        answers += await _reads(market, path)
    market.service._stopping = True
    answers += [
        await _send(_client(market, where), method, where, body, "new") for method, where, body in writes
    ]
    answers.append(await market.nobody.get("/readyz"))
    journal.close()
    return answers + await _reads(market, path)


async def _reads(market: LiveMarket, path: str) -> list[httpx.Response]:
    reads = ["/v1/orders", path, f"{path}/events", "/v1/parts", "/v1/clearings", "/v1/clearings/r-000001"]
    reads += [f"{path}/timeline", f"{path}/timeline/events", "/v1/risks", "/v1/statement", "/v1/scorecard"]
    reads += ["/v1/contracts", "/v1/contracts/c-x", "/v1/parts/bracket"]
    answers = [await market.alice.get(where) for where in reads]
    own = ["/v1/operator/participants", "/v1/operator/status", "/v1/operator/approvals", "/metrics"]
    return [*answers, *[await market.operator.get(where) for where in own]]


async def test_bodies_that_the_document_allows_are_taken(market: LiveMarket) -> None:
    document = (await market.nobody.get("/v1/openapi.json")).json()
    for method, path, body in WRITES:
        template = Checker(document).template(path)
        operation = document["paths"][template][method.lower()]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        validator = jsonschema.Draft202012Validator(schema | {"components": document["components"]})
        validator.validate(body)
        assert not validator.is_valid(body | {"surprise": 1})


async def test_the_document_names_nothing_that_it_does_not_hold(market: LiveMarket) -> None:
    document = (await market.nobody.get("/v1/openapi.json")).json()
    text = str(document)
    for name in set(re.findall(r"#/components/schemas/([A-Za-z0-9_]+)", text)):
        assert name in document["components"]["schemas"]
    assert "HTTPValidationError" not in text
