"""A small partner without any of the SDK's behaviour, right by itself, wrong in one way if asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from takt_sdk.errors import BusClosedError, BusRequestError, BusTimeoutError
from takt_sdk.nats.creds import claims_of, jwt_of, seed_of
from takt_sdk.nats.participant import NatsParticipantBus
from takt_sdk.ports import Delivery, RequestChannel
from takt_sdk.signing import KEY_HEADER, SIGNATURE_HEADER, Signer, message_bytes, to_text, user_seed
from takt_sdk.wall_clock import WallClock
from tests.integration.bare_sheet import CAPACITY, MINUTE_US, sealed, sheet_for

Json = dict[str, Any]
TIMEOUT_S = 0.7
NEXT = {"awarded": "confirmed", "confirmed": "started", "in_production": "finished", "finished": "shipped"}
AFTER = {"confirmed": "confirmed", "started": "in_production", "finished": "finished", "shipped": "shipped",
         "delivered": "delivered"}  # fmt: skip


class BareAgent:
    """One life of the partner: it keeps nothing beyond it."""

    def __init__(self, creds: str, fault: str, *, restarted: bool) -> None:
        self.creds, self.fault, self.again = creds, fault, restarted
        self.market, self.me = claims_of(jwt_of(creds))["name"].split(".")
        stranger = user_seed(bytes(32))
        self.signer = Signer(stranger if fault == "signs with a key of nobody" else seed_of(creds))
        self.bus: NatsParticipantBus | None = None
        self.ahead_us = 0
        self.numbers: dict[str, int] = {}
        self.contracts: dict[str, Json] = {}
        self.answered: set[str] = set()
        self.spoken: set[str] = set()
        self.over: list[Json] = []

    def now_us(self) -> int:
        return WallClock().now_us() + self.ahead_us

    async def run(self, url: str) -> None:
        self.bus = await NatsParticipantBus.connect(url, self.creds, self.market, self.me)
        if self.fault != "sends before it asks":
            await self.catch_up()
        else:
            await self.speak()
        if self.fault == "does not reconnect":
            self.bus._client.options["allow_reconnect"] = False
        with contextlib.suppress(BusClosedError):
            async for delivery, acknowledge in self.bus.deliveries():
                await self.take(delivery, acknowledge)
                if self.fault == "acts on repeats":
                    self.bus._done.clear()
        await asyncio.Event().wait()

    async def speak(self) -> None:
        """Say something."""
        await self.milestone({"id": "c-unknown", "items": []}, "confirmed", 0)

    async def catch_up(self) -> None:
        state = await self.send("query", "", {"kind": "takt.query_sync.v1"})
        self.ahead_us = state["now_us"] - WallClock().now_us()
        if not (self.fault == "numbers anew after a restart" and self.again):
            self.numbers = {one["contract"]["id"]: one["report_sequence"] for one in state["contracts"]}
            self.numbers |= {one["round_id"]: one["sequence"] for one in state["sheets"]}
        self.contracts = {
            one["contract"]["id"]: {**one["contract"], "state": one["state"]} for one in state["contracts"]
        }
        if not (self.fault == "answers again after a restart" and self.again):
            self.answered = {one["round_id"] for one in state["sheets"]}
        for call in state["calls"]:
            await self.answer(call)
        await self.report()
        await self.send_heartbeat()

    async def send_heartbeat(self) -> None:
        body: Json = {"kind": "takt.heartbeat.v1"} | (
            {"at": 1} if self.fault == "malformed heartbeat" else {}
        )
        assert self.bus is not None
        await self.bus.heartbeat(json.dumps(self.envelope("", 0, body)).encode())

    # --- sending -----------------------------------------------------------------------------

    def envelope(self, conversation: str, number: int, body: Json, salt: str = "") -> Json:
        content = json.dumps([self.me, conversation, number, body, salt])
        return {
            "message_id": "m-"
            + ("1" if self.fault == "one id for all" else sha256(content.encode()).hexdigest()[:32]),
            "correlation_id": "" if self.fault == "no correlation id" else conversation,
            "causation_id": "",
            "sender": "another" if self.fault == "another's name" else self.me,
            "sequence": number,
            "occurred_us": self.now_us(),
            "body": body,
        }

    def number(self, channel: str, conversation: str) -> int:
        last = self.numbers.get(conversation, 0)
        if not conversation or (self.fault == "counts from nought" and channel == "bid"):
            return 0
        step = {"one number for all reports": 0, "counts down": -1}.get(self.fault, 1)
        first = 100 if self.fault == "counts down" else 1
        self.numbers[conversation] = last + (step if conversation in self.spoken else first)
        self.spoken.add(conversation)
        return self.numbers[conversation]

    async def send(self, channel: RequestChannel, conversation: str, body: Json) -> Json:
        number = self.number(channel, conversation)
        data = json.dumps(self.envelope(conversation, number, body)).encode()
        pause_s, attempt = 0.05, 0
        while True:
            answer = await self.ask(channel, data)
            attempt += 1
            if not answer.get("retryable"):
                if self.fault == "repeats a final refusal" and answer["kind"] == "takt.refused.v1":
                    await self.ask(channel, data)
                if self.fault == "answers twice" and channel == "bid" and "item_lot" in str(body):
                    other = body | {"expires_us": body["expires_us"] + 1}
                    await self.ask(channel, json.dumps(self.envelope(conversation, number, other)).encode())
                return answer
            if self.fault == {
                "bid": "gives up",
                "report": "gives up reporting",
                "order": "gives up ordering",
            }.get(channel):
                await asyncio.Event().wait()
            if self.fault == "new id on retry" and channel != "query":
                data = json.dumps(self.envelope(conversation, number, body, str(attempt))).encode()
            if self.fault == "new number on retry" and channel != "query":
                self.numbers[conversation] = number = number + 1
                data = json.dumps(self.envelope(conversation, number, body)).encode()
            if self.fault != "ignores retry_after":
                pause_s = max(pause_s, answer.get("retry_after_us", 0) / 1e6)
            await asyncio.sleep(0 if self.fault == "hammers" else pause_s)
            pause_s = min(2 * pause_s, 2.0)

    async def ask(self, channel: RequestChannel, data: bytes) -> Json:
        assert self.bus is not None
        again: Json = {"kind": "none", "retryable": True}
        try:
            reply = await self.bus.request(
                channel, data, timeout_s=TIMEOUT_S, headers=self.headers(channel, data)
            )
        except (BusTimeoutError, BusRequestError):
            return again
        found: Json = json.loads(reply) if reply else again
        return found

    def headers(self, channel: str, data: bytes) -> tuple[tuple[str, str], ...]:
        if self.fault == "does not sign":
            return ()
        over = {
            "signs another subject": ("order", data),
            "signs other bytes": (channel, json.dumps(json.loads(data), indent=1).encode()),
        }.get(self.fault, (channel, data))
        signature = self.signer.sign(message_bytes(self.market, over[0], self.me, over[1]))
        more = (("Takt-Agent", "bare"),) if self.fault == "a header of its own" else ()
        return ((KEY_HEADER, self.signer.key), (SIGNATURE_HEADER, to_text(signature)), *more)

    # --- what comes --------------------------------------------------------------------------

    async def take(self, delivery: Delivery, acknowledge: Callable[[], Awaitable[None]]) -> None:
        body = self.read(delivery)
        if body is None:
            return
        known = {"takt.call_for_proposals.v1": self.answer, "takt.round_result.v1": self.won}
        early = self.fault in {"acknowledges first", "never answers"}
        if early and delivery.channel == "cfp":
            await acknowledge()
        if body["kind"] in known:
            await known[body["kind"]](body)
        elif body["kind"] in {"takt.contract_notice.v1", "takt.contract_amended.v1"}:
            await self.changed(body)
        if not early or delivery.channel != "cfp":
            await acknowledge()
        await self.report()

    def read(self, delivery: Delivery) -> Json | None:
        """Return what came, a kind of its own for what cannot be read."""
        try:
            body: Json = json.loads(delivery.body)["body"]
        except ValueError:
            return None if self.fault == "chokes on what it cannot read" else {"kind": ""}
        if "from_the_future" in body and self.fault == "ignores what has a new field":
            return {"kind": ""}
        if body["kind"] == "takt.from_the_future.v7" and self.fault == "dies of an unknown kind":
            raise KeyError(body["kind"])
        return body

    async def won(self, result: Json) -> None:
        for contract in result["awards"]:
            if contract["id"] not in self.contracts:
                self.contracts[contract["id"]] = {**contract, "state": "awarded"}
        await self.report()

    async def changed(self, body: Json) -> None:
        id_ = body.get("contract_id") or body["contract"]["id"]
        if body["kind"] == "takt.contract_amended.v1":
            self.contracts[id_] |= body["contract"]
        elif id_ in self.contracts:
            if self.fault == "goes on with what has ended" and body["state"] == "ended":
                for contract in self.over:
                    await self.milestone(contract, "started", 0)
                self.over.append(self.contracts[id_])
            self.contracts[id_]["state"] = body["state"]
        elif self.fault == "reports for another":
            await self.milestone({"id": id_, "items": []}, "confirmed", 0)

    async def answer(self, call: Json) -> None:
        late = self.now_us() >= call["deadline_us"] and self.fault != "answers too late"
        done = call["round_id"] in self.answered and self.fault != "acts on repeats"
        if done or late or self.fault == "never answers":
            return
        self.answered.add(call["round_id"])
        if self.fault == "declines everything":
            body: Json = {"kind": "takt.decline_call.v1", "round_id": call["round_id"], "code": "no_capacity"}
        else:
            body = sheet_for(call, self.free(), self.fault)
        if call["sealing_key"] and self.fault != "does not seal":
            number = self.numbers.get(call["round_id"], 0) + 1
            body = sealed(call, self.me, number, body, self.fault)
        channel: RequestChannel = "report" if self.fault == "another subject" else "bid"
        await self.send(channel, str(body["round_id"]), body)

    def free(self) -> Mapping[int, int]:
        taken: dict[int, int] = {}
        if self.fault == "sells capacity twice":
            return taken
        for contract in self.contracts.values():
            for use in (
                contract["uses"] if contract["state"] in {"awarded", "confirmed", "in_production"} else ()
            ):
                taken[use["period"]] = taken.get(use["period"], CAPACITY) - use["amount"]
        return taken

    async def report(self) -> None:
        for contract in self.contracts.values():
            while step := self.due(contract):
                milestone, at_us = step
                quantity = (
                    0
                    if milestone in {"confirmed", "started"}
                    else sum(one["quantity"] for one in contract["items"])
                )
                if self.fault == "counts too many" and quantity:
                    quantity += 1
                reply = await self.milestone(contract, milestone, at_us, quantity)
                if reply["kind"] != "takt.receipt.v1":
                    await self.catch_up()
                    return
                contract["state"] = AFTER[milestone]

    def due(self, contract: Json) -> tuple[str, int] | None:
        """Return the next milestone if its time has come."""
        anywhere = self.fault == "delivers what goes elsewhere"
        home = [one for one in contract["shipments"] if one["to_contract"] is None or anywhere]
        word = NEXT.get(contract["state"], "delivered" if contract["state"] == "shipped" and home else "")
        arrival_us = int(contract["end_us"]) + max([0, *(one["transit_minutes"] for one in home)]) * MINUTE_US
        now_us = self.now_us() - 1000
        end_us: int = contract["end_us"]
        times_us = {"confirmed": now_us, "started": int(contract["start_us"]), "delivered": arrival_us}
        at_us = times_us.get(word, end_us)
        if word == "confirmed" and self.fault == "never confirms":
            return None
        if word == "confirmed" and self.fault == "starts before it confirms":
            return "started", now_us
        if word == "confirmed" and self.fault == "goes by its own clock":
            return word, WallClock().now_us()
        if word == "started" and self.fault == "never reports":
            return None
        return (word, at_us) if word and at_us <= now_us else None

    async def milestone(self, contract: Json, milestone: str, at_us: int, quantity: int = 0) -> Json:
        body = {
            "kind": "takt.report_milestone.v1",
            "contract_id": contract["id"],
            "milestone": milestone,
            "at_us": at_us or self.now_us() - 1000,
            "quantity": quantity,
        }
        return await self.send("report", contract["id"], body)


class BarePartner:
    """`market.conformance.partners.Partner` in this process, with one ``fault`` or none."""

    agent = BareAgent

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self._agent: BareAgent | None = None
        self._task: asyncio.Task[None] | None = None
        self._starts = 0

    async def start(self, creds: Path, url: str, server_name: str) -> None:
        assert server_name
        self._starts += 1
        if self.fault == "never connects":
            return
        text = await asyncio.to_thread(creds.read_text)
        self._agent = self.agent(text, self.fault, restarted=self._starts > 1)
        self._task = asyncio.create_task(self._agent.run(url))

    async def kill(self) -> None:
        await self.stop()

    async def stop(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            while not task.done():  # nats-py may swallow a cancellation
                task.cancel()
                await asyncio.wait({task}, timeout=0.2)
        if self._agent is not None and self._agent.bus is not None:
            await self._agent.bus.close()

    def ended(self) -> str:
        if self._task is None or not self._task.done() or self._task.cancelled():
            return ""
        return f"it ended: {self._task.exception()!r}"
