"""A small customer without any of the SDK's behaviour, right by itself, wrong in one way if asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from takt_sdk.errors import BusClosedError
from takt_sdk.model.values import DAY_US
from takt_sdk.ports import Delivery
from tests.integration.bare_partner import BareAgent, BarePartner, Json

PLAN = {
    "arcs": [],
    "lots": [
        {"id": "mill", "kind": "operation", "requirement": {"process": "milling", "material": "steel"}},
    ],
}
NOBODYS = "o-99999999999999999999"


class _Customer(BareAgent):
    """Places three orders, changes the first once it is confirmed, cancels the third once it is awarded."""

    def __init__(self, creds: str, fault: str, *, restarted: bool) -> None:
        super().__init__(creds, fault, restarted=restarted)
        self.orders: dict[str, str] = {}
        self.done: set[str] = set()
        self.placing: asyncio.Task[None] | None = None

    async def speak(self) -> None:
        await self.order(1)

    async def catch_up(self) -> None:
        state = await self.send("query", "", {"kind": "takt.query_sync.v1"})
        self.ahead_us = state["now_us"] - self.now_us() + self.ahead_us
        if self.fault != "places nothing":
            self.placing = asyncio.create_task(self.place_all())

    async def place_all(self) -> None:
        with contextlib.suppress(BusClosedError):  # killed meanwhile
            await self.place()

    async def place(self) -> None:
        part = {"id": "bracket", "name": "Bracket", "plan": PLAN, "documents": []}
        if self.fault != "orders what it has not published":
            await self.send("order", "", {"kind": "takt.publish_part.v1", "part": part})
        for number in (1, 2, 3):
            await self.order(number)

    async def order(self, number: int, key: str = "") -> None:
        day_us = self.now_us() // DAY_US * DAY_US
        if self.fault == "another order under its key" and number == 3:
            key = "k1"
        if self.fault == "another key after a restart" and self.again:
            key = f"again-{number}"
        body: Json = {
            "kind": "takt.submit_order.v1",
            "idempotency_key": key or f"k{number}",
            "part_id": "bracket",
            "terms": {
                "quantity": 10 * number,
                "destination": "munich",
                "release_us": day_us - 9 * DAY_US if self.fault == "orders for yesterday" else day_us,
                "due_us": day_us + (-2 if self.fault == "orders for yesterday" else 20) * DAY_US,
                "deadline_us": day_us + 30 * DAY_US,
                "reservation_value_minor": 100_000,
            },
        }
        reply = await self.send("order", "", body)
        if reply["kind"] == "takt.receipt.v1":
            self.orders[f"k{number}"] = reply["subject_id"]

    def number(self, channel: str, conversation: str) -> int:
        if self.fault == "numbers its orders" and channel == "order":
            return 1
        return super().number(channel, conversation)

    async def take(self, delivery: Delivery, acknowledge: Callable[[], Awaitable[None]]) -> None:
        if self.fault == "acts on repeats":
            self.done.clear()
        known = {"takt.order_notice.v1": self.told, "takt.change_quote.v1": self.quoted}
        body = self.read(delivery)
        if body is None:
            return
        if body["kind"] in known:
            await known[body["kind"]](body)
        await acknowledge()
        if self.fault == "cancels what is over" and body.get("state") == "settled":
            await asyncio.sleep(0.1)  # not on the way any more
            await self.send("order", "", {"kind": "takt.cancel_order.v1", "order_id": body["order_id"]})

    async def told(self, notice: Json) -> None:
        id_ = notice["order_id"]
        if notice["state"] == "awarded" and id_ == self.orders.get("k3") and self.fault != "never cancels":
            await self.once("order", {"kind": "takt.cancel_order.v1", "order_id": id_})
        if notice["state"] == "confirmed" and id_ == self.orders.get("k1") and self.fault != "never changes":
            ask = {"kind": "takt.request_change.v1", "order_id": id_, "due_us": self.now_us() + 25 * DAY_US}
            await self.once("order", ask)
        if self.fault == "cancels another's order" and id_ not in self.orders.values():
            await self.once("order", {"kind": "takt.cancel_order.v1", "order_id": id_})

    async def quoted(self, quote: Json) -> None:
        if self.fault == "never accepts" or quote["order_id"] not in self.orders.values():
            return
        id_ = f"{quote['order_id']}.q999" if self.fault == "accepts what nobody quoted" else quote["quote_id"]
        body = {"kind": "takt.accept_change.v1", "order_id": quote["order_id"], "quote_id": id_}
        await self.once("order", body)

    async def once(self, channel: str, body: Json) -> None:
        """Send what was not sent yet, whatever the notice that asks for it says again."""
        assert channel == "order"
        known = f"{body['kind']} {body['order_id']}"
        if known not in self.done:
            self.done.add(known)
            await self.send("order", "", body)


class BareCustomer(BarePartner):
    """`market.conformance.partners.Partner` in this process: a customer with one ``fault`` or none."""

    agent = _Customer
