"""What real companies and the market say to each other over weeks keeps to the published schema."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable

from agents.hosts.fleet import LocalFleet
from agents.profile import Disruption
from market.adapters.memory_bus import MemoryBroker, MemoryMarketBus
from market.ports import OutboxMessage, Request
from takt_sdk.model.values import DAY_US, Window
from tests.docs.test_protocol import validator
from tests.integration.agents_market import (
    MARKET,
    MONDAY_US,
    company_in_memory,
    profiles,
    run,
    running_market,
)

ORDERS = 3


class Overheard(MemoryMarketBus):
    """The market's side of the bus, with a note of all that passes."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.said: list[tuple[str, bytes]] = []

    async def start(
        self,
        on_request: Callable[[Request], Awaitable[bytes]],
        on_heartbeat: Callable[[str, bytes], None],
        on_arrival: Callable[[Request], bytes | None] | None = None,
    ) -> None:
        async def heard(request: Request) -> bytes:
            reply = await on_request(request)
            self.said += [("ParticipantEnvelope", request.body), ("Reply", reply)]
            return reply

        await super().start(heard, on_heartbeat, on_arrival)

    async def send(self, message: OutboxMessage) -> None:
        self.said.append(("MarketEnvelope", message.body))
        await super().send(message)


async def test_weeks_of_traffic_with_a_breakdown_keep_to_the_schema() -> None:
    down = Disruption(
        resource="mill", window=Window(start_us=MONDAY_US + DAY_US, end_us=MONDAY_US + 4 * DAY_US)
    )
    broker = MemoryBroker(MARKET, ack_wait_s=0.5)
    bus = Overheard(broker)
    async with running_market(bus, profiles((down,))) as service:
        fleet = LocalFleet([company_in_memory(broker, company, ORDERS) for company in profiles((down,))])
        await fleet.start()
        await run(service, fleet, range(0, 20 * 24, 6))
        await fleet.stop()
    kinds: Counter[str] = Counter()
    for definition, data in bus.said:
        message = json.loads(data)
        kinds[message.get("kind") or message["body"]["kind"]] += 1
        faults = [error.message for error in validator(definition).iter_errors(message)]
        assert not faults, (data, faults)
    assert {
        "takt.call_for_proposals.v1", "takt.round_result.v1", "takt.contract_notice.v1",
        "takt.order_notice.v1", "takt.bid_sheet.v1", "takt.report_milestone.v1", "takt.report_breakdown.v1",
        "takt.sync_reply.v1", "takt.receipt.v1", "takt.tape.v1",
    } <= set(kinds)  # fmt: skip
